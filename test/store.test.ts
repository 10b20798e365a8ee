/**
 * The store against its vectors, its bounds and a model (docs/store.md). Power cuts are in store-power.test.ts, worn
 * flash is in store-wear.test.ts, partitions of other versions are in store-format.test.ts, and the store in a file is
 * in store-file.test.ts.
 */
import process from "node:process";
import { crc32 as zlibCrc32 } from "node:zlib";
import test from "ava";
import { victimWithSlack } from "../bench/slack.ts";
import { CAUSE_NAMES, CORRUPT, FLOOD } from "../modules/store/causes.ts";
import { crc32 } from "../modules/store/crc32.ts";
import type { Flash } from "../modules/store/flash.ts";
import {
  BEFORE_AT,
  CLOSE_RECORD,
  CRC_AT,
  ESSENCE_AT,
  encodeLogHeader,
  encodeSectorHeader,
  HEAT_RECORD,
  half,
  KIND_MASK,
  Layout,
  LOG_SECTOR,
  logHeaderWhole,
  refuseRecord,
  refuseSector,
  sameGeometry,
  UPGRADE_SECTOR,
  word,
} from "../modules/store/layout.ts";
import { DROPS_MAX, Store } from "../modules/store/store.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { Around, WornOut } from "./around-flash.ts";
import { flashContract } from "./flash-contract.ts";
import { insertFromWire, insertion } from "./insertion.ts";
import {
  dropBytes,
  ERASES_PER_INSERT_MAX,
  highOf,
  lowOf,
  randomSteps,
  SMALL_CAPACITY,
  SMALL_SECTORS,
  Witness,
} from "./store-histories.ts";
import vectors from "./vectors/store.json" with { type: "json" };

const SEED = Number(process.env.SEED ?? 1);
const SMALL_BYTES = SMALL_SECTORS * 4096;

interface Vector {
  sector?: string | number;
  record?: string;
  bytes: string;
  reason?: string;
  unitBytes?: number;
  pair?: number;
  side?: number;
  number?: number;
  erases?: number;
  tail?: number;
  oldTail?: number;
  time?: number;
  before?: number;
  life?: number;
  lengthBytes?: number;
  low?: number;
  high?: number;
  heat?: number;
  since?: number;
  offset?: number;
  verified?: boolean | number[][];
  escaped?: boolean;
  essence?: string;
  cause?: string;
  victim?: number[] | null;
  entries?: { back: number; number: number; heat: number }[];
  retired?: number[];
  head?: string;
}

flashContract(test, "nor flash", () => norSubject(4));
flashContract(test, "nor flash, encrypted", () => norSubject(16));
function norSubject(programSizeBytes: number): { flash: Flash; reopen(): Flash; end(): void } {
  const flash = new NorFlash({ sizeBytes: 8 * 4096, programSizeBytes });
  return { flash, reopen: () => flash, end: () => {} };
}

