/**
 * An operator without a toolchain changes settings by `npm run flash -- --settings`. These tests run the command
 * against a file, as `lin` has one, and against an esptool of the test that keeps a board's flash in a file. The
 * command must write the settings partition alone, in the order that survives a power cut, and leave nothing behind
 * when it refuses.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import test from "ava";
import { type SettingsOptions, settingsCommand } from "../hosts/firmware/settings-command.ts";
import { imageOf, SETTINGS_PARTITION_BYTES, settingsOn, settingsWrite } from "../hosts/firmware/settings-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-settings-test-"));
test.after.always(() => rmSync(folder, { recursive: true }));

/** Where `targets/` has the partition. */
const SETTINGS_AT = 0x232000;
const FLASH_BYTES = 4 * 1024 * 1024;

/**
 * Keeps flash in $FLASH, and notes each call in $FLASH.calls. Fails at the call whose number is in $FAIL_AT, after half
 * of the sector was written.
 */
const ESPTOOL = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require("node:fs");
const words = process.argv.slice(2);
const { FLASH, FAIL_AT } = process.env;
appendFileSync(FLASH + ".calls", words.filter((word) => !word.startsWith(process.env.TMPDIR)).join(" ") + "\\n");
const last = readFileSync(FLASH + ".calls", "utf8").trim().split("\\n").length === Number(FAIL_AT);
const flash = readFileSync(FLASH);
const [command, address, ...rest] = words.slice(words.findIndex((word) => /_flash$|^flash_/.test(word)));
const at = Number(address);
if (command === "flash_id") console.log("Detecting chip type... " + (process.env.CHIP ?? "ESP32-C3"));
else if (command === "read_flash") writeFileSync(rest[1], flash.subarray(at, at + Number(rest[0])));
else {
  const bytes = readFileSync(rest[0]);
  flash.fill(0xff, at, at + Math.ceil(bytes.length / 4096) * 4096);
  bytes.copy(flash, at, 0, last ? 100 : bytes.length);
  writeFileSync(FLASH, flash);
}
process.exit(last ? 2 : 0);
`;
writeFileSync(join(folder, "esptool"), ESPTOOL);
chmodSync(join(folder, "esptool"), 0o755);

interface Run {
  status: number | null;
  out: string;
  err: string;
}

function flash(words: string[], environment: Record<string, string> = {}): Run {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["build/hosts/firmware/firmware.js", "flash", "--settings", ...words],
    { encoding: "utf8", env: { PATH: `${folder}${delimiter}${process.env.PATH}`, TMPDIR: folder, ...environment } },
  );
  return { status, out: stdout, err: stderr };
}

const partitionIn = (bytes: Uint8Array, at: number): Uint8Array => bytes.subarray(at, at + SETTINGS_PARTITION_BYTES);

function board(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, new Uint8Array(FLASH_BYTES).fill(0x5a));
  return path;
}

test("the command writes the settings partition of a board and nothing else, and says what it writes", (t) => {
  const path = board("written");
  const first = flash(["--port", "/dev/x", "channel=6", "name=Old harbour"], { FLASH: path });
  t.is(first.status, 0, first.err);
  t.regex(
    first.out,
    /Writing to the partition settings of the ESP32-C3 at 0x232000, and nothing else: settings 1: channel=6, name=Old harbour\./,
  );
  t.is(flash(["wake=60", "name="], { FLASH: path }).status, 0);
  const bytes = readFileSync(path);
  t.is(settingsOn(partitionIn(bytes, SETTINGS_AT)), "settings 2: channel=6, wake=60");
  bytes.fill(0x5a, SETTINGS_AT, SETTINGS_AT + SETTINGS_PARTITION_BYTES);
  t.true(bytes.every((byte) => byte === 0x5a));
  t.deepEqual(readFileSync(`${path}.calls`, "utf8").trim().split("\n").slice(0, 4), [
    "--chip auto --port /dev/x flash_id",
    "--chip esp32c3 --port /dev/x read_flash 0x232000 0x2000",
    "--chip esp32c3 --port /dev/x write_flash 0x232000",
    "--chip esp32c3 --port /dev/x write_flash 0x233000",
  ]);
  const shown = flash([], { FLASH: path });
  t.regex(shown.out, /In the partition settings of the ESP32-C3 at 0x232000: settings 2: channel=6, wake=60\.\n/);
  t.is(readFileSync(`${path}.calls`, "utf8").trim().split("\n").length, 10, "showing reads once and writes nothing");
});

test("a cable that fails in the middle leaves settings that hold, and the next call repairs them", (t) => {
  for (const [failAt, held] of [
    ["3", "settings 1: channel=3"],
    ["4", "settings 2: channel=9"],
  ] as const) {
    const path = board(`cut ${failAt}`);
    const bytes = readFileSync(path);
    const { sector } = settingsWrite(partitionIn(bytes, SETTINGS_AT), [{ key: "channel", value: "3" }]);
    bytes.set(imageOf(sector), SETTINGS_AT);
    writeFileSync(path, bytes);
    const cut = flash(["channel=9"], { FLASH: path, FAIL_AT: failAt });
    t.is(cut.status, 1);
    t.regex(cut.err, /esptool failed with status 2[^\n]*\n$/);
    t.is(settingsOn(partitionIn(readFileSync(path), SETTINGS_AT)), held);
    t.is(flash(["channel=9"], { FLASH: path }).status, 0);
    t.regex(settingsOn(partitionIn(readFileSync(path), SETTINGS_AT)), /: channel=9$/);
  }
});

test("the partition of a desk is written in its file", (t) => {
  const file = join(folder, "settings");
  t.is(flash(["--file", file, "channel=11", "rate=LR250K"]).status, 0);
  const bytes = readFileSync(file);
  const given = [
    { key: "rate", value: "LR250K" },
    { key: "channel", value: "11" },
  ];
  const { sector } = settingsWrite(new Uint8Array(SETTINGS_PARTITION_BYTES).fill(0xff), given);
  t.deepEqual(new Uint8Array(bytes), imageOf(sector));
  t.regex(flash(["--file", file]).out, /settings: settings 1: channel=11, rate=LR250K\./);
});

test("what a board would refuse is refused in one sentence, before anything is touched", (t) => {
  const path = board("untouched");
  const file = join(folder, "absent");
  const short = join(folder, "short");
  writeFileSync(short, "x");
  const refused: [SettingsOptions, string, RegExp][] = [
    [{}, "channel=14", /^channel is 14; it must be a whole number from 1 to 11\.$/],
    [{}, "role=dongle", /^role is no setting that a board keeps; it must be one of channel, [^\n]*\.$/],
    [{}, "name", /^name is no setting; it must be key=value\.$/],
    [{ file }, "wake=7", /^wake is 7; it must be "always" or one of [^\n]*\.$/],
    [{ file: short }, "wake=60", /short is no settings partition: it has 1 bytes, and a partition has 8192; name/],
    [{ file: join(file, "x") }, "wake=60", /^There is no [^\n]*\.$/],
    [{ file: folder }, "wake=60", /is a folder: name a file\.$/],
  ];
  const before = readdirSync(folder).sort();
  for (const [options, given, message] of refused) {
    t.throws(() => settingsCommand(options, [given]), { message });
  }
  t.regex(flash(["channel=14"], { FLASH: path }).err, /^channel is 14; [^\n]*\n$/);
  t.false(existsSync(`${path}.calls`), "esptool was not called");
  t.deepEqual(readdirSync(folder).sort(), before, "nothing is left behind");
  const foreign = flash(["channel=1"], { FLASH: path, CHIP: "ESP8266" });
  t.is(foreign.status, 1);
  t.regex(foreign.err, /^The chip is ESP8266, and no firmware is for it: plug in one of esp32, esp32c3, esp32s3\.\n$/);
  t.true(readFileSync(path).every((byte) => byte === 0x5a));
  const { status, err } = flash(["channel=1"], { PATH: "" });
  t.is(status, 1);
  t.regex(err, /^esptool is not on the path: install it [^\n]*\.\n$/);
});
