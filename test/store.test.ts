/** The store: its bytes, its promises, and what a power cut at any operation leaves of them. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { crc32 as zlibCrc32 } from "node:zlib";
import test from "ava";
import { FileFlash } from "../hosts/store/file-flash.ts";
import { crc32 } from "../modules/store/crc32.ts";
import type { Flash } from "../modules/store/flash.ts";
import {
  BODY_SECTOR,
  encodeLogHeader,
  encodeSectorHeader,
  half,
  Layout,
  LOG_SECTOR,
  logHeaderWhole,
  refuseRecord,
  refuseSector,
  sameGeometry,
  word,
} from "../modules/store/layout.ts";
import { DROPS_MAX, Store } from "../modules/store/store.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { flashContract } from "./flash-contract.ts";
import {
  cutEverywhere,
  dropBytes,
  highOf,
  lowOf,
  randomSteps,
  SMALL_CAPACITY,
  SMALL_SECTORS,
  Witness,
} from "./store-histories.ts";
import vectors from "./vectors/store.json" with { type: "json" };

const SEED = Number(process.env.SEED ?? 1);
/** Histories that are cut everywhere; each is some hundred runs. */
const HISTORIES = Number(process.env.HISTORIES ?? 200);
const SMALL_BYTES = SMALL_SECTORS * 4096;
/** An open, a cleaning that opens one, a levelling that opens one, and a log sector. */
const ERASES_PER_INSERT_MAX = 4;

interface Vector {
  sector?: string | number;
  record?: string;
  /** Marks are checked in test/xs/vectors.ts, here and on XS. */
  mark?: string;
  version?: number;
  retired?: number[];
  bytes: string;
  reason?: string;
  unitBytes?: number;
  sequence?: number;
  number?: number;
  erases?: number;
  tail?: number;
  time?: number;
  sectors?: number;
  sectorBits?: number;
  life?: number;
  lengthBytes?: number;
  low?: number;
  high?: number;
  heat?: number;
  offset?: number;
  head?: string;
}

flashContract(test, "nor flash", () => norSubject(4));
flashContract(test, "nor flash, encrypted", () => norSubject(16));
flashContract(test, "file flash", () => {
  const folder = mkdtempSync(join(tmpdir(), "throwie-flash-"));
  let flash = new FileFlash(join(folder, "store"), { sizeBytes: 8 * 4096 });
  return {
    flash,
    reopen: () => {
      flash.close();
      flash = new FileFlash(join(folder, "store"));
      return flash;
    },
    end: () => {
      flash.close();
      rmSync(folder, { recursive: true });
    },
  };
});

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

test("vectors: sector headers and records, bit for bit", (t) => {
  for (const vector of (vectors.valid as Vector[]).filter(({ mark }) => mark === undefined)) {
    const bytes = fromHex(vector.bytes);
    const layout = layoutOf(vector.unitBytes!);
    if (vector.record === undefined) {
      const log = vector.sector === "log";
      const made = new Uint8Array(bytes.length);
      encodeSectorHeader(made, log ? LOG_SECTOR : BODY_SECTOR, vector.erases!, vector.sequence!);
      if (log) encodeLogHeader(made, vector.tail!, vector.time!, layout);
      if (vector.version === undefined) t.deepEqual(made, bytes);
      t.is(refuseSector(bytes), undefined);
      if (log) t.true(logHeaderWhole(bytes) && sameGeometry(bytes, layout));
    } else {
      t.is(refuseRecord(bytes, layout, vector.sequence!, vector.number!), undefined);
      t.is(bytes.length, layout.recordBytes);
      if (vector.retired !== undefined) {
        t.deepEqual([...bytes.subarray(0, 2)], [5, vector.retired.length]);
        for (const [i, sector] of vector.retired.entries()) t.is(half(bytes, 2 + 2 * i), sector);
      }
      if (vector.lengthBytes === undefined) continue;
      t.is(bytes[0], vector.record === "drop" ? 1 : 2);
      t.is(bytes[1], vector.life!);
      t.is(half(bytes, 2), vector.lengthBytes!);
      t.is(word(bytes, 4) >>> 0, vector.low!);
      t.is(word(bytes, 8) >>> 0, vector.high!);
      t.is(word(bytes, 12), vector.heat!);
      t.is(half(bytes, 16), vector.sector as number);
      t.is(half(bytes, 18), vector.offset!);
      t.is(Buffer.from(bytes.subarray(20, 20 + layout.headBytes)).toString("hex"), vector.head!);
    }
  }
  for (const vector of (vectors.invalid as Vector[]).filter(({ mark }) => mark === undefined)) {
    const bytes = fromHex(vector.bytes);
    if (vector.reason === "log header") t.false(logHeaderWhole(bytes));
    else if (vector.record === undefined) t.is(refuseSector(bytes), vector.reason as never);
    else t.is(refuseRecord(bytes, layoutOf(4), vector.sequence!, vector.number!), vector.reason as never);
  }
});

