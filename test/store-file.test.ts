/**
 * On a computer the store lies in a file, and its process may be killed at any moment. These tests check the file flash
 * against the flash contract, its lock against dead and living holders, and a writer that is killed again and again
 * against what it reported.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "ava";
import { build } from "esbuild";
import { FileFlash } from "../hosts/store/file-flash.ts";
import { Snapshot } from "../hosts/store/snapshot.ts";
import { openForWriting } from "../hosts/store/store-file.ts";
import { Store } from "../modules/store/store.ts";
import { SeededRandom } from "../sim/random.ts";
import { flashContract } from "./flash-contract.ts";
import { dropBytes, highOf, lowOf, SMALL_CAPACITY, SMALL_SECTORS } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const KILLS = 100;
/**
 * The number of stores that are written, each by its own process, at the same time. So processes start while others
 * run.
 */
const CHAINS = 4;

const quiet = (): void => {};

flashContract(test, "file flash", () => {
  const folder = mkdtempSync(join(tmpdir(), "throwie-flash-"));
  const path = join(folder, "store");
  writeFileSync(path, new Uint8Array(8 * 4096).fill(0xff));
  const open = (): FileFlash => new FileFlash(openSync(path, "r+"), path, quiet);
  let flash = open();
  return {
    flash,
    reopen: () => {
      flash.close();
      flash = open();
      return flash;
    },
    end: () => {
      flash.close();
      rmSync(folder, { recursive: true });
    },
  };
});

flashContract(test, "snapshot", () => {
  const flash = new Snapshot(new Uint8Array(8 * 4096).fill(0xff));
  return { flash, reopen: () => flash, end: quiet };
});

test("a file that becomes shorter is noticed by every call, and gets no zeros", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "throwie-flash-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "store");
  writeFileSync(path, new Uint8Array(8 * 4096).fill(0xff));
  const flash = new FileFlash(openSync(path, "r+"), path, quiet);
  truncateSync(path, 4096);
  const bytes = new Uint8Array(4);
  for (const call of [
    () => flash.read(4096, bytes, 0, 4),
    () => flash.program(0, bytes, 0, 4),
    () => flash.program(8192, bytes, 0, 4),
    () => flash.eraseSector(7),
    () => flash.sync(),
    () => flash.close(),
  ])
    t.throws(call, { message: /^(Another program changed the size of .*|.* became shorter: .*)\.$/ });
  t.is(statSync(path).size, 4096);
});

interface KillPlan {
  folder: string;
  /** The path of the writer program (store-writer.ts, bundled). */
  writer: string;
  seed: number;
  kills: number;
  /** Makes the writer report each Drop before it stores the Drop. */
  hasty?: boolean;
}

/** Kills the writer `kills` times. Throws if the store does not hold what the writer reported before a kill. */
async function killAndCheck({ folder, writer, seed, kills, hasty = false }: KillPlan): Promise<void> {
  const path = join(folder, `store-${seed}`);
  const random = new SeededRandom(seed, "kills");
  const sizes = new Map<number, number>();
  closeSync(await openForWriting(path, { sizeBytes: SMALL_SECTORS * 4096 }));
  for (let kill = 0, firstId = 1; kill < kills; kill++) {
    const words = [writer, path, `${firstId}`, `${seed * 1000 + kill}`, ...(hasty ? ["hasty"] : [])];
    const lines = await linesUntilKilled(words, 1 + random.below(40));
    for (const line of lines) {
      const [what, first, second] = line.split(" ");
      if (what === "stored") sizes.set(Number(first), Number(second));
      if (what === "evicted") for (const id of sizes.keys()) if (lowOf(id) === Number(first)) sizes.delete(id);
    }
    // The writer may have stored its last Drop without a report. Then this Drop is there, and a full store lost
    // another.
    const unsaid = Math.max(firstId - 1, ...sizes.keys()) + 1;
    const flash = new FileFlash(await openForWriting(path), path, quiet);
    const store = new Store(flash, SMALL_CAPACITY);
    const outcome = store.mount();
    if (outcome !== "mounted" && outcome !== "formatted") throw new Error(`kill ${kill}: mount answered ${outcome}`);
    const { logSectors, records } = store.damage;
    if (logSectors + records > 0) throw new Error(`kill ${kill}: the store counts as damaged`);
    const held = [...sizes.keys()].filter((id) => store.find(lowOf(id), highOf(id)) >= 0);
    const arrived = store.find(lowOf(unsaid), highOf(unsaid)) >= 0;
    const missing = sizes.size - held.length;
    if (missing > 0 && !(missing === 1 && arrived)) throw new Error(`kill ${kill}: ${missing} Drops are missing`);
    if (store.count !== held.length + Number(arrived))
      throw new Error(`kill ${kill}: the store holds more than the writer stored`);
    for (const id of held) {
      const wanted = dropBytes(id, sizes.get(id)!);
      const bytes = new Uint8Array(wanted.length);
      store.read(store.find(lowOf(id), highOf(id)), 0, bytes, 0, bytes.length);
      if (Buffer.compare(bytes, wanted) !== 0) throw new Error(`kill ${kill}: Drop ${id} has other bytes`);
    }
    for (const id of [...sizes.keys()]) if (!held.includes(id)) sizes.delete(id);
    if (arrived) sizes.set(unsaid, store.lengthBytes(store.find(lowOf(unsaid), highOf(unsaid))));
    flash.close();
    firstId = unsaid + 1;
  }
}

/** Starts the writer and kills it with SIGKILL after it wrote `count` lines. Returns all whole lines that it wrote. */
function linesUntilKilled(words: string[], count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    let complaint = "";
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      said += text;
      if (said.split("\n").length > count) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    child.on("close", (_code, signal) => {
      if (signal === "SIGKILL") resolve(said.split("\n").slice(0, -1));
      else reject(new Error(complaint));
    });
  });
}

async function withWriter(use: (folder: string, writer: string) => Promise<void>): Promise<void> {
  // Below the project's own folder, so that the writer finds the package with the locks.
  const folder = mkdtempSync(join("build", "kill-"));
  const writer = join(folder, "writer.mjs");
  await build({
    entryPoints: ["test/store-writer.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    outfile: writer,
    logLevel: "silent",
  });
  try {
    await use(folder, writer);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test(`a writer killed at any moment, ${KILLS} times, loses no Drop that it reported as stored`, async (t) => {
  await withWriter(async (folder, writer) => {
    const chains = Array.from({ length: CHAINS }, (_, i) =>
      killAndCheck({ folder, writer, seed: SEED + i, kills: KILLS / CHAINS }),
    );
    await t.notThrowsAsync(Promise.all(chains), `replay: SEED=${SEED}`);
  });
});

test("canary: the kill test finds a writer that reports a Drop before it stores the Drop", async (t) => {
  await withWriter(async (folder, writer) => {
    const killed = killAndCheck({ folder, writer, seed: SEED, kills: KILLS, hasty: true });
    await t.throwsAsync(killed, { message: /missing|more than/ });
  });
});