function layoutOf(unitBytes: number): Layout {
  return new Layout(new NorFlash({ programSizeBytes: unitBytes }), DROPS_MAX);
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** The fields of a record, under the names of the vectors. */
function fieldsOf(bytes: Uint8Array): Vector {
  const reference = (at: number): number[] => [bytes[at]!, bytes[at + 1]!];
  const essence = Buffer.from(bytes.subarray(ESSENCE_AT, CRC_AT)).toString("hex");
  const kind = bytes[0]! & KIND_MASK;
  if (kind === CLOSE_RECORD) {
    const verified = [0, 1, 2, 3, 4, 5].map((entry) => reference(8 + 2 * entry)).filter(([, number]) => number !== 255);
    const victim = bytes[3] === 255 ? null : reference(2);
    const cause = CAUSE_NAMES[bytes[0]! >> 3]!;
    return { record: "close", cause, before: bytes[1]!, victim, time: word(bytes, 4), verified, essence } as Vector;
  }
  if (kind === HEAT_RECORD) {
    const entries = Array.from({ length: bytes[0]! >> 3 }, (_, entry) => {
      const at = 5 + 6 * entry;
      return { back: bytes[at]!, number: bytes[at + 1]!, heat: word(bytes, at + 2) };
    });
    return { record: "heat", time: word(bytes, 1), entries } as Vector;
  }
  const list = Array.from({ length: bytes[1]! }, (_, entry) => 2 + 2 * entry);
  if (kind === 4) return { record: "tail", tail: word(bytes, 4), oldTail: word(bytes, 8) } as Vector;
  if (kind === 5) return { record: "retired", retired: list.map((at) => half(bytes, at)) } as Vector;
  if (kind === 6) return { record: "verified", verified: list.map(reference) } as Vector;
  const place = word(bytes, 1);
  const drop = {
    lengthBytes: (place & 0x7ff) + 1,
    offset: ((place >>> 11) & 0x7ff) * 4,
    life: (place >>> 22) & 31,
    sector: half(bytes, 5),
    low: word(bytes, 7) >>> 0,
    high: word(bytes, 11) >>> 0,
    heat: word(bytes, 15),
    verified: (bytes[0]! & 8) !== 0,
  };
  if (kind === 7)
    return { record: "old", ...drop, head: Buffer.from(bytes.subarray(19, 27)).toString("hex") } as Vector;
  const since = half(bytes, 19) | ((bytes[25]! >> 3) << 16);
  const borne = bytes.slice(ESSENCE_AT, CRC_AT);
  borne[4] = borne[4]! & 7;
  const bears = Buffer.from(borne).toString("hex");
  const more = { before: place >>> 27, since, escaped: (bytes[0]! & 128) !== 0, essence: bears };
  return { record: "drop", ...drop, ...more } as Vector;
}

test("headers and records of the log match the vectors, bit for bit", (t) => {
  for (const vector of vectors.valid as unknown as (Vector & { pair: number; number: number })[]) {
    const bytes = fromHex(vector.bytes);
    if (vector.record === undefined) {
      const layout = layoutOf(vector.unitBytes!);
      const made = new Uint8Array(bytes.length);
      const kind = vector.sector === "log" ? LOG_SECTOR : UPGRADE_SECTOR;
      encodeSectorHeader(made, kind, vector.erases!, 2 * vector.pair + vector.side!);
      made[BEFORE_AT] = vector.before!;
      encodeLogHeader(made, vector.tail!, vector.time!, layout);
      t.deepEqual(made, bytes);
      t.is(refuseSector(bytes), undefined);
      t.true(logHeaderWhole(bytes) && sameGeometry(bytes, layout));
    } else {
      t.is(refuseRecord(bytes, vector.pair, vector.number), undefined);
      t.like(vector, fieldsOf(bytes));
    }
  }
  for (const vector of vectors.invalid as (Vector & { pair: number; number: number })[]) {
    const bytes = fromHex(vector.bytes);
    if (vector.reason === "log header") t.false(logHeaderWhole(bytes));
    else if (vector.record === undefined) t.is(refuseSector(bytes), vector.reason as never);
    else t.is(refuseRecord(bytes, vector.pair, vector.number), vector.reason as never);
  }
});

test("crc32 equals the CRC-32 of zlib", (t) => {
  t.is(crc32(Buffer.from("123456789"), 0, 9) >>> 0, 0xcbf43926);
  const bytes = dropBytes(SEED, 303);
  for (let size = 0; size < 300; size++) {
    for (const offset of [0, 3]) {
      t.is(crc32(bytes, offset, size) >>> 0, zlibCrc32(bytes.subarray(offset, offset + size)));
    }
  }
});

test("the bounds of the layout agree with one another", (t) => {
  for (const unit of [4, 8, 16, 32]) {
    const layout = layoutOf(unit);
    t.true(layout.fits, `unit ${unit}`);
    t.true(2 * layout.bodyRoom(2048) <= 4096, "two of the largest bodies fit in a sector");
    t.true(layout.recordsPerPair <= 255, "a record's number is a byte, and 255 means none");
    t.true(4096 / 64 <= 255, "bodies in a sector are counted in a byte");
    t.true(layout.logPairs * layout.recordsPerPair > 1.5 * DROPS_MAX);
    t.true(layout.logPairsMax <= 255, "references reach back by a byte");
  }
});

test("a store stores, finds and reads Drops, knows a Drop that it has, and removes a Drop", (t) => {
  const store = new Store(new NorFlash());
  t.throws(() => store.insert(insertion(1, 2, new Uint8Array(1), { lengthBytes: 1 })), { message: /not mounted/ });
  t.is(store.mount(), "formatted");
  const buffer = new Uint8Array(2100);
  const slots = new Map<number, number>();
  for (const [id, size] of [1, 2, 7, 8, 9, 12, 13, 200, 1999, 2047, 2048].entries()) {
    buffer.set(dropBytes(id, size), 33);
    t.is(
      store.insert(insertion(lowOf(id), highOf(id), buffer, { offset: 33, lengthBytes: size, heatKey: id })),
      "stored",
    );
    slots.set(id, store.lastSlot);
    t.is(store.lengthBytes(store.lastSlot), size);
    t.false(store.verified(store.lastSlot));
    t.is(
      store.insert(insertion(lowOf(id), highOf(id), buffer, { offset: 33, lengthBytes: size, heatKey: 99 })),
      "known",
    );
    t.is(store.lastSlot, slots.get(id)!);
    t.is(store.heat(store.lastSlot), id);
  }
  t.is(store.count, 11);
  t.is(store.find(5, 5), -1);
  for (const [id, slot] of slots) {
    const wanted = dropBytes(id, store.lengthBytes(slot));
    for (const from of [0, 1, 7, 8, 9, 100].filter((at) => at <= wanted.length)) {
      const into = new Uint8Array(2100).fill(0xaa);
      store.read(slot, from, into, 11, wanted.length - from);
      t.deepEqual(into.subarray(11, 11 + wanted.length - from), wanted.subarray(from));
      t.is(into[11 + wanted.length - from], 0xaa);
    }
    t.throws(() => store.read(slot, 1, buffer, 0, wanted.length));
  }
  store.remove(slots.get(3)!);
  t.is(store.find(lowOf(3), highOf(3)), -1);
  t.throws(() => store.read(slots.get(3)!, 0, buffer, 0, 1));
  t.is(store.mount(), "mounted");
  t.is(store.count, 10);
  t.throws(() => store.insert(insertion(1, 1, buffer, { lengthBytes: 0 })));
  t.throws(() => store.insert(insertion(1, 1, buffer, { lengthBytes: 2049 })));
});

test("a full store evicts its coldest Drop, and refuses a Drop that is as cold or colder", (t) => {
  const store = new Store(new NorFlash());
  store.mount();
  const bytes = new Uint8Array(2048);
  for (let id = 0; id < DROPS_MAX; id++) {
    t.is(
      store.insert(insertion(id, id, bytes, { lengthBytes: 2048, heatKey: 1000 + 2 * ((id * 7) % DROPS_MAX) })),
      "stored",
    );
    t.false(store.evicted);
  }
  t.is(store.count, DROPS_MAX);
  t.is(store.insert(insertion(1, 9999, bytes, { heatKey: 100_000 })), "full", "no victim is named");
  t.is(insertFromWire(store, insertion(1, 9999, bytes, { heatKey: 998 })), "colder");
  t.is(insertFromWire(store, insertion(1, 9999, bytes, { heatKey: 1000 })), "colder");
  for (let round = 0; round < 50; round++) {
    const doomed = [...Array(DROPS_MAX).keys()].reduce((a, b) => (store.heat(b) < store.heat(a) ? b : a));
    const [low, high] = [store.idLow(doomed), store.idHigh(doomed)];
    t.is(insertFromWire(store, insertion(5000 + round, 1, bytes, { heatKey: 100_000 })), "stored");
    t.true(store.evicted);
    t.deepEqual([store.lastEvictedSlot, store.lastEvictedLow, store.lastEvictedHigh], [doomed, low, high]);
    t.is(store.find(low, high), -1);
    t.is(store.count, DROPS_MAX);
  }
});

test("1.75 MB hold 750 Drops of the largest size through many inserts, each of which erases few sectors", (t) => {
  const flash = new NorFlash();
  const witness = new Witness(flash, DROPS_MAX);
  witness.mount();
  const random = new SeededRandom(SEED, "churn");
  let most = 0;
  for (let id = 1; id <= DROPS_MAX + 2000; id++) {
    const before = flash.counters.erases;
    witness.run([{ kind: "insert", id, sizeBytes: 2048, heat: 1 + random.below(1e6) + id * 300 }]);
    most = Math.max(most, flash.counters.erases - before);
    if (id % 3 === 0) witness.run([{ kind: "verify", choice: random.below(1e6) }]);
    if (id % 2 === 0) witness.run([{ kind: "heat", choice: random.below(1e6), heat: random.below(1e6) + id * 300 }]);
    if (id % 500 === 0) witness.run([{ kind: "checkpoint" }]);
    if (id % 700 === 0) witness.run([{ kind: "mount" }]);
  }
  t.is(witness.store.count, DROPS_MAX);
  witness.check();
  t.true(most <= ERASES_PER_INSERT_MAX, `one insert erased ${most} sectors`);
  const bodies = flash.counters.readBytes;
  witness.mount();
  t.true(flash.counters.readBytes - bodies <= 65_536, "mount reads at most 64 KB");
  witness.check();
});

test("in a store that was cleaned an insert of the largest size erases only an occasional log sector", (t) => {
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES });
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  let erasing = 0;
  for (let id = 1; id <= 400; id++) {
    for (let steps = 0; store.clean(id); steps++) t.true(steps < 50, "clean must come to an end");
    const before = flash.counters.erases;
    insertFromWire(store, insertion(lowOf(id), highOf(id), dropBytes(id, 2048), { heatKey: 2 * id, now: id }));
    erasing += flash.counters.erases - before;
  }
  t.true(erasing <= 400 / 50, `400 inserts erased ${erasing} sectors`);
});

