/**
 * A release is what an operator without a toolchain trusts: no part of it may touch a board's Drops, and its page and
 * checksums must fit its images. These tests make one from images of their own, since a test has no toolchain.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { partitionNamed, partitionsOf } from "../hosts/firmware/partitions.ts";
import { type BuildImage, release } from "../hosts/firmware/release.ts";
import { missingCompiler } from "../hosts/firmware/toolchain.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-release-"));
test.after.always(() => rmSync(folder, { recursive: true }));

const PLACES: [name: string, sizeBytes: number, offset: number][] = [
  ["bootloader.bin", 20_000, 0],
  ["partition-table.bin", 3_072, 0x8000],
  ["xs_esp32.bin", 1_300_000, 0x10000],
];

/** Puts files where a build does. Each image has other bytes. */
function builder(places: typeof PLACES, firmware = "0.1.0+0123456789ab"): BuildImage {
  return (board, role) => {
    const made = join(folder, "made", `${board}-${role}`);
    mkdirSync(made, { recursive: true });
    const files = places.map(([name, sizeBytes, at]) => {
      writeFileSync(join(made, name), Buffer.alloc(sizeBytes, `${board} as ${role}. `));
      return { name, sizeBytes, offset: at === 0 && board === "esp32" ? 0x1000 : at };
    });
    const manifest = { firmware, commit: "fedcba9876543210", board, files };
    writeFileSync(join(made, "firmware.json"), JSON.stringify(manifest));
    return made;
  };
}

const BOARDS: Record<string, string> = { ESP32: "esp32", "ESP32-C3": "esp32c3", "ESP32-S3": "esp32s3" };
const to = join(folder, "release");
test.before(() => release(to, Object.values(BOARDS), builder(PLACES)));

interface Manifest {
  new_install_prompt_erase?: boolean;
  new_install_skip_erase?: boolean;
  builds: { chipFamily: string; parts: { path: string; offset: number }[] }[];
}

test("a release has an image for each chip and role, and its checksums", (t) => {
  const sums = readFileSync(join(to, "SHA256SUMS"), "utf8").trim().split("\n");
  for (const line of sums) {
    const [sum, path] = line.split("  ");
    t.is(
      createHash("sha256")
        .update(readFileSync(join(to, path!)))
        .digest("hex"),
      sum,
      path,
    );
  }
  const files = readdirSync(to, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  t.is(sums.length, files.length - 1, "all files but the checksums themselves");
  t.is(JSON.parse(readFileSync(join(to, "release.json"), "utf8")).version, "0.1.0, commit fedcba98");
  for (const role of ["throwie", "mule", "dongle"]) {
    const { builds } = JSON.parse(readFileSync(join(to, `${role}.json`), "utf8")) as Manifest;
    t.deepEqual(
      builds.map(({ chipFamily }) => chipFamily),
      Object.keys(BOARDS),
    );
    for (const { chipFamily, parts } of builds) {
      const app = readFileSync(join(to, parts[2]!.path));
      t.true(app.toString("latin1", 0, 30).startsWith(`${BOARDS[chipFamily]} as ${role}. `));
    }
  }
});

test("no part of a manifest touches Drops, crashes or settings, and no chip is erased without a question", (t) => {
  for (const role of ["throwie", "mule", "dongle"]) {
    const manifest = JSON.parse(readFileSync(join(to, `${role}.json`), "utf8")) as Manifest;
    // What ESP Web Tools reads: with true it asks, and the box is not ticked; without, it erases at a first install.
    t.true(manifest.new_install_prompt_erase);
    for (const { chipFamily, parts } of manifest.builds) {
      const table = partitionsOf(readFileSync(`targets/${BOARDS[chipFamily]}/partitions.csv`, "utf8"));
      t.is(parts[0]!.offset, chipFamily === "ESP32" ? 0x1000 : 0);
      for (const { path, offset } of parts) {
        // A loader erases whole sectors.
        const end = offset + Math.ceil(readFileSync(join(to, path)).length / 4096) * 4096;
        for (const kept of ["nvs", "crash", "settings", "drops"].map((name) => partitionNamed(table, name))) {
          t.true(end <= kept.offset || offset >= kept.offset + kept.sizeBytes, `${path} touches ${kept.name}`);
        }
      }
    }
  }
});

test("an image that is too large, or no image, makes no release, and the one of before stays", async (t) => {
  const before = readFileSync(join(to, "SHA256SUMS"), "utf8");
  const [loader, table, app] = PLACES as [(typeof PLACES)[0], (typeof PLACES)[0], (typeof PLACES)[0]];
  const refused: [typeof PLACES, RegExp][] = [
    [
      [loader, table, [app[0], 0x220001, app[2]]],
      /^The file xs_esp32\.bin for esp32 would be written over .* crash\.$/,
    ],
    [[loader, [table[0], 4_097, table[2]], app], /^The file partition-table\.bin for esp32 .* partition nvs\.$/],
    [[loader, table, [app[0], 1, 0x3ff000]], /^The file xs_esp32\.bin for esp32 .* partition drops\.$/],
  ];
  for (const [places, message] of refused)
    await t.throwsAsync(release(to, Object.values(BOARDS), builder(places)), { message });
  const failing: BuildImage = () => {
    throw new Error("MODDABLE is not set.");
  };
  await t.throwsAsync(release(to, ["esp32"], failing), { message: "MODDABLE is not set." });
  t.is(readFileSync(join(to, "SHA256SUMS"), "utf8"), before);
  t.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("release")),
    ["release"],
  );
});

