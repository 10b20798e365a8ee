/**
 * Cells die, a person names the wrong file, another program writes into the right one. A mount must say what it missed,
 * must show all that is left, and must not take a power cut for damage (the histories of store-power.test.ts hold it to
 * that) or damage for a blank partition.
 */
import process from "node:process";
import test from "ava";
import { mountOrFormat } from "../modules/board/store-of-board.ts";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import type { Flash } from "../modules/store/flash.ts";
import type { Insertion } from "../modules/store/insertion.ts";
import {
  BEFORE_AT,
  CLOSE_RECORD,
  CRC_AT,
  DROP_RECORD,
  ESSENCE_AT,
  encodeLogHeader,
  encodeSectorHeader,
  Layout,
  LOG_HEADER_BYTES,
  LOG_RECORD_BYTES,
  LOG_SECTOR,
  NO_RECORD,
} from "../modules/store/layout.ts";
import { sinceBefore } from "../modules/store/since.ts";
import { HAND_ONS_MIN, Store } from "../modules/store/store.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { Around } from "./around-flash.ts";
import { insertFromWire, insertion } from "./insertion.ts";
import { recordKind, reseal } from "./log-records.ts";
import { dropBytes, powerFails } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SECTOR_BYTES = 4096;
const SECTORS = 48;
const SIZE_BYTES = SECTORS * SECTOR_BYTES;
/** So many that each sector of the log names some of the living Drops. */
const CAPACITY = 60;

/** The record of a Drop under its right name, as an essence finds the Drop again by its hash. */
function named(drop: Uint8Array, heatKey: number, now: number): Insertion {
  const id = dropId(drop);
  return insertion(shortIdLow(id), shortIdHigh(id), drop, { heatKey, now });
}

interface Used {
  flash: NorFlash;
  /** The Drop that died last. */
  died: { low: number; high: number };
}

/** A store that was in use for some time: `inserts` Drops came in, and those that did not fit died. */
function used(unitBytes: number, inserts: number): Used {
  const flash = new NorFlash({ sizeBytes: SIZE_BYTES, programSizeBytes: unitBytes });
  const store = new Store(flash, CAPACITY);
  store.mount();
  for (let id = 1; id <= inserts; id++) {
    const size = id % 3 === 0 ? 2048 : 20 + ((id * 211) % 1500);
    insertFromWire(store, named(dropBytes(id, size), 2 * ((id * 37) % 401), id));
    store.markVerified(store.lastSlot);
    store.setHeat(store.lastSlot, store.heat(store.lastSlot) + 2);
    if (id % 20 === 0) store.checkpoint(id);
    if (id % 7 === 0) store.clean(id);
  }
  return { flash, died: { low: store.lastEvictedLow, high: store.lastEvictedHigh } };
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
  const tail = 2 * wordOf(flash, logs.at(-1)!, 16);
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
  encodeSectorHeader(header, LOG_SECTOR, 1, 2);
  header[BEFORE_AT] = NO_RECORD;
  encodeLogHeader(header, 1, 0, new Layout(flash, CAPACITY));
  flash.overwrite(0, header.subarray(0, 9));
  flash.overwrite(4000, Uint8Array.of(0x7f));
  t.is(new Store(flash, CAPACITY).mount(), "foreign");
});

const SPOILS: [string, (flash: NorFlash, sector: number) => void][] = [
  ["zeros", (flash, sector) => zero(flash, sector)],
  ["ones", (flash, sector) => flash.overwrite(sector * SECTOR_BYTES, new Uint8Array(SECTOR_BYTES).fill(0xff))],
  ["zeros in its first half", (flash, sector) => zero(flash, sector, 0, SECTOR_BYTES / 2)],
  ["zeros in its second half", (flash, sector) => zero(flash, sector, SECTOR_BYTES / 2, SECTOR_BYTES / 2)],
  [
    "noise",
    (flash, sector) => {
      const noise = new Uint8Array(SECTOR_BYTES);
      new SeededRandom(SEED + sector, "spoil").fill(noise);
      flash.overwrite(sector * SECTOR_BYTES, noise);
    },
  ],
];

/**
 * Spoils each sector in turn. Throws unless each loss is of Drops that lie in the sector. Returns how many were lost.
 */
function spoilEach({ flash, died }: Used, around: (flash: NorFlash) => Flash = (same) => same): number {
  const image = flash.snapshot();
  const bytes = Buffer.from(image.bytes);
  const all: { low: number; high: number; wanted: Uint8Array; inSector: number }[] = [];
  const whole = mounted(flash);
  for (let slot = 0; slot < whole.capacity; slot++) {
    if (!whole.occupied(slot)) continue;
    const drop = new Uint8Array(whole.lengthBytes(slot));
    whole.read(slot, 0, drop, 0, drop.length);
    const inSector = Math.floor(bytes.indexOf(drop.subarray(1)) / SECTOR_BYTES);
    all.push({ low: whole.idLow(slot), high: whole.idHigh(slot), wanted: drop, inSector });
  }
  let lost = 0;
  for (let sector = 0; sector < SECTORS; sector++) {
    for (const [name, spoil] of SPOILS) {
      flash.restore(image);
      spoil(flash, sector);
      const store = new Store(around(flash), CAPACITY);
      const outcome = store.mount();
      if (outcome !== "mounted") throw new Error(`${name} in sector ${sector}: mount answered ${outcome}`);
      for (let restart = 0; restart < 2; restart++) {
        for (const { low, high, wanted, inSector } of all) {
          const slot = store.find(low, high);
          const drop = new Uint8Array(wanted.length);
          if (slot >= 0 && store.lengthBytes(slot) === drop.length) store.read(slot, 0, drop, 0, drop.length);
          if (Buffer.compare(drop, wanted) === 0) continue;
          lost++;
          // If the death that ended the last insert is lost, the store has one Drop too many, and the coldest dies
          // again.
          if (inSector !== sector && store.find(died.low, died.high) >= 0 && store.count === CAPACITY) continue;
          if (inSector !== sector) throw new Error(`${name} in sector ${sector} loses a Drop in another sector`);
        }
        if (store.count > all.length) throw new Error(`${name} in sector ${sector} brings dead Drops back`);
        store.mount();
        const { logSectors, records } = store.damage;
        if (logSectors + records > 0) throw new Error(`${name} in sector ${sector}: the damage stays`);
      }
    }
  }
  flash.restore(image);
  return lost;
}