for (const unit of [4, 16]) {
  test(`a store agrees with the model in random histories, unit ${unit}`, (t) => {
    for (let seed = SEED; seed < SEED + 10; seed++) {
      t.notThrows(() => {
        const witness = new Witness(new NorFlash({ sizeBytes: SMALL_BYTES, programSizeBytes: unit }), SMALL_CAPACITY);
        witness.mount();
        const random = new SeededRandom(seed, "model");
        for (let part = 0; part < 8; part++) {
          witness.run(randomSteps(random, 150, 1 + part * 150, seed % 2 === 0));
          witness.check();
        }
        t.is(witness.store.counters.sacrificed, 0);
      }, `replay: SEED=${seed}`);
    }
  });
}

test("heat and time survive a restart after a checkpoint, also when records are copied", (t) => {
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES });
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  for (let id = 0; id < SMALL_CAPACITY; id++) store.insert(insertion(id, id, dropBytes(id, 900), { heatKey: id }));
  for (let id = 0; id < SMALL_CAPACITY; id++) store.setHeat(store.find(id, id), 5000 - id * 300);
  store.checkpoint(70_000);
  store.setHeat(store.find(3, 3), 1_000_000);
  const again = new Store(flash, SMALL_CAPACITY);
  again.mount();
  t.is(again.epoch, 70_000);
  for (let id = 0; id < SMALL_CAPACITY; id++) t.is(again.heat(again.find(id, id)), 5000 - id * 300);
  const programs = flash.counters.programs;
  again.checkpoint(70_001);
  t.is(flash.counters.programs, programs, "a checkpoint without changes must write nothing");
  for (let round = 1; round <= 300; round++) {
    const slot = again.find(round % SMALL_CAPACITY, round % SMALL_CAPACITY);
    again.setHeat(slot, -round);
    again.checkpoint(70_000 + round * 400);
  }
  const third = new Store(flash, SMALL_CAPACITY);
  third.mount();
  t.is(third.epoch, 70_000 + 300 * 400);
  for (let id = 0; id < SMALL_CAPACITY; id++) {
    t.is(third.heat(third.find(id, id)), again.heat(again.find(id, id)));
  }
});

