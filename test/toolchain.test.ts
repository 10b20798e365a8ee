/**
 * A builder who starts `npm run firmware` may lack tools, or give settings that no board accepts. The command must name
 * each missing tool in one sentence, must stay silent about the tools that are there, and must refuse a bad setting
 * before it builds. The last test holds the files in targets/ to what the firmware needs of flash and configuration.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "ava";
import { boards, buildForBoard, flashBoard, sdkconfigFor, tableOf } from "../hosts/firmware/build.ts";
import { checkSettings } from "../hosts/firmware/configuration.ts";
import { partitionNamed, partitionsOf, type TableRow, withTwoApps } from "../hosts/firmware/partitions.ts";
import { desk, type Environment, espIdf } from "../hosts/firmware/toolchain.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-toolchain-"));
test.after.always(() => rmSync(folder, { recursive: true }));

function put(path: string, text = ""): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** An environment in which the build finds every tool that it looks for. The tools are empty files. */
function complete(idf: string): Environment {
  put("moddable/examples/manifest_base.json");
  for (const tool of ["mcconfig", "xsc", "xsl"]) put(`moddable/build/bin/lin/release/${tool}`);
  for (const tool of ["make", "idf.py", "cmake", "ninja"]) put(`bin/${tool}`);
  const [major, minor] = idf.split(".");
  put(`idf-${idf}/tools/cmake/version.cmake`, `set(IDF_VERSION_MAJOR ${major})\nset(IDF_VERSION_MINOR ${minor})\n`);
  return { MODDABLE: join(folder, "moddable"), IDF_PATH: join(folder, `idf-${idf}`), PATH: join(folder, "bin") };
}

test("a complete environment has nothing missing", (t) => {
  t.deepEqual(espIdf(complete("6.0")).missing, []);
});

