/**
 * A disk fails, a copy is cut short, a sector is overwritten. These tests damage stores in files and look at what the
 * commands still show, that nothing is written to a damaged store, and what `throwie recover` saves.
 */
import { spawnSync } from "node:child_process";
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test, { type ExecutionContext } from "ava";
import { createWhole } from "../hosts/machine/new-file.ts";
import { damagedDrops, damageSentences, missingAtMost } from "../hosts/store/damaged-drops.ts";
import { dropAt, openDropStore, openRemains, openStoredDrops, type StoredDrops } from "../hosts/store/drop-store.ts";
import { salvage } from "../hosts/store/salvage.ts";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import { insertion } from "./insertion.ts";

const SECTOR_BYTES = 4096;
const DROPS = 40;
const quiet = (): void => {};

/** The sectors that the disk of this test cannot read. A real disk cannot be made to fail, so the system call is. */
const failing = new Set<number>();
const { readSync } = fs;
fs.readSync = ((file: number, into: Uint8Array, ...place: [offset: number, length: number, position: number]) => {
  if (failing.has(Math.floor(place[2] / SECTOR_BYTES)))
    throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", errno: -5, syscall: "read" });
  return readSync(file, into, ...place);
}) as typeof fs.readSync;
syncBuiltinESMExports();

function throwie(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, THROWIE_PASSPHRASE: "x" };
  return spawnSync(process.execPath, ["build/hosts/cli/throwie.js", ...words], { encoding: "utf8", env });
}

const dropOf = (number: number): Uint8Array => new Uint8Array(2000).fill(number);
const nameOf = (number: number): string => Buffer.from(dropId(dropOf(number)).subarray(0, 8)).toString("hex");

/** A store with DROPS full Drops, each with a heat of its own; every second one is verified. */
async function storeOf(t: ExecutionContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "throwie-recover-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "x");
  const { store, close } = await openDropStore(path);
  for (let number = 1; number <= DROPS; number++) {
    const id = dropId(dropOf(number));
    store.insert(
      insertion(shortIdLow(id), shortIdHigh(id), dropOf(number), { heatKey: 2 * number, now: 1000 * number }),
    );
    if (number % 2 === 0) store.markVerified(store.lastSlot);
  }
  store.checkpoint(1000 * DROPS);
  close();
  return path;
}

/** The numbers of the Drops that are whole in the store. */
function wholeIn(store: StoredDrops): number[] {
  const slots = Array.from({ length: store.capacity }, (_, slot) => slot).filter((slot) => store.occupied(slot));
  const drops = slots.map((slot) => dropAt(store, slot));
  return drops
    .filter((drop) => drop[0] !== 0 && Buffer.compare(drop, dropOf(drop[0]!)) === 0)
    .map((drop) => drop[0]!)
    .sort((a, b) => a - b);
}

/** The sector and the place in it where the body of this Drop begins. */
function bodyOf(path: string, number: number): { sector: number; address: number } {
  const address = readFileSync(path).indexOf(dropOf(number).subarray(0, 1900));
  return { sector: Math.floor(address / SECTOR_BYTES), address };
}

function damage(path: string, address: number, bytes: Uint8Array): void {
  const content = readFileSync(path);
  content.set(bytes, address);
  writeFileSync(path, content);
}

const all = Array.from({ length: DROPS }, (_, index) => index + 1);

test.serial("a Drop with a wrong byte is named by read and journal, and the others are saved", async (t) => {
  const path = await storeOf(t);
  damage(path, bodyOf(path, 7).address + 100, Uint8Array.of(8));
  const before = readFileSync(path);
  for (const words of [["journal"], ["read"]]) {
    const { status, stdout, stderr } = throwie(...words, "--store", path, "--json");
    t.is(status, 0);
    t.like(JSON.parse(stdout), { held: DROPS, damaged: [nameOf(7)], damage: { logSectors: 0, missingAtMost: 0 } });
    t.is(
      stderr,
      `throwie: 1 Drop in ${path} cannot be shown, with damaged bytes: ${nameOf(7)}.\n` +
        `throwie: To save what is left in a new file: throwie recover ${path}\n`,
    );
  }
  const { status, stdout, stderr } = throwie("recover", path, "--json");
  t.is(status, 0, stderr);
  t.like(JSON.parse(stdout), { store: path, to: `${path}.recovered`, saved: DROPS - 1, damaged: [nameOf(7)] });
  t.deepEqual(readFileSync(path), before);
  t.deepEqual(readdirSync(join(path, "..")), ["x", "x.recovered"]);
  t.is(statSync(`${path}.recovered`).mode & 0o777, 0o600);
  const { store, close } = await openDropStore(`${path}.recovered`);
  t.deepEqual(
    wholeIn(store),
    all.filter((number) => number !== 7),
  );
  for (const number of wholeIn(store)) {
    const id = dropId(dropOf(number));
    const slot = store.find(shortIdLow(id), shortIdHigh(id));
    t.is(store.heat(slot), 2 * number);
    t.true(store.verified(slot));
  }
  t.is(store.epoch, 1000 * DROPS);
  close();
});

