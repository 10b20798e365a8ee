/**
 * The tests that cut the power (test/store-power.test.ts and its neighbours) must find a store or a flash that breaks a
 * rule. Each canary here breaks one rule, and must be found.
 */
import process from "node:process";
import test from "ava";
import { COLDEST, CORRUPT, FLOOD } from "../modules/store/causes.ts";
import { CLOSE_RECORD, DROP_RECORD, ID_AT } from "../modules/store/layout.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { Around } from "./around-flash.ts";
import { insertion } from "./insertion.ts";
import { recordKind, reseal } from "./log-records.ts";
import { cutEverywhere, type Displace, dropBytes, highOf, lowOf } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);

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

/** Accepts close records and does not write them. */
class NoDeaths extends Around {
  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const record = bytes.slice(offset, offset + lengthBytes);
    if (recordKind(this.flash, address, record) === CLOSE_RECORD) return true;
    return super.program(address, bytes, offset, lengthBytes);
  }
}

/** Writes the cause "corrupt" for Drops that died as the coldest. */
class WrongCause extends Around {
  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const record = bytes.slice(offset, offset + lengthBytes);
    if (recordKind(this.flash, address, record) === CLOSE_RECORD && record[0]! >> 3 === COLDEST) {
      record[0] = CLOSE_RECORD | (CORRUPT << 3);
      reseal(this.flash, address, record);
    }
    return super.program(address, record, 0, lengthBytes);
  }
}

/** Changes a bit of the ShortId when some of the records are read. */
class WrongBits extends Around {
  override read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    super.read(address, into, offset, lengthBytes);
    const record = into.subarray(offset, offset + lengthBytes);
    if (recordKind(this.flash, address, record) !== DROP_RECORD || (record[ID_AT]! & 3) !== 0) return;
    record[ID_AT] = record[ID_AT]! ^ 1;
    reseal(this.flash, address, record);
  }
}

for (const [name, around, message] of [
  ["a record before its body", (flash: NorFlash) => new RecordFirst(flash), /bytes/],
  ["lost deaths", (flash: NorFlash) => new NoDeaths(flash), /not expected|fair|missing/],
  ["a wrong cause of death", (flash: NorFlash) => new WrongCause(flash), /died of/],
  ["records that read wrong", (flash: NorFlash) => new WrongBits(flash), /missing|damaged|never inserted/],
] as const) {
  test.serial(`canary: the power cut test finds ${name}`, (t) => {
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

test.serial("canary: the power cut test finds a store whose victim dies before the newcomer is stored", (t) => {
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

test.serial(
  "canary: the simulated NOR flash refuses a broken rule and loses power in the middle of an operation",
  (t) => {
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
    t.throws(
      () => flash.program(2048, other, 0, 4),
      { message: /twice/ },
      "a half-erased sector must not be programmed",
    );
    t.true(flash.eraseSector(0));
    t.true(flash.program(0, zeros, 0, 4));
    flash.wear(1);
    t.false(flash.program(4096, zeros, 0, 4));
    t.false(flash.eraseSector(1));
  },
);