test("a checkpoint that ends early on worn flash leaves no write without a sync", (t) => {
  const flash = new WornOut(new NorFlash({ sizeBytes: SMALL_BYTES }));
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  for (let id = 0; id < SMALL_CAPACITY; id++) store.insert(insertion(id, id, dropBytes(id, 900), { heatKey: id }));
  flash.wornOut = true;
  // These inserts make the store try every free sector, until it knows that none is left.
  const outcome = (id: number): string =>
    insertFromWire(store, insertion(id, id, dropBytes(id, 2048), { heatKey: 2 * id }));
  for (let id = 100; outcome(id) !== "flash"; id++);
  let written = 0;
  for (let round = 1; round <= 100; round++) {
    for (let slot = 0; slot < SMALL_CAPACITY; slot++)
      if (store.occupied(slot)) store.setHeat(slot, round * 1000 + slot);
    const programmed = store.programmedBytes;
    store.checkpoint(0);
    if (store.programmedBytes > programmed) written++;
    t.is(flash.unsynced, 0, `checkpoint ${round}`);
  }
  t.true(written > 0 && written < 100, `${written} of 100 checkpoints wrote a record`);
});

test("a checkpoint is due if it costs little beside the bytes stored since the last, or after a day", (t) => {
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES });
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  const day = 9_360;
  t.false(store.checkpointDue(day - 1));
  t.true(store.checkpointDue(day), "after a day the time itself is worth a record");
  let now = day;
  store.checkpoint(now);
  const programmed = store.programmedBytes;
  for (let id = 0; id < 3; id++) store.insert(insertion(id, id, dropBytes(id, 2048), { heatKey: id, now }));
  t.false(store.checkpointDue(now), "no heat has changed");
  store.setHeat(store.find(0, 0), 1000);
  // The checkpoint is one record of 40 bytes. It counts as three records, and 6,000 stored bytes pay for it.
  t.true(store.programmedBytes - programmed >= 6_000);
  t.true(store.checkpointDue(now));
  store.checkpoint(now);
  for (let id = 0; id < 3; id++) store.setHeat(store.find(id, id), 2000);
  now += day - 1;
  store.insert(insertion(9, 9, dropBytes(9, 20), { heatKey: 9, now }));
  t.false(store.checkpointDue(now));
  t.true(store.checkpointDue(now + 1), "an insert must not put off the daily checkpoint");
  store.checkpoint(now + 1);
  t.false(store.checkpointDue(now + day), "the day counts from the last checkpoint");
});

