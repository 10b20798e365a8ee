/**
 * Cells die, a person names the wrong file, another program writes into the right one. A mount must say what it missed,
 * must show all that is left, and must not take a power cut for damage (the histories of store-power.test.ts hold it to
 * that) or damage for a blank partition.
 */
import process from "node:process";
import test from "ava";
import { mountOrFormat } from "../modules/board/store-of-board.ts";
import { encodeLogHeader, encodeSectorHeader, Layout, LOG_SECTOR } from "../modules/store/layout.ts";
import { ageOf, CORRUPT, putVerified } from "../modules/store/marks.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { insertFromWire, insertion } from "./insertion.ts";
import { dropBytes, highOf, lowOf, powerFails } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SECTOR_BYTES = 4096;
const SECTORS = 112;
const SIZE_BYTES = SECTORS * SECTOR_BYTES;
/** So many that each sector of the log names some of the living Drops. */
const CAPACITY = 180;

/** A store that was in use for some time: `inserts` Drops came in, and those that did not fit died. */
function used(unitBytes: number, inserts: number): NorFlash {
  const flash = new NorFlash({ sizeBytes: SIZE_BYTES, programSizeBytes: unitBytes });
  const store = new Store(flash, CAPACITY);
  store.mount();
  for (let id = 1; id <= inserts; id++) {
    const size = id % 3 === 0 ? 2048 : 20 + ((id * 211) % 1500);
    insertFromWire(
      store,
      insertion(lowOf(id), highOf(id), dropBytes(id, size), { heatKey: 2 * ((id * 37) % 401), now: id }),
    );
    store.markVerified(store.lastSlot);
    if (id % 20 === 0) store.checkpoint(id);
  }
  return flash;
}

/** The sectors whose header has this kind, in order. */
function sectorsOf(flash: NorFlash, kind: number): number[] {
  const { bytes } = flash.snapshot();
  return Array.from({ length: SECTORS }, (_, sector) => sector).filter(
    (sector) => bytes[sector * SECTOR_BYTES] === 0x54 && bytes[sector * SECTOR_BYTES + 3] === kind,
  );
}

const wordOf = (flash: NorFlash, sector: number, at: number): number =>
  new DataView(flash.snapshot().bytes.buffer).getUint32(sector * SECTOR_BYTES + at, true);

/** The sectors of the log that count, the oldest first. */
function logOf(flash: NorFlash): number[] {
  const logs = sectorsOf(flash, LOG_SECTOR).sort((a, b) => wordOf(flash, a, 8) - wordOf(flash, b, 8));
  const tail = wordOf(flash, logs.at(-1)!, 16);
  return logs.filter((sector) => wordOf(flash, sector, 8) >= tail);
}

function zero(flash: NorFlash, sector: number, from = 0, lengthBytes = SECTOR_BYTES): void {
  flash.overwrite(sector * SECTOR_BYTES + from, new Uint8Array(lengthBytes));
}

function mounted(flash: NorFlash): Store {
  const store = new Store(flash, CAPACITY);
  const outcome = store.mount();
  if (outcome !== "mounted") throw new Error(outcome);
  return store;
}

function idsIn(store: Store): Set<number> {
  const ids = new Set<number>();
  for (let slot = 0; slot < store.capacity; slot++) if (store.occupied(slot)) ids.add(store.idLow(slot));
  return ids;
}

/** Throws unless the store takes Drops, and mounts again without further damage. */
function goesOn(flash: NorFlash, store: Store): void {
  for (let id = 10_000; id < 10_300; id++) {
    const record = insertion(lowOf(id), highOf(id), dropBytes(id, 2048), { heatKey: 2 * id });
    if (insertFromWire(store, record) !== "stored") throw new Error(`the damaged store refuses Drop ${id}`);
  }
  const { damage, count } = mounted(flash);
  if (damage.logSectors + damage.records > 0 || count !== CAPACITY) throw new Error("the damage stays");
}

test("mount leaves whatever is no store as it is, and a board formats it", (t) => {
  const strangers: [string, (bytes: Uint8Array) => void][] = [
    ["noise", (bytes) => new SeededRandom(SEED, "noise").fill(bytes)],
    ["zeros", (bytes) => bytes.fill(0)],
    ["another program's header", (bytes) => bytes.set(Buffer.from("SQLite format 3"))],
    ["one byte in the first sector", (bytes) => bytes.fill(0x7f, 3000, 3001)],
    ["one bit in the last byte", (bytes) => bytes.fill(0xfe, bytes.length - 1)],
    ["our magic alone", (bytes) => bytes.set([0x54, 0x53])],
  ];
  for (const [name, write] of strangers) {
    const flash = new NorFlash({ sizeBytes: SIZE_BYTES });
    const bytes = new Uint8Array(SIZE_BYTES).fill(0xff);
    write(bytes);
    flash.overwrite(0, bytes);
    const store = new Store(flash, CAPACITY);
    // The first bytes of the header that a power cut leaves in a blank partition are no stranger's.
    t.is(store.mount(), name === "our magic alone" ? "formatted" : "foreign", name);
    if (name === "our magic alone") continue;
    t.deepEqual([flash.counters.programs, flash.counters.erases], [0, 0], name);
    t.deepEqual(flash.snapshot().bytes, bytes, name);
    const said: string[] = [];
    t.is(mountOrFormat(store, { say: (text: string) => said.push(text) } as never), "formatted");
    t.regex(said.join(), /held no store/);
  }
});

