/**
 * A build must say what it made, and must not pass when the next year's image would not fit: the link map is read
 * right, the limits hold on both sides of their edge, and `npm run flash` writes only a whole image to the chip that it
 * is for. The images, maps and the esptool of these tests are their own; no toolchain is needed.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import test from "ava";
import { tableOf } from "../hosts/firmware/build.ts";
import { type BuildManifest, buildManifest, summary } from "../hosts/firmware/build-manifest.ts";
import { checkSettings } from "../hosts/firmware/configuration.ts";
import { chipIn, type FoundChip } from "../hosts/firmware/esptool.ts";
import { flashImage, refusalOf } from "../hosts/firmware/flash-image.ts";
import { readImage } from "../hosts/firmware/image.ts";
import { linkedMemory } from "../hosts/firmware/link-map.ts";
import { firmwareImage } from "./firmware-image.ts";

const root = mkdtempSync(join(tmpdir(), "throwie-build-"));
test.after.always(() => rmSync(root, { recursive: true }));

/** A map in GNU ld's form. `bss` is the end of what is placed in the data RAM: 0x3fc80000 to 0x3fcce710. */
function linkMap({ bss = 0xb2a0, region = "dram0_0_seg" } = {}): string {
  return `Archive member included to satisfy reference by file (symbol)

esp-idf/xtensa/libmain.a(a.c.obj)
                              (app_main)

Discarded input sections

 .text          0x00000000        0x0 CMakeFiles/a.obj
.dram0.bss      0x3fc80000   0xfffff

Memory Configuration

Name             Origin             Length             Attributes
iram0_0_seg      0x40380000         0x0004e710         xr
iram0_2_seg      0x42000020         0x007fffe0         xr
${region}      0x3fc80000         0x0004e710         rw
drom0_0_seg      0x3c000020         0x007fffe0         r
*default*        0x00000000         0xffffffff

Linker script and memory map

LOAD esp-idf/main/libmain.a
                0x00000001                        _iram_dram_shared = 0x1

.iram0.text     0x40380000    0xd000
 *(.iram1 .iram1.*)
 .iram1.0       0x40380000      0x100 esp-idf/freertos/libfreertos.a(port.c.obj)
                0x40380000                vPortYield
.dram0.dummy    0x3fc80000    0xd000
.dram0.data     0x3fc8d000     0x2930
 .data          0x3fc8d000       0x40 esp-idf/main/libmain.a(a.c.obj)
.noinit         0x3fc8f930        0x0
.dram0.bss      0x3fc8f930     0x${bss.toString(16)}
 .bss.ring      0x3fc8f930     0x6bb3 esp-idf/main/libmain.a(frame-ring.c.obj)
.flash.text     0x42000020    0xb42d6
.flash.appdesc  0x3c0c0020      0x100
.flash.rodata   0x3c0c0120    0x6e000
.flash.rodata_noload
                0x3c12e120        0x0
.dram0.heap_start
                0x3fc9ebd0        0x0
.debug_info     0x00000000   0x9f0000
`;
}

const END = 0x3fcce710;

test("the memory of an image is read from its link map", (t) => {
  t.deepEqual(linkedMemory(linkMap()), {
    codeInFlashBytes: 0xb42d6,
    constantsInFlashBytes: 0x6e100,
    codeInRamBytes: 0xd000,
    dataBytes: 0x2930,
    bssBytes: 0xb2a0,
    freeDramBytes: END - 0x3fc8f930 - 0xb2a0,
  });
});

test("a section whose name fills its line counts, and one that the linker discarded does not", (t) => {
  const moved = linkMap().replace(".dram0.bss      0x3fc8f930", ".dram0.bss\n                0x3fc8f930");
  t.deepEqual(linkedMemory(moved), linkedMemory(linkMap()));
  const more = linkMap().replace(".noinit         0x3fc8f930        0x0", ".noinit         0x3fca0000    0x10000");
  t.is(linkedMemory(more).freeDramBytes, END - 0x3fcb0000);
});

test("canary: code that lies in the data RAM is taken from it", (t) => {
  const without = linkMap({ bss: 0 }).replace(/^\.dram0\.data .*$/m, ".dram0.data     0x3fc80000        0x4");
  t.is(linkedMemory(without).freeDramBytes, END - 0x3fc8d000);
});

