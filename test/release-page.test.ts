/**
 * The page of a release in a real browser: Debian's chromium, if it is there. A person types settings, the board's
 * validator answers beside the field, and what the page writes has the bytes that `npm run flash -- --settings` writes.
 *
 * At the other end of the serial port is a program (test/serial-loader.ts), so the tests end where the cable begins.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import test from "ava";
import { type Browser, chromium, type Page } from "playwright-core";
import { release } from "../hosts/firmware/release.ts";
import { settingsOn } from "../hosts/firmware/settings-writer.ts";
import { plugInLoader } from "./serial-loader.ts";

const SETTINGS_AT = 0x232000;
const program = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((path) => ["chromium", "chromium-browser"].map((name) => join(path, name)))
  .find((path) => existsSync(path));
const browserTest = program === undefined ? test.skip : test.serial;
const title = (what: string): string => (program === undefined ? `${what} (needs chromium)` : what);

const folder = mkdtempSync(join(tmpdir(), "throwie-page-"));
const site = join(folder, "release");
let browser: Browser;

test.before(async () => {
  await release(site, ["esp32c3", "esp32s3"], (board, role) => {
    const made = join(folder, "made");
    mkdirSync(made, { recursive: true });
    const files = Object.entries({ "bootloader.bin": 0, "partition-table.bin": 0x8000, "xs_esp32.bin": 0x10000 }).map(
      ([name, offset]) => {
        const text = `${name} of ${board}, ${role}`;
        writeFileSync(join(made, name), text);
        return { name, offset, sizeBytes: text.length };
      },
    );
    const manifest = { firmware: "0.1.0+0123456789ab.dirty", commit: null, board, files };
    writeFileSync(join(made, "firmware.json"), JSON.stringify(manifest));
    return made;
  });
  if (program !== undefined) browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
});
test.after.always(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** The page, served without a network. `requested` are the addresses that the page asked for outside of its folder. */
async function open(withPort = true): Promise<{ page: Page; requested: string[]; faults: string[] }> {
  const context = await browser.newContext({ acceptDownloads: true });
  const requested: string[] = [];
  const faults: string[] = [];
  await context.route("**/*", async (route) => {
    const { origin, pathname } = new URL(route.request().url());
    const file = join(site, pathname === "/" ? "index.html" : pathname);
    if (origin !== "https://release.test" || !existsSync(file)) requested.push(route.request().url());
    await (existsSync(file) ? route.fulfill({ path: file }) : route.abort());
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  if (withPort) await page.addInitScript(plugInLoader);
  else await page.addInitScript("delete Navigator.prototype.serial");
  await page.goto("https://release.test/");
  await page.getByText("Throwie 0.1.0, commit unknown, with changes").waitFor();
  return { page, requested, faults };
}

browserTest(title("a bad value shows the board's sentence beside its field, and nothing is written"), async (t) => {
  const { page, requested, faults } = await open();
  for (const [label, value, sentence] of [
    ["Channel", "14", "channel is 14; it must be a whole number from 1 to 11."],
    ["Channel", "", "channel is ; it must be a whole number from 1 to 11."],
    ["Half-life, in days", "0.5", "halfLifeDays is 0.5; it must be from 1 to 1590."],
    ["Name", "Z\u00fcrich", "name is Z\u00fcrich; it must be at most 32 letters, digits, signs and spaces of ASCII."],
  ] as const) {
    const field = page.getByLabel(label);
    const before = await field.inputValue();
    await field.fill(value);
    await field.press("Tab");
    const described = ((await field.getAttribute("aria-describedby")) ?? "").split(" ").map((id) => `#${id}`);
    t.true((await page.locator(described.join()).allTextContents()).includes(sentence), sentence);
    t.is(await field.getAttribute("aria-invalid"), "true");
    for (const button of ["Write firmware and settings", "Write settings only", "Save settings as a file"]) {
      await page.getByRole("button", { name: button }).click();
      t.true(await field.evaluate((element) => element === element.ownerDocument.activeElement), "has the focus");
      t.is(await page.getByRole("status").textContent(), "Correct the marked settings first.");
    }
    await field.fill(before);
    t.is(await field.getAttribute("aria-invalid"), "false", "the sentence goes while the person types");
  }
  for (const label of ["Channel", "Name"]) await page.getByLabel(label).fill("\u00fc");
  await page.keyboard.press("Enter");
  t.is(await page.evaluate("document.activeElement.id"), "name", "the first wrong field of the form has the focus");
  t.is(await page.evaluate(() => globalThis.serialLoader.asked), 0);
  t.deepEqual([requested, faults], [[], []]);
  await page.context().close();
});

browserTest(title("the settings of the page have the bytes of the command line"), async (t) => {
  const { page } = await open();
  await page.getByLabel("Name").fill("Old harbour");
  await page.getByLabel("Channel").fill("6");
  await page.getByLabel("Rate").selectOption("LR250K");
  await page.getByLabel("Wake").selectOption({ label: "every 60 s" });
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Save settings as a file" }).click(),
  ]);
  const file = join(folder, "settings");
  const given = ["name=Old harbour", "channel=6", "rate=LR250K", "wake=60", "halfLifeDays=7"];
  const words = ["build/hosts/firmware/firmware.js", "flash", "--settings", "--file", file, ...given];
  t.is(spawnSync(process.execPath, words, { encoding: "utf8" }).status, 0);
  t.deepEqual(readFileSync(await download.path()), readFileSync(file));
  await page.context().close();
});