test.serial("a store whose log is damaged is read, is not written to, and what is left is saved", async (t) => {
  const path = await storeOf(t);
  const sound = readFileSync(path);
  // The first record of the log and some after it.
  const log = sound.indexOf(Buffer.from(dropId(dropOf(1)).subarray(0, 8))) & ~(SECTOR_BYTES - 1);
  damage(path, log + 1000, new Uint8Array(300));
  const before = readFileSync(path);
  const { store, damage: found } = await openStoredDrops(path);
  t.true(found.logSectors + found.records > 0);
  const shown = wholeIn(store);
  t.true(shown.length + found.records >= DROPS, `${shown.length} Drops and ${found.records} records`);
  await t.throwsAsync(openDropStore(path), { message: /is damaged, and is not written to: .*throwie recover/ });
  const read = throwie("journal", "--store", path);
  t.is(read.status, 0);
  t.regex(read.stderr, /is damaged.*: at most \d+ Drops cannot be shown\.\n.*throwie recover/);
  t.is(throwie("recover", path, "--to", `${path}.new`).status, 0);
  t.deepEqual(readFileSync(path), before);
  t.deepEqual(wholeIn((await openStoredDrops(`${path}.new`)).store), shown);
});

test.serial("a copy that was cut short is refused by read, and recover saves its Drops", async (t) => {
  const path = await storeOf(t);
  const { address } = bodyOf(path, 20);
  writeFileSync(path, readFileSync(path).subarray(0, address + 500));
  await t.throwsAsync(openStoredDrops(path), { message: /has a size that no store has: .*throwie recover/ });
  const opened = await openRemains(path);
  const { store, sizeBytes } = opened;
  t.is(sizeBytes, 448 * SECTOR_BYTES);
  const missing = 447 - Math.floor((address + 500) / SECTOR_BYTES);
  t.like(opened.damage, { unreadableSectors: 0, missingSectors: missing });
  const said = damageSentences(path, opened, []).join("\n");
  t.regex(said, new RegExp(`x was cut short: a store has ${missing} more sectors`));
  t.notRegex(said, /disk cannot read/);
  const { saved, damaged } = salvage(store, sizeBytes);
  t.true(saved > 10 && saved < DROPS);
  t.true(damaged.includes(nameOf(20)));
});

test.serial("recover finds the store in a copy of a whole flash chip", async (t) => {
  const path = await storeOf(t);
  const sound = `${path}.sound`;
  const store = readFileSync(path);
  writeFileSync(sound, store);
  const chip = new Uint8Array(1024 * SECTOR_BYTES).fill(0xff).fill(0xe9, 0, 300_000);
  const offset = 309 * SECTOR_BYTES;
  chip.set(store, offset);
  // The chip may be cut short, and a sector of an older partition may lie before the store.
  for (const [size, older, saved] of [
    [chip.length, false, DROPS],
    [chip.length, true, DROPS],
    [offset + 18 * SECTOR_BYTES, false, 20],
  ] as const) {
    const content = chip.slice(0, size);
    const { sector } = bodyOf(sound, 20);
    if (older)
      content.set(store.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES), offset - 3 * SECTOR_BYTES);
    writeFileSync(path, content);
    const read = throwie("read", "--store", path);
    t.is(read.status, 1);
    t.regex(read.stderr, /has a size that no store has: .*whole flash chip, with throwie recover/);
    await t.throwsAsync(openDropStore(path), { message: /has a size that no store has: / });
    const opened = await openRemains(path);
    t.is(opened.offsetBytes, offset);
    t.true(salvage(opened.store, opened.sizeBytes).saved >= saved, `${size}`);
  }
  t.regex(throwie("recover", path).stderr, new RegExp(`begins at byte ${offset}, as in a copy`));
});

test.serial("recover replaces nothing, writes all or nothing, and refuses what is no store", async (t) => {
  const path = await storeOf(t);
  const taken = join(path, "..", "taken");
  writeFileSync(taken, "");
  const { status, stderr } = throwie("recover", path, "--to", taken);
  t.is(status, 1);
  t.is(stderr, `throwie: ${taken} exists already, and is not replaced: name another file.\n`);
  t.is(statSync(taken).size, 0);
  t.regex(throwie("recover", path, "--to", path).stderr, /exists already/);
  t.regex(throwie("recover", taken).stderr, /There is no Drop in .* that can be saved: no file was written/);
  t.regex(throwie("recover", "LICENSE").stderr, /LICENSE is not a store of Drops/);
  t.regex(throwie("recover", join(path, "..", "none")).stderr, /There is no store /);
  // The disk is full when half of the file is written.
  const { writeSync } = fs;
  let writes = 0;
  fs.writeSync = ((file: number, bytes: Uint8Array, done: number) => {
    if (writes++ > 0) throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC", errno: -28 });
    return writeSync(file, bytes, done, bytes.length / 2);
  }) as typeof fs.writeSync;
  syncBuiltinESMExports();
  const error = t.throws(() => createWhole(`${path}.new`, new Uint8Array(8192), quiet), { message: "ENOSPC" });
  fs.writeSync = writeSync;
  syncBuiltinESMExports();
  t.is((error as NodeJS.ErrnoException).path, `${path}.new`);
  t.deepEqual(readdirSync(join(path, "..")).sort(), ["taken", "x"]);
  createWhole(`${path}.new`, new Uint8Array(8192), quiet);
  t.throws(() => createWhole(`${path}.new`, new Uint8Array(8192), quiet), { code: "EEXIST" });
});