test("a text that is no map of a whole link is refused", (t) => {
  t.throws(() => linkedMemory(""), { message: /no memory region dram0_0_seg.*\?$/ });
  t.throws(() => linkedMemory(linkMap({ region: "data_segment" })), { message: /no memory region/ });
  const cut = linkMap().slice(0, linkMap().indexOf(".dram0.data"));
  t.throws(() => linkedMemory(cut), { message: /the link did not end\.$/ });
});

test("an image that a boot loader would not start is refused", (t) => {
  const whole = firmwareImage({ segments: [100, 3, 0, 5_000] });
  const read = readImage(whole, "it");
  t.deepEqual([read.chip, read.sizeBytes], [5, whole.length]);
  t.is(readImage(Buffer.concat([whole, Buffer.alloc(99)]), "it").sizeBytes, whole.length, "what follows is not read");
  const changed = (at: number, value: number): Uint8Array => whole.map((byte, i) => (i === at ? value : byte));
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /does not begin/],
    [changed(0, 0xea), /does not begin/],
    [changed(23, 0), /has no SHA-256/],
    [changed(2_000, 1), /SHA-256 is wrong/],
    [changed(12, 9), /SHA-256 is wrong/],
    [changed(1, 5), /cut short|SHA-256 is wrong/],
    [changed(31, 0x7f), /cut short/],
    [whole.slice(0, whole.length - 1), /cut short/],
    [whole.slice(0, 60), /cut short/],
  ];
  for (const [bytes, why] of cases) {
    const { message } = t.throws(() => readImage(bytes, "app.bin"));
    t.regex(message, /^app\.bin is no whole image \([^)]*\): build it again\.$/);
    t.regex(message, why);
  }
});

const IDENTITY = { version: "0.1.0", hash: "0123456789ab", commit: undefined, dirty: true };
let folders = 0;

/** What the SDK leaves behind, with an image of that size. */
function built(sizeBytes: number, { bss = 0xb2a0, flash = "4MB" as "4MB" | "8MB", chip = 5 } = {}): string {
  const folder = join(root, `built-${++folders}`);
  mkdirSync(folder);
  const rest = firmwareImage({ segments: [0] }).length;
  writeFileSync(join(folder, "xs_esp32.bin"), firmwareImage({ chip, segments: [sizeBytes - rest] }));
  writeFileSync(join(folder, "xs_esp32.map"), linkMap({ bss }));
  writeFileSync(join(folder, "bootloader.bin"), "loader");
  writeFileSync(join(folder, "partition-table.bin"), "table");
  if (flash === "8MB") writeFileSync(join(folder, "ota_data_initial.bin"), Buffer.alloc(8_192, 0xff));
  return folder;
}

function manifestOf(folder: string, flash: "4MB" | "8MB" = "4MB"): BuildManifest {
  const config = checkSettings("esp32c3", ["channel=6"]);
  const table = tableOf("esp32c3", flash);
  return buildManifest({ folder, board: "esp32c3", flash, config, identity: IDENTITY, table });
}

/** Four fifths of 2,176 KB, down to the image's blocks of 16 bytes. */
const FULLEST = 1_782_576;

test("the manifest of a build says what was built, and where each file belongs", (t) => {
  const folder = built(1_271_472);
  const manifest = manifestOf(folder);
  const { firmware, commit, board, settings, app, memory, faults, files } = JSON.parse(JSON.stringify(manifest));
  t.deepEqual([firmware, commit, board, faults], ["0.1.0+0123456789ab.dirty", null, "esp32c3", []]);
  t.deepEqual([settings.channel, settings.role, settings.port], ["6", "throwie", "usb"]);
  t.deepEqual(app, {
    partition: "factory",
    partitionBytes: 2_228_224,
    sizeBytes: 1_271_472,
    freeBytes: 956_752,
    fullPercent: 57.1,
  });
  t.is(memory.freeDramBytes, END - 0x3fc8f930 - 0xb2a0);
  t.deepEqual(
    files.map(({ name, offset }: { name: string; offset: number }) => [name, offset]),
    [
      ["bootloader.bin", 0],
      ["partition-table.bin", 0x8000],
      ["xs_esp32.bin", 0x10000],
    ],
  );
  t.is(files[1].sha256, "0d4fc4a78d3706edccafb665a8b2fdd9309e82c78625bb0f2b8e7bb9e1c4d21c");
  t.regex(summary(manifest), /1,271,472 bytes, 57\.1 % of the partition factory, 956,752 free\.$/m);
  const large = manifestOf(built(1_000_000, { flash: "8MB" }), "8MB");
  t.deepEqual(
    large.files.map(({ name, offset }) => [name, offset]),
    [
      ["bootloader.bin", 0],
      ["partition-table.bin", 0x8000],
      ["ota_data_initial.bin", 0x234000],
      ["xs_esp32.bin", 0x10000],
    ],
  );
  t.is(large.app.partition, "ota_0");
});