test("a daily checkpoint of all 750 keys writes at most 8,000 bytes of keys and wears out no sector in a year", (t) => {
  const flash = new HeatBytes(new NorFlash());
  const store = new Store(flash);
  store.mount();
  const day = 9_360;
  for (let id = 0; id < DROPS_MAX; id++) store.insert(insertion(id, 1, dropBytes(id, 2048), { heatKey: 2 * id }));
  const { erases } = store;
  for (let now = day; now <= 365 * day; now += day) {
    // A board on a quiet square takes one Drop a day, and each of its Drops moves once.
    insertFromWire(store, insertion(now, 2, dropBytes(1, 2048), { heatKey: 10_000 + now, now: now - 1 }));
    for (let slot = 0; slot < DROPS_MAX; slot++) store.setHeat(slot, store.heat(slot) + 2);
    t.true(store.checkpointDue(now), `heat time ${now}`);
    const before = flash.heatBytes;
    store.checkpoint(now);
    t.true(flash.heatBytes - before <= 8_000, `the checkpoint wrote ${flash.heatBytes - before} bytes of keys`);
    while (store.clean(now));
  }
  const perSector = (store.erases - erases) / 448;
  t.true(perSector <= 6, `each sector was erased ${perSector} times on average`);
});

/** Counts the bytes programmed in heat records. */
class HeatBytes extends Around {
  heatBytes = 0;

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (lengthBytes === 32 && (bytes[offset]! & KIND_MASK) === HEAT_RECORD) this.heatBytes += lengthBytes;
    return super.program(address, bytes, offset, lengthBytes);
  }
}