test("crc-32 is the one that zlib computes", (t) => {
  t.is(crc32(Buffer.from("123456789"), 9) >>> 0, 0xcbf43926);
  const bytes = dropBytes(SEED, 300);
  for (const size of [0, 1, 12, 28, 300]) t.is(crc32(bytes, size) >>> 0, zlibCrc32(bytes.subarray(0, size)));
});

test("bounds agree with one another", (t) => {
  for (const unit of [4, 8, 16, 32]) {
    const layout = layoutOf(unit);
    t.true(layout.fits, `unit ${unit}`);
    t.true(layout.bodyStart + 2 * layout.bodyRoom(2048) <= 4096, "two of the largest bodies fit in a sector");
    t.true(layout.recordsPerSector <= 255, "a record's number is a byte");
    t.true(Math.floor((4096 - layout.bodyStart) / 64) <= 255, "bodies in a sector are counted in a byte");
    t.true(layout.logSectors * layout.recordsPerSector > 1.5 * DROPS_MAX);
    t.true(layout.logSectorsMax <= 255, "heat entries reach back by a byte");
  }
});

test("stores, finds, reads any part, knows what it has, forgets what it is told to", (t) => {
  const store = new Store(new NorFlash());
  t.throws(() => store.insert(1, 2, new Uint8Array(1), 0, 1, 0, 0), { message: /not mounted/ });
  t.is(store.mount(), "formatted");
  const buffer = new Uint8Array(2100);
  const slots = new Map<number, number>();
  for (const [id, size] of [1, 2, 7, 8, 9, 12, 13, 200, 1999, 2047, 2048].entries()) {
    buffer.set(dropBytes(id, size), 33);
    t.is(store.insert(lowOf(id), highOf(id), buffer, 33, size, id, 0), "stored");
    slots.set(id, store.lastSlot);
    t.is(store.lengthBytes(store.lastSlot), size);
    t.false(store.verified(store.lastSlot));
    t.is(store.insert(lowOf(id), highOf(id), buffer, 33, size, 99, 0), "known");
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
  t.throws(() => store.insert(1, 1, buffer, 0, 0, 0, 0));
  t.throws(() => store.insert(1, 1, buffer, 0, 2049, 0, 0));
});

test("a full store evicts the strictly coldest, and takes nobody colder or as cold", (t) => {
  const store = new Store(new NorFlash());
  store.mount();
  const bytes = new Uint8Array(2048);
  for (let id = 0; id < DROPS_MAX; id++) {
    t.is(store.insert(id, id, bytes, 0, 2048, 1000 + ((id * 7) % DROPS_MAX), 0), "stored");
    t.false(store.evicted);
  }
  t.is(store.count, DROPS_MAX);
  t.is(store.insert(1, 9999, bytes, 0, 2048, 999, 0), "colder");
  t.is(store.insert(1, 9999, bytes, 0, 2048, 1000, 0), "colder");
  for (let round = 0; round < 50; round++) {
    const doomed = [...Array(DROPS_MAX).keys()].reduce((a, b) => (store.heat(b) < store.heat(a) ? b : a));
    const [low, high] = [store.idLow(doomed), store.idHigh(doomed)];
    t.is(store.insert(5000 + round, 1, bytes, 0, 2048, 100_000, 0), "stored");
    t.true(store.evicted);
    t.deepEqual([store.lastEvictedSlot, store.lastEvictedLow, store.lastEvictedHigh], [doomed, low, high]);
    t.is(store.find(low, high), -1);
    t.is(store.count, DROPS_MAX);
  }
});

test("750 of the largest fit in 1.75 MB and stay through churn; an insert erases few sectors", (t) => {
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
  t.true(most <= ERASES_PER_INSERT_MAX, `${most} erases in one insert`);
  const bodies = flash.counters.readBytes;
  witness.mount();
  t.true(flash.counters.readBytes - bodies <= 65_536, "mount reads at most 64 KB");
  witness.check();
});

test("after clean had its time an insert of the largest erases nothing but, now and then, for the log", (t) => {
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES });
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  let erasing = 0;
  for (let id = 1; id <= 400; id++) {
    for (let steps = 0; store.clean(id); steps++) t.true(steps < 50, "clean comes to an end");
    const before = flash.counters.erases;
    store.insert(lowOf(id), highOf(id), dropBytes(id, 2048), 0, 2048, id, id);
    erasing += flash.counters.erases - before;
  }
  t.true(erasing <= 400 / 50, `${erasing} erases in 400 inserts`);
});