test("an image may fill four fifths of its partition, and must leave the data RAM that its chip needs", (t) => {
  t.deepEqual(manifestOf(built(FULLEST)).faults, []);
  const [full] = manifestOf(built(FULLEST + 16)).faults;
  t.regex(full!, /^The image has 1,782,592 bytes, 80\.1 % of the partition factory; .* 13 bytes smaller\.$/);
  const free = (bss: number): string[] => manifestOf(built(1_000_000, { bss })).faults;
  const bssMax = END - 0x3fc8f930 - 199 * 1_024;
  t.deepEqual(free(bssMax), []);
  t.regex(free(bssMax + 4).join(), /^By its link map .* 203,772 bytes .* must leave 203,776: give back 4\.$/);
  t.is(manifestOf(built(2_000_000, { bss: bssMax + 4 })).faults.length, 2, "each limit has its sentence");
});

test("a build that made no image, or one for another chip, is a failure", (t) => {
  const folder = built(1_000_000);
  rmSync(join(folder, "xs_esp32.bin"));
  t.throws(() => manifestOf(folder), { message: /^The build made no .*xs_esp32\.bin; its messages are above\.$/ });
  t.throws(() => manifestOf(built(1_000_000, { chip: 9 })), { message: /an image for another chip than esp32c3\.$/ });
});

const SAID_4 = (family: string, name: string, flash: string): string =>
  `esptool.py v4.8.1\nSerial port /dev/ttyACM0\nConnecting...\nDetecting chip type... Unsupported detection protocol, switching and trying again...\nDetecting chip type... ${family}\nChip is ${name} (QFN32) (revision v0.4)\nMAC: 34:85:18:00:00:0a\nDetected flash size: ${flash}\n`;
const SAID_5 = (family: string, name: string, flash: string): string =>
  `esptool v5.1.0\nConnected to ${family} on /dev/ttyACM0:\nChip type:          ${name} (QFN32) (revision v0.4)\nMAC:                34:85:18:00:00:0a\nDetected flash size: ${flash}\n`;

test("the chip is found in what esptool 4 and 5 say, whatever the name of its package", (t) => {
  for (const said of [SAID_4, SAID_5]) {
    const cases: [string, string, string, Omit<FoundChip, "address">][] = [
      ["ESP32-C3", "ESP32-C3", "4MB", { name: "ESP32-C3", board: "esp32c3", flash: "4MB" }],
      ["ESP32-C3", "ESP8685", "4MB", { name: "ESP32-C3 (ESP8685)", board: "esp32c3", flash: "4MB" }],
      ["ESP32", "ESP32-D0WD-V3", "16MB", { name: "ESP32-D0WD-V3", board: "esp32", flash: "16MB" }],
      ["ESP32", "ESP32-U4WDH", "512KB", { name: "ESP32-U4WDH", board: "esp32", flash: "512KB" }],
      ["ESP32-S3", "ESP32-S3-PICO-1", "Unknown", { name: "ESP32-S3-PICO-1", board: "esp32s3", flash: undefined }],
    ];
    for (const [family, name, flash, found] of cases) {
      t.deepEqual(chipIn(said(family, name, flash)), { ...found, address: "34:85:18:00:00:0a" });
    }
  }
  t.is(chipIn("A fatal error occurred: Failed to connect to Espressif device: No serial data received.\n"), undefined);
});

test("an image is refused for another chip, and for a flash that is too small", (t) => {
  const image = { board: "esp32c3", flash: "4MB" };
  const address = undefined;
  const chip = (board: string, flash?: string): FoundChip => ({ name: "ESP32-C3", board, flash, address });
  t.is(refusalOf(chip("esp32c3", "4MB"), image), "");
  t.is(refusalOf(chip("esp32c3", "16MB"), image), "");
  t.is(refusalOf(chip("esp32c3"), image), "");
  t.regex(
    refusalOf({ name: "ESP32-S3", board: "esp32s3", flash: "8MB", address }, image),
    /^The chip is an ESP32-S3, and .*\.$/,
  );
  t.regex(refusalOf(chip("esp32c3", "2MB"), image), /^The board has 2MB of flash, .*\.$/);
  t.regex(refusalOf(chip("esp32c3", "512KB"), image), /^The board has 512KB of flash/);
  t.regex(refusalOf(chip("esp32c3", "4MB"), { ...image, flash: "8MB" }), /the image is for 8MB.*\.$/);
  t.regex(refusalOf(chip("esp32c3"), { ...image, flash: "8MB" }), /flash of an unknown size/);
});

