/**
 * A board may lose power at any moment. These tests cut the power at every flash operation of random histories, in the
 * middle of the operation, and again during the mount that follows. The store must then hold every Drop that it
 * reported as stored, and nothing that it never took. Each canary breaks one rule of the store or the flash.
 */
import process from "node:process";
import test from "ava";
import { LOG_SECTOR } from "../modules/store/layout.ts";
import { COLDEST, CORRUPT, causeOf, FLOOD, putDead } from "../modules/store/marks.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { Around } from "./around-flash.ts";
import { insertFromWire, insertion } from "./insertion.ts";
import {
  cutEverywhere,
  type Displace,
  dropBytes,
  highOf,
  lowOf,
  powerFails,
  SMALL_CAPACITY,
  SMALL_SECTORS,
} from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
/** The number of histories. Each one is run about sixty times, once for each cut. */
const HISTORIES = Number(process.env.HISTORIES ?? 200);
const SMALL_BYTES = SMALL_SECTORS * 4096;

for (const unit of [4, 16]) {
  test(`a store survives a power cut at every operation and during the mount after it, unit ${unit}`, (t) => {
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

/** Writes a record before the body that the record commits. */
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

/** Accepts marks and does not write them. */
class NoMarks extends Around {
  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const kind = new Uint8Array(1);
    super.read(address - (address % this.sectorSizeBytes) + 3, kind, 0, 1);
    if (lengthBytes === this.programSizeBytes && kind[0] === LOG_SECTOR) return true;
    return super.program(address, bytes, offset, lengthBytes);
  }
}

/** Writes the cause "corrupt" for Drops that died as the coldest. */
class WrongCause extends Around {
  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const copy = bytes.slice(offset, offset + lengthBytes);
    if (lengthBytes === 4 && causeOf(copy, 0) === COLDEST) putDead(copy, 4, 0, CORRUPT);
    return super.program(address, copy, 0, lengthBytes);
  }
}

/** Changes a bit of the ShortId when some of the records are read. */
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
  ["a wrong cause of death", (flash: NorFlash) => new WrongCause(flash), /died of/],
  ["records that read wrong", (flash: NorFlash) => new WrongBits(flash), /missing/],
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

test("canary: the power cut test finds a store whose victim dies before the newcomer is stored", (t) => {
  const victimFirst: Displace = (store, { id, sizeBytes, heat }, victim, now) => {
    const full = store.count >= store.room;
    const [low, high] = [store.idLow(victim), store.idHigh(victim)];
    if (full) store.remove(victim, FLOOD);
    const outcome = store.insert(insertion(lowOf(id), highOf(id), dropBytes(id, sizeBytes), { heatKey: heat, now }));
    store.evicted = full;
    store.lastEvictedSlot = victim;
    store.lastEvictedLow = low;
    store.lastEvictedHigh = high;
    return outcome;
  };
  t.throws(
    () => {
      for (let seed = 1; seed < 20; seed++) {
        cutEverywhere({ seed, programSizeBytes: 4, steps: 24, startStepsMax: 100, displace: victimFirst });
      }
    },
    { message: /missing \[\d+\], not expected \[\]/ },
  );
});

/** A full store. A Drop is colder the lower its number is. Every third Drop, from 0 on, came in as a newcomer. */
function fullStore(flash: NorFlash): Store {
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  for (let id = 0; id < SMALL_CAPACITY; id++) {
    store.insert(
      insertion(lowOf(id), highOf(id), dropBytes(id, 900), { heatKey: 1000 + 10 * id + (id % 3 === 0 ? 1 : 0) }),
    );
  }
  return store;
}

for (const [name, victim, cause] of [
  ["the oldest newcomer", 6, FLOOD],
  ["a settled Drop", 4, COLDEST],
] as const) {
  test(`a cut between a newcomer's record and the death of ${name} costs neither newcomer nor a third Drop`, (t) => {
    const id = 1000;
    let between = 0;
    for (let draw = 0; draw < 40; draw++) {
      for (let cut = 1; ; cut++) {
        const flash = new NorFlash({ sizeBytes: SMALL_BYTES, chance: new SeededRandom(SEED + draw, "between") });
        const store = fullStore(flash);
        const slot = store.find(lowOf(victim), highOf(victim));
        flash.cutAt(cut);
        const failed = powerFails(() => {
          const outcome = store.insert(
            insertion(lowOf(id), highOf(id), dropBytes(id, 900), { heatKey: 1, now: 9, victim: slot, cause }),
          );
          t.is(outcome, "stored");
        });
        flash.cutAt(undefined);
        const after = new Store(flash, SMALL_CAPACITY);
        t.is(after.mount(), "mounted");
        t.is(after.count, SMALL_CAPACITY);
        const has = (number: number): boolean => after.find(lowOf(number), highOf(number)) >= 0;
        if (!failed) {
          t.true(has(id) && !has(victim), "the victim must die, not the coldest Drop");
          t.is(after.journal().at(-1)?.cause, cause);
          break;
        }
        t.true(has(id) || has(victim), `seed ${SEED + draw} cut ${cut}: newcomer and victim are both gone`);
        if (has(id) && has(victim)) between++;
        // The operations are body, record and mark. A cut at the third leaves a whole record.
        t.is(has(id), cut === 3 || (cut === 2 && has(id)), `seed ${SEED + draw} cut ${cut}`);
        if (has(id))
          t.true(
            !has(victim) || !has(1),
            "the victim or Drop 1, the coldest settled Drop, must die, not Drop 0, a colder newcomer",
          );
      }
    }
    t.true(between > 0, "there must be cuts after which no bit of the victim's mark is written");
  });
}

test("canary: the simulated NOR flash refuses a broken rule and loses power in the middle of an operation", (t) => {
  const flash = new NorFlash({ sizeBytes: 2 * 4096, chance: new SeededRandom(SEED, "cut") });
  const zeros = new Uint8Array(64);
  flash.program(0, zeros, 0, 4);
  t.true(flash.program(0, zeros, 0, 4), "to program the same bytes again is allowed");
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
  t.throws(() => flash.program(2048, other, 0, 4), { message: /twice/ }, "a half-erased sector must not be programmed");
  t.true(flash.eraseSector(0));
  t.true(flash.program(0, zeros, 0, 4));
  flash.wear(1);
  t.false(flash.program(4096, zeros, 0, 4));
  t.false(flash.eraseSector(1));
});

test("a store survives a power cut at every operation on flash with worn sectors", (t) => {
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    t.notThrows(() => {
      cutEverywhere({ seed, programSizeBytes: 4, steps: 24, startStepsMax: 700, sectors: 26, worn: 4 });
    }, `replay: SEED=${seed} HISTORIES=1`);
  }
});