for (const unit of [4, 16]) {
  test(`random histories end as a model says, unit ${unit}`, (t) => {
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

  test(`power cut at every operation, and in the mount after it, unit ${unit}`, (t) => {
    let cuts = 0;
    for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
      t.notThrows(() => {
        cuts += cutEverywhere({ seed, programSizeBytes: unit, steps: 24, startStepsMax: 700 });
      }, `replay: SEED=${seed} HISTORIES=1`);
    }
    t.true(cuts > 20 * HISTORIES, `${cuts} cuts`);
    t.log(`${HISTORIES} histories, ${cuts} cuts`);
  });
}

class Around implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes: number;
  readonly programSizeBytes: number;
  protected readonly flash: Flash;

  constructor(flash: Flash) {
    this.flash = flash;
    this.sizeBytes = flash.sizeBytes;
    this.sectorSizeBytes = flash.sectorSizeBytes;
    this.programSizeBytes = flash.programSizeBytes;
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    this.flash.read(address, into, offset, lengthBytes);
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    return this.flash.program(address, bytes, offset, lengthBytes);
  }

  eraseSector(sector: number): boolean {
    return this.flash.eraseSector(sector);
  }

  sync(): void {
    this.flash.sync();
  }
}

/** The record goes out before the body that it commits. */
class RecordFirst extends Around {
  #late: { address: number; bytes: Uint8Array } | undefined = undefined;

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (lengthBytes > 64 && this.#late === undefined) {
      this.#late = { address, bytes: bytes.slice(offset, offset + lengthBytes) };
      return true;
    }
    const took = super.program(address, bytes, offset, lengthBytes);
    this.#flush();
    return took;
  }

  override eraseSector(sector: number): boolean {
    this.#flush();
    return super.eraseSector(sector);
  }

  #flush(): void {
    const late = this.#late;
    this.#late = undefined;
    if (late !== undefined) this.flash.program(late.address, late.bytes, 0, late.bytes.length);
  }
}

/** Marks are accepted and forgotten. */
class NoMarks extends Around {
  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (lengthBytes === this.programSizeBytes) return true;
    return super.program(address, bytes, offset, lengthBytes);
  }
}

/** Some records read with a bit of their ShortId changed. */
class WrongBits extends Around {
  override read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    super.read(address, into, offset, lengthBytes);
    if (lengthBytes === 40 && into[offset] === 1 && into[offset + 39] === 0xff)
      into[offset + 4] = into[offset + 4]! ^ 1;
  }
}

for (const [name, around, message] of [
  ["a record before its body", (flash: NorFlash) => new RecordFirst(flash), /bytes/],
  ["lost marks", (flash: NorFlash) => new NoMarks(flash), /not expected|verified/],
  ["records that read wrong", (flash: NorFlash) => new WrongBits(flash), /missing|no Drop/],
] as const) {
  test(`canary: the power cut test finds ${name}`, (t) => {
    t.throws(
      () => {
        for (let seed = 1; seed < 20; seed++) {
          cutEverywhere({ seed, programSizeBytes: 4, steps: 24, startStepsMax: 100, around });
        }
      },
      { message },
    );
  });
}