// FAT and exFAT have no links. A test cannot mount one everywhere, so the system call refuses as it does there.
test.serial("a file system without links gets new files too, and none is replaced there", async (t) => {
  const path = await storeOf(t);
  const { linkSync } = fs;
  fs.linkSync = (from) => {
    throw Object.assign(new Error(`EPERM: ${from}`), { code: "EPERM", errno: -1 });
  };
  syncBuiltinESMExports();
  t.teardown(() => {
    fs.linkSync = linkSync;
    syncBuiltinESMExports();
  });
  createWhole(`${path}.new`, Uint8Array.of(1, 2), quiet);
  t.throws(() => createWhole(`${path}.new`, Uint8Array.of(3), quiet), { code: "EEXIST" });
  t.deepEqual([...readFileSync(`${path}.new`)], [1, 2]);
  t.deepEqual(readdirSync(join(path, "..")), ["x", "x.new"]);
});

test.serial("a sector that the disk cannot read hides only its own Drops", async (t) => {
  const path = await storeOf(t);
  const before = readFileSync(path);
  const { sector } = bodyOf(path, 20);
  failing.add(sector);
  t.teardown(() => failing.clear());
  const opened = await openStoredDrops(path);
  const { store, damage: found } = opened;
  t.is(found.unreadableSectors, 1);
  t.deepEqual(opened.unreadable, [sector]);
  t.true(damagedDrops(opened).includes(nameOf(20)));
  t.is(missingAtMost(opened), 0);
  t.deepEqual(opened.deaths, [], "what the mount of the copy did is no death of the file");
  t.regex(
    damageSentences(path, opened, damagedDrops(opened)).join("\n"),
    new RegExp(`cannot read sector ${sector} of`),
  );
  const shown = wholeIn(store);
  t.true(shown.length >= DROPS - 2 && !shown.includes(20));
  // Each Drop that is not shown is named, or counted as missing.
  t.is(shown.length + damagedDrops(opened).length, DROPS);
  await t.throwsAsync(openDropStore(path), { message: /is damaged, and is not written to/ });
  const remains = await openRemains(path);
  t.is(salvage(remains.store, remains.sizeBytes).saved, shown.length);
  failing.clear();
  t.deepEqual(readFileSync(path), before);
});

test.serial("the Drops of a sector that is zeros have names, and read invents no death for them", async (t) => {
  const path = await storeOf(t);
  const { sector } = bodyOf(path, 20);
  damage(path, sector * SECTOR_BYTES, new Uint8Array(SECTOR_BYTES));
  const { stdout, stderr } = throwie("journal", "--store", path, "--json");
  const { deaths, damaged, damage: found } = JSON.parse(stdout);
  t.deepEqual(deaths, []);
  t.true(damaged.includes(nameOf(20)));
  t.is(found.records, 0, "the records are whole: a hash finds what is lost");
  t.is(found.missingAtMost, 0);
  t.true(stderr.includes(nameOf(20)), stderr);
  const saved = throwie("recover", path);
  t.true(saved.stderr.includes(nameOf(20)), saved.stderr);
  t.regex(saved.stdout, /The old file was not changed\.\nTo use the new file, name it with --store, or move /);
  t.is(throwie("recover", path, "--to", "").stderr, "throwie: The name after --to is empty: name a new file.\n");
});

test.serial("a node goes on when a sector cannot be read any more, and says so once", async (t) => {
  const path = await storeOf(t);
  const said: string[] = [];
  const { store, close } = await openDropStore(path, { tell: (sentence) => said.push(sentence) });
  const { sector } = bodyOf(path, 20);
  failing.add(sector);
  t.teardown(() => failing.clear());
  const shown = wholeIn(store);
  t.true(shown.length >= DROPS - 2 && !shown.includes(20));
  wholeIn(store);
  t.deepEqual(said, [`The disk cannot read sector ${sector} of ${path}: its Drops are hidden.`]);
  const id = dropId(dropOf(99));
  t.is(store.insert(insertion(shortIdLow(id), shortIdHigh(id), dropOf(99))), "stored");
  failing.clear();
  close();
});