/** An esptool that says what $SAYS has, and notes each call in $CALLS. */
const ESPTOOL = `#!${process.execPath}
require("node:fs").appendFileSync(process.env.CALLS, process.argv.slice(2).join(" ") + "\\n");
process.stdout.write(process.env.SAYS ?? "");
process.exit(process.env.SAYS === undefined ? 2 : 0);
`;
const bin = join(root, "bin");
mkdirSync(bin);
writeFileSync(join(bin, "esptool"), ESPTOOL);
chmodSync(join(bin, "esptool"), 0o755);

/** Calls flashImage with that esptool. Returns the calls of esptool, and the refusal. */
function flashed(folder: string, says: string | undefined, config: Record<string, unknown> = {}): [string[], string] {
  const calls = join(root, `calls-${++folders}`);
  writeFileSync(calls, "");
  const { PATH, SAYS } = process.env;
  process.env.PATH = `${bin}${delimiter}${PATH}`;
  process.env.CALLS = calls;
  if (says !== undefined) process.env.SAYS = says;
  let refusal = "";
  try {
    flashImage(folder, "/dev/ttyACM0", config);
  } catch (error) {
    refusal = (error as Error).message;
  }
  process.env.PATH = PATH;
  if (SAYS === undefined) delete process.env.SAYS;
  return [readFileSync(calls, "utf8").trim().split("\n"), refusal];
}

test("flash names the chip, and writes an image only to the chip that it is for", (t) => {
  const folder = built(100_000);
  writeFileSync(join(folder, "firmware.json"), JSON.stringify(manifestOf(folder)));
  const ask = "--chip auto --port /dev/ttyACM0 flash_id";
  const places = `0x0 ${folder}/bootloader.bin 0x8000 ${folder}/partition-table.bin 0x10000 ${folder}/xs_esp32.bin`;
  const write = `--chip esp32c3 --port /dev/ttyACM0 --baud 921600 write_flash ${places}`;
  t.deepEqual(flashed(folder, SAID_5("ESP32-C3", "ESP32-C3", "4MB")), [[ask, write], ""]);
  const other = flashed(folder, SAID_4("ESP32-S3", "ESP32-S3", "8MB"));
  t.deepEqual(other[0], [ask]);
  t.regex(other[1], /^The chip is an ESP32-S3, and the image is for esp32c3: .* Nothing was written\.$/);
  const silent = flashed(folder, undefined);
  t.deepEqual(silent[0], [ask]);
  t.regex(silent[1], /^No chip answers on \/dev\/ttyACM0 .*let go\.$/);
  t.deepEqual(flashed(folder, SAID_5("ESP32-C3", "ESP32-C3", "4MB"), { channel: "6" })[1], "");
  const [calls, refusal] = flashed(folder, SAID_5("ESP32-C3", "ESP32-C3", "4MB"), { channel: "7" });
  t.deepEqual(calls, [""]);
  t.is(refusal, "The image was built with channel=6, not channel=7: build it again with that.");
});

test("flash writes nothing of an image that broke a limit, or that is not what the build made", (t) => {
  const says = SAID_5("ESP32-C3", "ESP32-C3", "4MB");
  const large = built(FULLEST + 16);
  writeFileSync(join(large, "firmware.json"), JSON.stringify(manifestOf(large)));
  t.regex(flashed(large, says)[1], /^This image is not written to a board\. The image has 1,782,592 bytes, /);
  for (const name of ["bootloader.bin", "partition-table.bin", "xs_esp32.bin"]) {
    const folder = built(100_000);
    writeFileSync(join(folder, "firmware.json"), JSON.stringify(manifestOf(folder)));
    writeFileSync(join(folder, name), "another");
    const [calls, refusal] = flashed(folder, says);
    t.deepEqual(calls, [""]);
    t.true(refusal.includes(`${name} is not the file that the build made`), refusal);
    rmSync(join(folder, name));
    t.true(flashed(folder, says)[1].includes(`${name} is not the file that the build made`));
  }
});