test("canary: nor flash finds whoever breaks its rules, and loses power inside an operation", (t) => {
  const flash = new NorFlash({ sizeBytes: 2 * 4096, chance: new SeededRandom(SEED, "cut") });
  const zeros = new Uint8Array(64);
  flash.program(0, zeros, 0, 4);
  t.true(flash.program(0, zeros, 0, 4), "the same again does no harm");
  flash.program(8, Uint8Array.of(0xf0, 0xff, 0xff, 0xff), 0, 4);
  t.throws(() => flash.program(8, zeros, 0, 4), { message: /twice/ });
  flash.cutAt(2);
  flash.program(4, zeros, 0, 4);
  t.throws(() => flash.program(64, zeros, 0, 64), { instanceOf: PowerCut });
  t.throws(() => flash.read(0, zeros, 0, 1), { instanceOf: PowerCut });
  flash.cutAt(undefined);
  flash.program(2048, new Uint8Array(2048), 0, 2048);
  flash.cutAt(1);
  t.throws(() => flash.eraseSector(0), { instanceOf: PowerCut });
  flash.cutAt(undefined);
  const halfErased = new Uint8Array(4096);
  flash.read(0, halfErased, 0, 4096);
  t.true(halfErased.includes(0) && halfErased.includes(0xff));
  const other = Uint8Array.of(1, 2, 3, 4);
  t.throws(() => flash.program(2048, other, 0, 4), { message: /twice/ }, "nobody builds on a half-erased sector");
  t.true(flash.eraseSector(0));
  t.true(flash.program(0, zeros, 0, 4));
  flash.wear(1);
  t.false(flash.program(4096, zeros, 0, 4));
  t.false(flash.eraseSector(1));
});

test("what was reported stored outlives a kernel that writes in any order what was not synced", (t) => {
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    t.notThrows(() => {
      cutEverywhere({ seed, programSizeBytes: 4, steps: 24, startStepsMax: 700, reordered: true });
    }, `replay: SEED=${seed} HISTORIES=1`);
  }
});

test("heat and time outlive a restart by a checkpoint, and by whatever else is written of the Drop", (t) => {
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES });
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  for (let id = 0; id < SMALL_CAPACITY; id++) store.insert(id, id, dropBytes(id, 900), 0, 900, id, 0);
  for (let id = 0; id < SMALL_CAPACITY; id++) store.setHeat(store.find(id, id), 5000 - id * 300);
  store.checkpoint(70_000);
  store.setHeat(store.find(3, 3), 1_000_000);
  const again = new Store(flash, SMALL_CAPACITY);
  again.mount();
  t.is(again.epoch, 70_000);
  for (let id = 0; id < SMALL_CAPACITY; id++) t.is(again.heat(again.find(id, id)), 5000 - id * 300);
  const programs = flash.counters.programs;
  again.checkpoint(70_001);
  t.is(flash.counters.programs, programs, "a checkpoint with nothing to say says nothing");
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

test("formats what is empty or foreign, and never what is newer or of another shape", (t) => {
  const foreign = new NorFlash({ sizeBytes: SMALL_BYTES });
  const noise = new Uint8Array(SMALL_BYTES);
  new SeededRandom(SEED, "noise").fill(noise);
  foreign.program(0, noise, 0, noise.length);
  const store = new Store(foreign, SMALL_CAPACITY);
  t.is(store.mount(), "formatted");
  for (let id = 1; id < 60; id++) {
    t.is(store.insert(lowOf(id), highOf(id), dropBytes(id, 2048), 0, 2048, id, 0), "stored");
  }
  t.is(new Store(foreign, SMALL_CAPACITY).mount(), "mounted");

  const newer = new NorFlash({ sizeBytes: SMALL_BYTES });
  const header = new Uint8Array(16);
  encodeSectorHeader(header, LOG_SECTOR, 1, 1);
  header[2] = 3;
  new DataView(header.buffer).setUint32(12, zlibCrc32(header.subarray(0, 12)), true);
  newer.program(5 * 4096, header, 0, 16);
  const before = { ...newer.counters };
  const refused = new Store(newer, SMALL_CAPACITY);
  t.is(refused.mount(), "newer");
  t.is(newer.counters.programs, before.programs);
  t.is(newer.counters.erases, before.erases);
  t.throws(() => refused.insert(1, 1, noise, 0, 1, 0, 0), { message: /not mounted/ });

  const other = new NorFlash({ sizeBytes: SMALL_BYTES });
  new Store(other, SMALL_CAPACITY).mount();
  const larger = new NorFlash({ sizeBytes: SMALL_BYTES + 4096 });
  const image = other.snapshot();
  larger.restore(image);
  t.is(new Store(larger, SMALL_CAPACITY).mount(), "geometry");
  t.is(new Store(new NorFlash({ sizeBytes: 8 * 4096 }), 750).mount(), "geometry", "too small");
});