test("a power cut while a blank partition is formatted leaves a blank partition", (t) => {
  for (let draw = 0; draw < 20; draw++) {
    for (let cut = 1; cut <= 2; cut++) {
      const flash = new NorFlash({ sizeBytes: SIZE_BYTES, chance: new SeededRandom(SEED + draw, "format") });
      flash.cutAt(cut);
      t.true(powerFails(() => new Store(flash, CAPACITY).mount()));
      flash.cutAt(undefined);
      const store = new Store(flash, CAPACITY);
      t.true(["formatted", "mounted"].includes(store.mount()), `draw ${draw} cut ${cut}`);
      t.deepEqual({ ...store.damage }, { logSectors: 0, records: 0 });
    }
  }
});

test("canary: a part of a header with anything else on its sector is no interrupted format", (t) => {
  const flash = new NorFlash({ sizeBytes: SIZE_BYTES });
  const header = new Uint8Array(32);
  encodeSectorHeader(header, LOG_SECTOR, 1, 1);
  encodeLogHeader(header, 1, 0, new Layout(flash, CAPACITY));
  flash.overwrite(0, header.subarray(0, 9));
  flash.overwrite(4000, Uint8Array.of(0x7f));
  t.is(new Store(flash, CAPACITY).mount(), "foreign");
});

for (const unit of [4, 16]) {
  test(`a store without one of its log sectors shows the rest, counts the loss, and goes on, unit ${unit}`, (t) => {
    const before = used(unit, 400);
    const all = idsIn(mounted(before));
    const image = before.snapshot();
    const logs = logOf(before);
    t.true(logs.length >= 3);
    const ones = new Uint8Array(SECTOR_BYTES).fill(0xff);
    const spoils: [string, (flash: NorFlash, sector: number) => void][] = [
      ["zeros", (flash, sector) => zero(flash, sector)],
      ["ones", (flash, sector) => flash.overwrite(sector * SECTOR_BYTES, ones)],
      ["half a header", (flash, sector) => zero(flash, sector, 16, 16)],
    ];
    for (const [name, spoil] of spoils) {
      let lost = 0;
      for (const sector of logs) {
        const flash = new NorFlash({ sizeBytes: SIZE_BYTES, programSizeBytes: unit });
        flash.restore(image);
        spoil(flash, sector);
        const what = `${name} in sector ${sector}, sequence ${wordOf(before, sector, 8)}`;
        const store = mounted(flash);
        t.is(store.damage.logSectors, 1, what);
        const left = idsIn(store);
        lost += [...all].filter((id) => !left.has(id)).length;
        t.notThrows(() => goesOn(flash, store), what);
      }
      t.is(lost, all.size, "the newest record of each Drop is in one sector");
    }
  });
}

test("a store whose log is gone is mounted, never formatted", (t) => {
  const flash = used(4, 400);
  const { length } = logOf(flash);
  for (const sector of sectorsOf(flash, LOG_SECTOR)) zero(flash, sector);
  const store = new Store(flash, CAPACITY);
  const said: string[] = [];
  t.is(mountOrFormat(store, { say: (text: string) => said.push(text) } as never), "mounted");
  t.regex(said.join(), new RegExp(`damaged: lost ${length} log sectors, 0 records`));
  t.is(store.count, 0);
  goesOn(flash, store);
});

test("records that no power cut leaves are counted, and a torn record is not", (t) => {
  const flash = used(4, 400);
  const layout = new Layout(flash, CAPACITY);
  const [first] = logOf(flash);
  zero(flash, first!, layout.logStart + 3 * layout.recordBytes, 2 * layout.recordBytes);
  t.deepEqual({ ...mounted(flash).damage }, { logSectors: 0, records: 2 });

  const torn = used(4, 400);
  const [last] = logOf(torn);
  zero(torn, last!, layout.logStart + (layout.recordsPerSector - 1) * layout.recordBytes, 20);
  const store = mounted(torn);
  t.deepEqual({ ...store.damage }, { logSectors: 0, records: 0 }, "a power cut can tear the last record of a sector");
  t.is(store.counters.torn, 1);
});

test("a Drop whose sector of bodies is gone dies of damage once, and the others stay", (t) => {
  const whole = used(4, 400);
  const all = idsIn(mounted(whole));
  const image = whole.snapshot();
  let lost = 0;
  for (const sector of sectorsOf(whole, 2)) {
    const flash = new NorFlash({ sizeBytes: SIZE_BYTES });
    flash.restore(image);
    zero(flash, sector);
    const store = mounted(flash);
    t.deepEqual({ ...store.damage }, { logSectors: 0, records: all.size - store.count }, `sector ${sector}`);
    t.is(store.journal().filter(({ cause }) => cause === CORRUPT).length, store.damage.records);
    lost += store.damage.records;
    t.deepEqual({ ...mounted(flash).damage }, { logSectors: 0, records: 0 }, "the loss is told once");
    goesOn(flash, store);
  }
  t.is(lost, all.size, "each Drop lies in one sector");
});

test("a Drop that died before it was verified has no age", (t) => {
  const mark = new Uint8Array(4);
  for (const [verified, died, age] of [
    [1000, 1500, 500],
    [1000, 1000, 0],
    [0, 0, 0],
    [0xffff_0000, 0x1_0000_0010, 0x1_0010],
    [1000, 900, undefined],
  ] as const) {
    putVerified(mark, 0, 4, verified);
    t.is(ageOf(mark, 0, died), age);
  }
  t.is(ageOf(new Uint8Array(4), 0, 1500), undefined, "a mark of format 1 says no time");
});