browserTest(title("the page writes settings before firmware, keeps all else, and erases no chip"), async (t) => {
  const { page, requested, faults } = await open();
  await page.getByLabel("Dongle").check();
  await page.getByLabel("Channel").fill("11");
  await page.keyboard.press("Enter");
  await page.getByText("The board starts again by itself.").waitFor();
  t.is(
    await page.getByRole("status").textContent(),
    "The firmware and the settings are on the board, which has settings 1: channel=11, halfLifeDays=7, rate=1M, " +
      "wake=always. The board starts again by itself.",
  );
  await page.getByLabel("Channel").fill("3");
  await page.getByRole("button", { name: "Write settings only" }).press("Enter");
  await page.getByText("settings 2: channel=3").waitFor();
  await page.getByLabel("Channel").fill("9");
  await page.getByRole("button", { name: "Show the board's settings here" }).click();
  await page.getByText("The board has settings 2: channel=3, halfLifeDays=7, rate=1M, wake=always. The").waitFor();
  t.is(await page.getByLabel("Channel").inputValue(), "3");
  const written = await page.evaluate((settingsAt) => {
    const { parts, erased, flash } = globalThis.serialLoader;
    const untouched = (from: number, to: number): boolean => flash.subarray(from, to).every((byte) => byte === 0x5a);
    return {
      ...{ erased, addresses: parts.map(([address]) => address) },
      settings: Array.from(flash.subarray(settingsAt, settingsAt + 8192)),
      app: String.fromCharCode(...flash.subarray(0x10000, 0x10000 + 30)),
      keptBefore: untouched(0x11000, settingsAt),
      keptAfter: untouched(settingsAt + 8192, flash.length),
    };
  }, SETTINGS_AT);
  t.regex(settingsOn(Uint8Array.from(written.settings)), /^settings 2: channel=3, /);
  t.deepEqual(
    { ...written, settings: [] },
    {
      ...{ erased: false, keptBefore: true, keptAfter: true, settings: [] },
      addresses: [SETTINGS_AT, SETTINGS_AT + 4096, 0, 0x8000, 0x10000, SETTINGS_AT, SETTINGS_AT + 4096],
      app: "xs_esp32.bin of esp32c3, dongl",
    },
  );
  t.deepEqual([requested, faults], [[], []]);
  await page.context().close();
});

browserTest(title("without a serial port the page says which browser has one, and still saves settings"), async (t) => {
  const { page } = await open(false);
  t.true(await page.getByRole("alert").isVisible());
  t.true(await page.getByRole("button", { name: "Write settings only" }).isDisabled());
  t.true(await page.getByRole("button", { name: "Save settings as a file" }).isEnabled());
  await page.context().close();
});