test("no bytes of a Drop are ever taken for a header or a record", (t) => {
  // A Drop that is itself a partition's beginning: a log header with a high sequence, and records behind it.
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES });
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  const evil = new Uint8Array(2048);
  const layout = new Layout(flash, SMALL_CAPACITY);
  for (let at = 0; at + 32 <= evil.length; at += 8) {
    const header = new Uint8Array(32);
    encodeSectorHeader(header, LOG_SECTOR, 1, 1_000_000);
    encodeLogHeader(header, 1_000_000, 0, layout);
    evil.set(header, at % 64 === 0 ? at : Math.min(at, evil.length - 32));
  }
  for (let id = 1; id <= 200; id++) store.insert(lowOf(id), highOf(id), evil, 0, 2048 - (id % 8) * 4, id, 0);
  const again = new Store(flash, SMALL_CAPACITY);
  t.is(again.mount(), "mounted");
  t.is(again.count, SMALL_CAPACITY);
});

test("worn sectors are put out of use and lose nothing that can be read", (t) => {
  for (let seed = SEED; seed < SEED + 5; seed++) {
    const flash = new NorFlash({ sizeBytes: 40 * 4096 });
    const witness = new Witness(flash, SMALL_CAPACITY);
    const random = new SeededRandom(seed, "wear");
    witness.mount();
    t.notThrows(() => {
      for (let part = 0; part < 8; part++) {
        witness.run(randomSteps(random, 60, 1 + part * 60).filter(({ kind }) => kind !== "verify"));
        flash.wear(random.below(40));
        witness.check();
      }
      witness.mount();
      witness.check();
    }, `replay: SEED=${seed}`);
  }
});

test("a log that cuts never let be cleaned does not stop the store for good", (t) => {
  const flash = new NorFlash({ sizeBytes: SMALL_BYTES, chance: new SeededRandom(SEED, "storm") });
  let id = 1;
  for (let boot = 0; boot < 3000; boot++) {
    flash.cutAt(1 + (boot % 3));
    try {
      const store = new Store(flash, SMALL_CAPACITY);
      store.mount();
      store.insert(lowOf(id), highOf(id), dropBytes(id, 2048), 0, 2048, id, 0);
      id++;
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
  }
  flash.cutAt(undefined);
  const store = new Store(flash, SMALL_CAPACITY);
  t.is(store.mount(), "mounted");
  for (let i = 0; i < 100; i++) {
    id++;
    t.is(store.insert(lowOf(id), highOf(id), dropBytes(id, 2048), 0, 2048, id, 0), "stored");
  }
});

test("file flash: one process at a time, a dead holder is taken over from, another size is refused", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "throwie-lock-"));
  const path = join(folder, "store");
  const flash = new FileFlash(path);
  t.is(statSync(path).size, 448 * 4096);
  t.throws(() => new FileFlash(path), { message: /in use by process \d+; stop that process/ });
  const store = new Store(flash);
  t.is(store.mount(), "formatted");
  t.is(store.insert(1, 2, dropBytes(1, 2048), 0, 2048, 0, 0), "stored");
  flash.close();
  flash.close();
  // A process id that is ours, but of a process that began at another time; one that cannot be; one half-written.
  for (const holder of [`${process.pid} 1\n`, "4194305 77\n", "", "no number"]) {
    writeFileSync(`${path}.lock`, holder);
    const next = new FileFlash(path);
    t.regex(readFileSync(`${path}.lock`, "utf8"), new RegExp(`^${process.pid} `));
    const mounted = new Store(next);
    t.is(mounted.mount(), "mounted");
    t.is(mounted.count, 1);
    next.close();
  }
  t.throws(() => new FileFlash(path, { sizeBytes: 4096 }), { message: /is not a store of 4096 bytes/ });
  t.throws(() => readFileSync(`${path}.lock`), { code: "ENOENT" });
  rmSync(folder, { recursive: true });
});
