/**
 * Some parts of the firmware exist only on a board: the Flash port over the SDK's flash, the CRC by the SDK's native
 * code, and the crash log. These tests run each of them on Node, over the test's own native functions
 * (test/xs/natives/), and hold it to the same contract or vectors as the part that other hosts use.
 */
import { execFileSync } from "node:child_process";
import test from "ava";
import { build } from "esbuild";
import { CrashLog } from "../modules/board/crash-log.ts";
import { crc16 as crc16ByTable } from "../modules/glacier/crc16.ts";
import type { Flash } from "../modules/store/flash.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { flashContract } from "./flash-contract.ts";
import frameVectors from "./vectors/glacier.json" with { type: "json" };
import { Desk } from "./xs/desk.ts";
import { replacing } from "./xs/machine.ts";
import { NATIVES } from "./xs/natives.ts";

const seed = Number(process.env.SEED ?? 1);

/** Loads a module of the firmware on Node, over the test's natives. `broken` maps modules to broken variants. */
async function withNatives<T>(entry: string, broken: Record<string, string> = {}): Promise<T> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    plugins: [replacing({ ...NATIVES, ...broken })],
    logLevel: "silent",
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]!.text).toString("base64")}`);
}

const { Partition } = await withNatives<{ Partition: new (label: string) => Flash }>("modules/board/partition.ts");

function partitionOf(desk: Desk): Flash {
  globalThis.desk = desk;
  return new Partition("drops");
}

flashContract(test, "a board's partition", () => {
  const desk = new Desk();
  return { flash: partitionOf(desk), reopen: () => partitionOf(desk), end: () => {} };
});

test("program answers false for a cell that cannot be programmed, and does not throw", (t) => {
  const desk = new Desk();
  const flash = partitionOf(desk);
  desk.part("drops").stuckAt = 4097;
  const zeros = new Uint8Array(8);
  t.true(flash.program(0, zeros, 0, 8));
  t.false(flash.program(4096, zeros, 0, 8));
});

test("program answers false for a cell that no erase can set, and does not throw", (t) => {
  const desk = new Desk();
  const flash = partitionOf(desk);
  const part = desk.part("drops");
  part.bytes[4097] = 0xfe;
  part.stuckAt = 4097;
  t.true(flash.eraseSector(1));
  t.false(flash.program(4096, new Uint8Array(8).fill(0xff), 0, 8));
  t.true(flash.program(4104, new Uint8Array(8), 0, 8));
});

test("repeated reads to the same places of a buffer make one view for each place", (t) => {
  const desk = new Desk();
  const flash = partitionOf(desk);
  const views = new Set<unknown>();
  const part = desk.part("drops");
  const read = part.read.bind(part);
  part.read = (target, address) => {
    views.add(target);
    return read(target, address);
  };
  const frame = new Uint8Array(250);
  for (let i = 0; i < 300; i++) flash.read(i, frame, 14 + 3 * (i % 3), 207);
  t.is(views.size, 3);
});

test("the native CRC equals Glacier's for every length within a buffer, call after call", async (t) => {
  const { crc16 } = await withNatives<{ crc16: typeof crc16ByTable }>("modules/board/crc16.ts");
  const random = new SeededRandom(seed, "crc");
  const ascii = Uint8Array.from("123456789", (character) => character.charCodeAt(0));
  t.is(crc16(ascii, 9), 0xbb3d);
  for (let i = 0; i < 2_000; i++) {
    const bytes = new Uint8Array(1 + random.below(1_470));
    random.fill(bytes);
    const lengthBytes = random.below(bytes.length + 1);
    t.is(crc16(bytes, lengthBytes), crc16ByTable(bytes, lengthBytes), `SEED=${seed}, round ${i}`);
  }
  const frames = frameVectors.valid
    .filter((vector) => "frame" in vector)
    .map((vector) => (vector as { frame: string }).frame);
  t.true(frames.length > 0);
  for (const frame of frames) {
    const bytes = Buffer.from(frame, "hex");
    t.is(crc16(bytes, bytes.length - 2), bytes.readUInt16LE(bytes.length - 2));
  }
});

test("canary: a CRC that keeps its state from one call to the next is caught", async (t) => {
  const { crc16 } = await withNatives<{ crc16: typeof crc16ByTable }>("modules/board/crc16.ts", {
    crc: "test/xs/canaries/crc-without-reset.ts",
  });
  const bytes = Uint8Array.of(1, 2, 3);
  t.is(crc16(bytes, 3), crc16ByTable(bytes, 3));
  t.not(crc16(bytes, 3), crc16ByTable(bytes, 3));
});

function crashFlash(): NorFlash {
  return new NorFlash({ sizeBytes: 2 * 4096 });
}

test("the crash log reports the last crash once, in the life after it", (t) => {
  const flash = crashFlash();
  t.is(new CrashLog(flash).tell(), undefined);
  for (let number = 1; number <= 200; number++) {
    const log = new CrashLog(flash);
    t.is(log.count, number - 1);
    log.write(`TypeError: number ${number}`, number * 1_000);
    const next = new CrashLog(flash);
    t.deepEqual(next.tell(), { number, uptimeS: number, message: `TypeError: number ${number}` });
    t.is(next.tell(), undefined);
    t.is(new CrashLog(flash).tell(), undefined);
  }
});

test("the crash log cuts a message to 110 bytes and replaces each character that is not printable ASCII", (t) => {
  const flash = crashFlash();
  new CrashLog(flash).write(`\u0007\u00e4${"x".repeat(300)}`, 0);
  t.is(new CrashLog(flash).tell()!.message, `??${"x".repeat(108)}`);
});

test("the crash log skips a record torn at any byte, and the records before and after it are whole", (t) => {
  for (const before of [5, 31, 63]) {
    const whole = crashFlash();
    for (let i = 0; i < before; i++) new CrashLog(whole).write(`before ${i}`, 0);
    const record = new Uint8Array(128);
    const address = (before % 64) * 128;
    const after = copyOf(whole);
    new CrashLog(after).write("torn", 0);
    after.read(address, record, 0, 128);
    for (let kept = 4; kept < 124; kept += 4) {
      const torn = copyOf(whole);
      torn.program(address, record, 0, kept);
      const log = new CrashLog(torn);
      t.is(log.count, before);
      t.is(log.tell()?.message, `before ${before - 1}`);
      log.write("after", 0);
      t.is(new CrashLog(torn).tell()?.message, "after", `torn at ${kept} after ${before}`);
    }
  }
});

function copyOf(flash: Flash): NorFlash {
  const copy = crashFlash();
  const bytes = new Uint8Array(flash.sizeBytes);
  flash.read(0, bytes, 0, bytes.length);
  for (let at = 0; at < bytes.length; at += 4) {
    if (bytes.subarray(at, at + 4).some((byte) => byte !== 0xff)) copy.program(at, bytes, at, 4);
  }
  return copy;
}

test("modules/board type-checks against @moddable/typings", (t) => {
  t.notThrows(() => execFileSync("npx", ["tsc", "-p", "modules/board"], { encoding: "utf8" }));
});