/** Flash that refuses bodies while `takesBodies` is false. */
class Choosy extends Around {
  takesBodies = true;

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    return (this.takesBodies || lengthBytes < 64) && super.program(address, bytes, offset, lengthBytes);
  }
}

test("the named victim dies for a newcomer, only in a full store, and only if the newcomer could be written", (t) => {
  const flash = new Choosy(new NorFlash({ sizeBytes: SMALL_BYTES }));
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  const insert = (id: number, victim: number, heat = 2 * id): string => {
    const slot = store.find(victim, victim);
    return store.insert(insertion(id, id, dropBytes(id, 2048), { heatKey: heat, victim: slot, cause: FLOOD }));
  };
  for (let id = 0; id < SMALL_CAPACITY; id++) t.is(insert(id, 0), "stored");
  t.is(store.count, SMALL_CAPACITY);
  const hottest = SMALL_CAPACITY - 1;
  store.pin(store.find(hottest, hottest));
  t.is(insert(100, hottest, -1), "stored");
  t.is(store.find(hottest, hottest), -1);
  t.is(store.journal().at(-1)?.cause, FLOOD);
  t.is(insert(101, hottest, -1), "full", "a victim that is gone must not die again");
  flash.takesBodies = false;
  t.is(insert(102, 5, -1), "flash");
  t.is(store.find(102, 102), -1);
  t.true(store.find(5, 5) >= 0);
});

test("the journal names each dead Drop with cause, time, age and heat, survives restarts, and is bounded", (t) => {
  for (const unit of [4, 16]) {
    const flash = new NorFlash({ sizeBytes: SMALL_BYTES, programSizeBytes: unit });
    let store = new Store(flash, SMALL_CAPACITY);
    store.mount();
    const born = new Map<number, number>();
    const heats = new Map<number, number>();
    const deaths: number[] = [];
    for (let id = 1; id <= 1500; id++) {
      const now = id * 1000;
      t.is(insertFromWire(store, insertion(id, 7, dropBytes(id, 700), { heatKey: now, now })), "stored");
      const evicted = store.evicted ? store.lastEvictedLow : 0;
      if (id % 5 > 0) {
        born.set(id, now);
        store.markVerified(store.lastSlot);
      }
      // Each Drop gets warmer, but the order of the Drops stays.
      heats.set(id, now + 400);
      store.setHeat(store.lastSlot, now + 400);
      store.checkpoint(now);
      if (id % 50 === 0) {
        store = new Store(flash, SMALL_CAPACITY);
        t.is(store.mount(), "mounted");
      }
      if (evicted === 0) continue;
      deaths.push(evicted);
      const death = store.journal().at(-1)!;
      if (death.low !== evicted)
        t.true(
          store.journal().some(({ low }) => low === evicted),
          `unit ${unit}: the journal does not name Drop ${evicted}`,
        );
    }
    const journal = store.journal();
    t.true(journal.length > 20 && journal.length < 6 * 101, `the journal holds ${journal.length} deaths`);
    t.deepEqual(
      journal.map(({ low }) => low).sort((a, b) => a - b),
      deaths.slice(-journal.length),
      "the journal must hold the latest deaths without a gap",
    );
    for (const { low, high, lengthBytes, cause, time, age, heatKey } of journal) {
      t.deepEqual([high, lengthBytes, CAUSE_NAMES[cause]], [7, 700, "coldest"]);
      t.is(time, (low + SMALL_CAPACITY) * 1000);
      // `since` counts by eight.
      t.is(age === undefined ? undefined : age >> 3, born.has(low) ? (time - born.get(low)!) >> 3 : undefined);
      t.is(heatKey, heats.get(low)!);
    }
    const slot = store.find(1500, 7);
    store.remove(slot, CORRUPT);
    t.is(store.journal().find(({ low }) => low === 1500)!.cause, CORRUPT);
    t.is(store.counters.damaged, 1);
  }
});