for (const unit of [4, 16]) {
  for (const inserts of [30, 75, 190, 391, 1000]) {
    test(`one spoilt sector costs only the Drops in it: ${inserts} inserts, unit ${unit}`, (t) => {
      const store = used(unit, inserts);
      t.true(spoilEach(store) >= Math.min(inserts, CAPACITY));
      t.true(sectorsOf(store.flash, LOG_SECTOR).length >= 2);
    });
  }
}

/** Takes away the essences that records bear. */
class WithoutEssences extends Around {
  override read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    super.read(address, into, offset, lengthBytes);
    const record = into.subarray(offset, offset + lengthBytes);
    const kind = recordKind(this.flash, address, record);
    if (kind !== DROP_RECORD && kind !== CLOSE_RECORD) return;
    record.fill(0, ESSENCE_AT, CRC_AT);
    reseal(this.flash, address, record);
  }
}

test("canary: without essences one spoilt sector of the log costs Drops in other sectors", (t) => {
  t.throws(() => spoilEach(used(4, 400), (nor) => new WithoutEssences(nor)), { message: /another sector/ });
});

test("records that no power cut leaves are counted, and a torn record is not", (t) => {
  const { flash } = used(4, 400);
  const [first] = logOf(flash);
  zero(flash, first!, LOG_HEADER_BYTES + 3 * LOG_RECORD_BYTES, 2 * LOG_RECORD_BYTES);
  t.deepEqual({ ...mounted(flash).damage }, { logSectors: 0, records: 2 });

  const { flash: torn } = used(4, 400);
  const [last] = logOf(torn).slice(1);
  zero(torn, last!, SECTOR_BYTES - LOG_RECORD_BYTES, 20);
  const store = mounted(torn);
  t.deepEqual({ ...store.damage }, { logSectors: 0, records: 0 }, "a power cut can tear the last record of a pair");
  t.is(store.counters.torn, 1);
});

test("a board says what its store lacks", (t) => {
  const { flash } = used(4, 400);
  zero(flash, logOf(flash)[0]!);
  const said: string[] = [];
  t.is(mountOrFormat(new Store(flash, CAPACITY), { say: (text: string) => said.push(text) } as never), "mounted");
  t.regex(said.join(), /damaged: lost 1 log sectors/);
});

test("a Drop that died before it came, by the times on flash, has no age", (t) => {
  for (const [came, died, age] of [
    [1000, 1504, 504],
    [1000, 1000, 0],
    [0, 0, 0],
    [0xffff_f0, 0x100_0010, 0x20],
    [1000, 900, undefined],
  ] as const)
    t.is(sinceBefore((came >> 3) & 0x1f_ffff, died), age);
  t.is(sinceBefore(0x1f_ffff, 1500), undefined, "a Drop of format 2 has no time");
});

test("the owner's marks survive use, restarts and the loss of any sector, and protected Drops die last", (t) => {
  const { flash } = used(4, 200);
  const store = mounted(flash);
  const marks = new Map<number, number>();
  for (let i = 0; i < 4; i++) {
    const own = { ...named(dropBytes(10_000 + i, 300), -1000 + 2 * i, 200), own: true, victim: store.firstToDie() };
    t.is(store.insert(own), "stored");
    t.true(store.isOwn(store.lastSlot) && store.isProtected(store.lastSlot));
    t.true(store.markOwn(store.lastSlot, true, i));
    t.is(store.isProtected(store.lastSlot), i < HAND_ONS_MIN);
    marks.set(own.shortIdLow, i);
  }
  for (let id = 300; id <= 500; id++) insertFromWire(store, named(dropBytes(id, 1500), 2 * id, id));
  const image = flash.snapshot();
  for (let sector = -1; sector < SECTORS; sector++) {
    flash.restore(image);
    if (sector >= 0) zero(flash, sector);
    const found = mounted(flash);
    let missing = 0;
    for (const [low, handedOn] of marks) {
      const slots = Array.from({ length: CAPACITY }, (_, slot) => slot);
      const slot = slots.find((each) => found.occupied(each) && found.idLow(each) === low);
      if (slot === undefined) missing++;
      else t.is(found.isOwn(slot) && found.handedOn(slot), handedOn, `sector ${sector}`);
    }
    t.is(missing, 1, "the one that was handed on often enough was the coldest, and died");
    const first = found.firstToDie();
    t.false(found.isProtected(first));
    if (sector < 0) t.true(found.markOwn(first, true, 0) && mounted(flash).isProtected(first));
  }
});