test("Drops reported as stored survive a kernel that loses and reorders the writes since the last sync", (t) => {
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    t.notThrows(() => {
      cutEverywhere({ seed, programSizeBytes: 4, steps: 24, startStepsMax: 700, reordered: true });
    }, `replay: SEED=${seed} HISTORIES=1`);
  }
});

for (const worn of [0, 1, 2]) {
  test(`a store works again after power cuts that never let it clean its log, with ${worn} worn sectors`, (t) => {
    const flash = new NorFlash({ sizeBytes: SMALL_BYTES, chance: new SeededRandom(SEED, "storm") });
    for (let sector = 0; sector < worn; sector++) flash.wear(3 + 7 * sector);
    let id = 1;
    for (let boot = 0; boot < 3000; boot++) {
      flash.cutAt(1 + (boot % 3));
      try {
        const store = new Store(flash, SMALL_CAPACITY);
        store.mount();
        insertFromWire(store, insertion(lowOf(id), highOf(id), dropBytes(id, 2048), { heatKey: 2 * id }));
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
      const record = insertion(lowOf(id), highOf(id), dropBytes(id, 2048), { heatKey: 2 * id });
      t.is(insertFromWire(store, record), "stored");
    }
    t.is(store.room, SMALL_CAPACITY - 2 * store.retiredSectors);
  });
}