test("the first 40 Drops after a pause wait for no erase", (t) => {
  for (const ahead of [true, false]) {
    const flash = new NorFlash();
    let store = new Store(flash);
    const insert = (id: number): void => {
      const record = insertion(lowOf(id), highOf(id), dropBytes(id, 2_048), { heatKey: 2 * id, now: id });
      t.is(insertFromWire(store, record), "stored");
    };
    store.mount();
    for (let id = 1; id <= DROPS_MAX + 300; id++) insert(id);
    store = new Store(flash);
    store.mount();
    while (store.clean(2_000));
    const before = flash.counters.erases;
    if (ahead) while (store.eraseAhead());
    const prepared = flash.counters.erases - before;
    for (let id = 2_001; id <= 2_040; id++) insert(id);
    const waited = flash.counters.erases - before - prepared;
    // The canary does without.
    if (ahead) t.true(prepared <= 20 && waited <= 1, `${prepared} ahead, ${waited} waited for`);
    else t.true(waited >= 15, `${waited}`);
  }
});

test("with a slack of n the bench chooses its victim among the n coldest Drops", (t) => {
  const SLACK = 15;
  const store = new Store(new NorFlash(), DROPS_MAX);
  store.mount();
  const bytes = new Uint8Array(2048);
  const random = new SeededRandom(SEED, "slack");
  for (let id = 0; id < DROPS_MAX; id++)
    store.insert(insertion(id, 1, bytes, { lengthBytes: 2048, heatKey: random.below(1e6) }));
  let strictly = 0;
  let stored = 0;
  for (let round = 0; round < 300; round++) {
    const keys = [...Array(DROPS_MAX).keys()].map((slot) => store.heat(slot)).sort((a, b) => a - b);
    const key = random.below(1e6);
    const before = [...Array(DROPS_MAX).keys()].map((slot) => store.heat(slot));
    const victim = victimWithSlack(store, SLACK, key);
    const outcome = store.insert(insertion(10_000 + round, 1, bytes, { heatKey: key, victim }));
    t.is(outcome, key > keys[0]! ? "stored" : "full");
    if (outcome === "full") continue;
    const died = before[store.lastEvictedSlot]!;
    t.true(died <= keys[SLACK - 1]! && died < key, `the victim's key ${died} is not among the ${SLACK} coldest`);
    stored++;
    strictly += Number(died === keys[0]);
  }
  t.true(strictly < stored, `${strictly} of ${stored} victims were the coldest Drop of all`);
});

test("the store never takes the bytes of a Drop for a header or a record", (t) => {
  // The Drop looks like the beginning of a partition: it is full of log headers with a high sequence.
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES });
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  const evil = new Uint8Array(2048);
  const layout = new Layout(flash, SMALL_CAPACITY);
  for (let at = 0; at + 32 <= evil.length; at += 8) {
    const header = new Uint8Array(32);
    encodeSectorHeader(header, LOG_SECTOR, 1, 2_000_000);
    encodeLogHeader(header, 1_000_000, 0, layout);
    evil.set(header, at % 64 === 0 ? at : Math.min(at, evil.length - 32));
  }
  for (let id = 1; id <= 200; id++)
    insertFromWire(
      store,
      insertion(lowOf(id), highOf(id), evil, { lengthBytes: 2048 - (id % 8) * 4, heatKey: 2 * id }),
    );
  const again = new Store(flash, SMALL_CAPACITY);
  t.is(again.mount(), "mounted");
  t.is(again.count, SMALL_CAPACITY);
});