test("the page takes nothing from elsewhere", (t) => {
  for (const name of ["index.html", "page.css"]) {
    const text = readFileSync(join(to, name), "utf8");
    t.deepEqual(
      [...text.matchAll(/(?:src|href)="([^"]+)"|url\(([^)]+)\)/g)].map(([, a, b]) => a ?? b),
      {
        "index.html": ["data:,", "page.css", "page.js", "SHA256SUMS", "licenses.txt"],
        "page.css": [],
      }[name],
    );
    for (const path of ["page.css", "page.js", "licenses.txt"]) t.true(existsSync(join(to, path)));
  }
  t.regex(readFileSync(join(to, "index.html"), "utf8"), /default-src 'none'; script-src 'self'; style-src 'self'/);
  t.notRegex(readFileSync(join(to, "page.js"), "utf8"), /\bimport\(|fonts\.|cdn|unpkg/);
  t.regex(
    readFileSync(join(to, "licenses.txt"), "utf8"),
    /esp-web-tools: Apache-2\.0\n[\s\S]*esptool-js: Apache-2\.0\n/,
  );
});

test("a release for some boards offers these alone", async (t) => {
  const some = join(folder, "some");
  await release(some, ["esp32c3"], builder(PLACES));
  const { builds } = JSON.parse(readFileSync(join(some, "mule.json"), "utf8")) as Manifest;
  t.deepEqual(
    builds.map(({ chipFamily }) => chipFamily),
    ["ESP32-C3"],
  );
  t.deepEqual(JSON.parse(readFileSync(join(some, "release.json"), "utf8")).settingsAt, { "ESP32-C3": 0x232000 });
  const path = join(folder, "compilers");
  mkdirSync(path);
  writeFileSync(join(path, "riscv32-esp-elf-gcc"), "");
  t.is(missingCompiler("esp32c3", path), "");
  t.regex(missingCompiler("esp32", path), /^xtensa-esp32-elf-gcc is not on the path: run ESP-IDF's install\.sh esp32 /);
});

test("without a toolchain a release says what is missing, and leaves nothing behind", (t) => {
  const before = existsSync("build/release");
  for (const [words, sentence] of [
    [[], /^MODDABLE is not set: [^\n]*\.\n(?:[^\n]*\.\n)*IDF_PATH is not set[^\n]*\.\n$/],
    [["channel=6"], /^A release takes no settings: its page writes them to each board\.\n$/],
  ] as const) {
    const { status, stderr } = spawnSync(
      process.execPath,
      ["build/hosts/firmware/firmware.js", "build", "--release", ...words],
      { encoding: "utf8", env: { PATH: process.env.PATH } },
    );
    t.is(status, 1);
    t.regex(stderr, sentence);
  }
  t.is(existsSync("build/release"), before);
  t.deepEqual(
    readdirSync("build").filter((name) => name.startsWith("release.")),
    [],
  );
});
