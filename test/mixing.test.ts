/**
 * A board mixes and sorts the ids of its Drops in C. These tests run that C under sanitizers beside the TypeScript and
 * beside the tests' natives: all three must give the same results, and the TypeScript passes the vectors.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { BATCH_HEADER_WORDS, FINGERPRINT_CELLS } from "../modules/rbsr/batch.ts";
import { enterAll, mixAll, sortMixes } from "../modules/rbsr/mixing.ts";
import { SeededRandom } from "../sim/random.ts";
import { seed } from "./contact-world.ts";
import { MIXING } from "./xs/natives/mixing.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-mixing-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

type Result = Record<string, number[]>;
interface Case {
  key: [number, number];
  direction: 1 | -1;
  bins: number;
  ids: Uint32Array;
}

const program = join(folder, "mixing-run");
const sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g"];
const strict = ["-std=gnu17", "-Wall", "-Wextra", "-Werror"];
const sources = ["test/mixing-run.c", "modules/board/mixing-loops.c"];
execFileSync("cc", [...strict, ...sanitize, "-Imodules/board", "-o", program, ...sources]);

function inC({ key, direction, bins, ids }: Case): Result {
  const words = Uint32Array.of(...key, direction, bins, ids.length / 2, ...ids);
  const lines = execFileSync(program, { input: new Uint8Array(words.buffer), encoding: "utf8", maxBuffer: 2 ** 24 });
  const rows = lines.trim().split("\n");
  return Object.fromEntries(rows.map((row) => [row.split(" ")[0]!, row.split(" ").slice(1).map(Number)]));
}

type Loops = { mixAll: typeof mixAll; sortMixes: typeof sortMixes; enterAll: typeof enterAll };

function inTypeScript(loops: Loops, { key, direction, bins: binCount, ids }: Case): Result {
  const count = ids.length / 2;
  const low = new Uint32Array(count).map((_, i) => ids[2 * i]!);
  const high = new Int32Array(count).map((_, i) => ids[2 * i + 1]!);
  const unsigned = (words: Int32Array): number[] => [...new Uint32Array(words.buffer)];
  loops.mixAll(low, high, key[0] | 0, key[1] | 0, 0, count);
  const mixed = { low: [...low], high: unsigned(high.slice()) };
  const bins = new Uint16Array(binCount);
  const repeats = loops.sortMixes(low, high, new Uint16Array(count), bins, count);
  const sums = new Int32Array(3);
  const cells = new Uint8Array(FINGERPRINT_CELLS / 2);
  const batch = new Int32Array(BATCH_HEADER_WORDS + 2 * count);
  batch.set([...key, direction, ...ids]);
  loops.enterAll(batch, count, sums, cells, 0);
  return {
    ...mixed,
    positions: [...low],
    tags: unsigned(high),
    bins: [...bins],
    repeats: [Number(repeats)],
    sums: unsigned(sums),
    cells: [...cells],
  };
}

test(`the board's C, the TypeScript and the tests' natives agree: replay with SEED=${seed}`, (t) => {
  const random = new SeededRandom(seed, "mixing");
  const natives = { mixAll: MIXING.xs_mix_all, sortMixes: MIXING.xs_sort_mixes, enterAll: MIXING.xs_enter_all };
  for (const count of [0, 1, 2, 7, 100, 749, 750]) {
    const ids = new Uint32Array(2 * count).map(() => random.u32());
    // Two equal ids are a repeat.
    if (count > 50) ids.copyWithin(0, 20, 22);
    const bins = 2 ** (1 + random.below(8));
    const some: Case = { key: [random.u32(), random.u32()], direction: count % 2 === 0 ? 1 : -1, bins, ids };
    const c = inC(some);
    t.deepEqual(inTypeScript({ mixAll, sortMixes, enterAll }, some), c, `${count} ids`);
    t.deepEqual(inTypeScript(natives, some), c, `${count} ids, natives`);
    t.is(c.repeats![0], count > 50 ? 1 : 0);
  }
});