test("each missing tool is named in one sentence, with the address of its instructions", (t) => {
  const all = complete("6.0");
  const cases: [Environment, RegExp[]][] = [
    [{ ...all, MODDABLE: undefined }, [/^MODDABLE is not set/]],
    [{ ...all, MODDABLE: folder }, [/no Moddable SDK is there/]],
    [{ ...all, IDF_PATH: undefined }, [/^IDF_PATH is not set/]],
    [{ ...all, IDF_PATH: folder }, [/no ESP-IDF is there/]],
    [{ ...complete("5.5") }, [/holds ESP-IDF v5\.5; .* builds with v6\.0/]],
    [{ ...all, PATH: "" }, [/^make is not/, /^idf\.py is not/, /^cmake is not/, /^ninja is not/]],
    [{}, [/^MODDABLE/, /^make/, /^IDF_PATH/]],
  ];
  for (const [environment, sentences] of cases) {
    const { missing } = espIdf(environment);
    t.is(missing.length, sentences.length, missing.join("\n"));
    for (const [i, sentence] of sentences.entries()) t.regex(missing[i]!, sentence);
    for (const sentence of missing) t.regex(sentence, /^[^\n]*\.$/);
  }
  for (const sentence of espIdf({}).missing.slice(0, 1)) t.regex(sentence, /https:\/\//);
});

test("firmware for a desk needs the SDK, a C compiler and GLib's headers, but no ESP-IDF", (t) => {
  const { IDF_PATH: _, ...all } = complete("6.0");
  const script = (status: number): string => `#!/bin/sh\nexit ${status}\n`;
  put("desk/make");
  put("desk/cc");
  const given = { ...all, PATH: join(folder, "desk") };
  t.deepEqual(
    desk(given).missing.map((sentence) => sentence.split(" ")[0]),
    ["pkg-config"],
  );
  chmodSync(put("desk/pkg-config", script(1)), 0o755);
  t.regex(desk(given).missing.join("\n"), /^pkg-config does not know gio-2\.0: [^\n]*$/);
  put("desk/pkg-config", script(0));
  t.deepEqual(desk(given).missing, []);
  t.regex(desk({ ...given, MODDABLE: undefined }).missing.join("\n"), /^MODDABLE is not set[^\n]*$/);
});

test("a setting that a board would refuse is refused before the build starts", (t) => {
  const fine = [["wake=60", "channel=11", "rate=LR250K"], ["role=dongle", "port=uart", "baud=115200"], []];
  for (const board of boards()) for (const given of fine) t.notThrows(() => checkSettings(board, given));
  const refused: [string, RegExp][] = [
    ["wake=7", /^wake is 7; it must be "always" or one of 30, /],
    ["channel=12", /^channel is 12; it must be a whole number from 1 to 11\.$/],
    ["channel=1.5", /^channel is 1\.5/],
    ["rate=3M", /^rate is 3M; it must be one of 1M, /],
    ["halfLifeDays=0", /^halfLifeDays is 0/],
    ["role=node", /^role is node/],
    ["port=serial", /^port is serial/],
    ["baud=fast", /^baud is fast/],
    ["cpu=100", /^cpu is 100; it must be one of 80, 160, 240\.$/],
    ["cpu=240", /^cpu is 240, but the chip of esp32c3 is slower; it must be one of 80, 160\.$/],
    ["wakes=60", /^There is no setting wakes; it must be one of role, channel, /],
    ["wake", /^wake is no setting; it must be key=value\.$/],
  ];
  for (const [setting, sentence] of refused) {
    t.throws(() => buildForBoard("esp32c3", [setting]), { message: sentence });
    t.throws(() => flashBoard("esp32c3", undefined, [setting]), { message: sentence });
  }
});

test("each board of targets/ has 448 sectors for Drops within 4 MB, and the options that the flash port needs", (t) => {
  t.deepEqual(boards(), ["esp32", "esp32c3", "esp32s3"]);
  for (const board of boards()) {
    const rows = readFileSync(`targets/${board}/partitions.csv`, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(",").map((cell) => cell.trim()));
    let end = 0x9000;
    for (const [name, , , offset, size] of rows) {
      t.true(Number(offset) >= end, `${board}: partition ${name} overlaps the partition before it`);
      t.is(Number(offset) % 4096, 0);
      end = Number(offset) + Number(size);
    }
    t.true(end <= 4 * 1024 * 1024);
    const sectors = (label: string): number => Number(rows.find(([name]) => name === label)![4]) / 4096;
    t.is(sectors("drops"), 448);
    t.is(sectors("crash"), 2);
    t.is(sectors("settings"), 2);
    t.is(Number(rows.find(([, type]) => type === "app")![3]) % 65_536, 0);
    const sdkconfig = readFileSync(`targets/${board}/sdkconfig.defaults`, "utf8");
    for (const line of [
      ...["CONFIG_SPI_FLASH_VERIFY_WRITE=y", "CONFIG_BT_ENABLED=n", "CONFIG_ESP_WIFI_STATIC_RX_BUFFER_NUM=18"],
      ...["CONFIG_ESP_TASK_WDT_INIT=y", "CONFIG_ESP_INT_WDT=y", "CONFIG_ESP_COREDUMP_ENABLE_TO_NONE=y"],
      ...["CONFIG_FREERTOS_USE_TRACE_FACILITY=y", "CONFIG_ESP_WIFI_ENABLE_WPA3_SAE=n"],
    ]) {
      t.true(sdkconfig.includes(`${line}\n`), `targets/${board}/sdkconfig.defaults has no line ${line}`);
    }
  }
});

/** What is wrong with a table: overlaps, and places that ESP-IDF refuses. */
function faultsOf(table: TableRow[], flashBytes: number): string[] {
  const faults: string[] = [];
  let end = 0x9000;
  for (const { name, type, offset, sizeBytes } of table) {
    if (offset < end) faults.push(`${name} overlaps`);
    if (offset % (type === "app" ? 65_536 : 4_096) !== 0 || sizeBytes % 4_096 !== 0)
      faults.push(`${name} is not aligned`);
    end = offset + sizeBytes;
  }
  if (end > flashBytes) faults.push("past the end of the flash");
  return faults;
}

test("8 MB of flash have two app partitions of the same size, and no released partition moves", (t) => {
  for (const board of boards()) {
    const small = partitionsOf(tableOf(board, "4MB"));
    const large = partitionsOf(tableOf(board, "8MB"));
    t.deepEqual(faultsOf(small, 4 << 20), []);
    t.deepEqual(faultsOf(large, 8 << 20), []);
    const apps = large.filter(({ type }) => type === "app");
    t.deepEqual(
      apps.map(({ name, subtype, sizeBytes }) => [name, subtype, sizeBytes]),
      [
        ["ota_0", "ota_0", 0x220000],
        ["ota_1", "ota_1", 0x220000],
      ],
    );
    t.is(apps[0]!.offset, 0x10000, "where the released table has `factory`");
    t.is(partitionNamed(large, "otadata").sizeBytes, 0x2000);
    for (const row of small.filter(({ type }) => type !== "app")) t.deepEqual(partitionNamed(large, row.name), row);
    t.deepEqual(
      [partitionNamed(small, "drops").offset, partitionNamed(small, "crash").offset],
      [0x240000, 0x230000],
      "as released in 0.1.0",
    );
  }
});

test("4 MB have no room for two app partitions: half of what drops leaves holds no image of today", (t) => {
  const { offset } = partitionNamed(partitionsOf(tableOf("esp32c3", "4MB")), "drops");
  const half = Math.floor((offset - 0x10000) / 2 / 65_536) * 65_536;
  /** An image for the C3, linked in November 2026 (docs/firmware.md, "Flash"). */
  t.true(half < 1_316_896, `${half} bytes: make withTwoApps the table for 4 MB`);
});

test("canary: an app partition that overlaps another partition is found", (t) => {
  const csv = tableOf("esp32c3", "4MB").replace("0x10000, ", "0x240000, ");
  t.deepEqual(faultsOf(partitionsOf(csv), 4 << 20), ["crash overlaps"]);
  t.throws(() => withTwoApps("# nothing\n"), { message: /no app partition\.$/ });
});

test("an image for 8 MB is built with roll-back, and its boot loader checks images", (t) => {
  const small = readFileSync("targets/esp32s3/sdkconfig.defaults", "utf8");
  t.is(sdkconfigFor("4MB", small), small);
  const large = sdkconfigFor("8MB", small);
  t.regex(large, /^CONFIG_ESPTOOLPY_FLASHSIZE_8MB=y$/m);
  t.notRegex(large, /FLASHSIZE_4MB/);
  t.regex(large, /^CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y$/m);
  t.regex(large, /^CONFIG_BOOTLOADER_SKIP_VALIDATE_ALWAYS=n$/m);
});
