/**
 * Three parts of a node give Drops up: admission for a Drop from the wire, mount for a surplus that a power cut left,
 * and the store when sectors wear out. These tests fill a store with settled Drops and newcomers, let each of the three
 * take one Drop after another, and compare the deaths with the one order of modules/temperature/rank.ts.
 *
 * Replay with SEED=n.
 */
import test from "ava";
import { NOBODY } from "../modules/store/insertion.ts";
import { CLOSE_RECORD, KIND_MASK } from "../modules/store/layout.ts";
import { Store } from "../modules/store/store.ts";
import {
  firstToDie,
  isNewcomer,
  NEWCOMER_RANK_MIN,
  newcomerKey,
  rank,
  settledKey,
} from "../modules/temperature/rank.ts";
import { Admission } from "../modules/throwie/admission.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { Around } from "./around-flash.ts";
import { insertion } from "./insertion.ts";
import { SMALL_CAPACITY, SMALL_SECTORS } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SEEDS = Array.from({ length: 5 }, (_, i) => SEED + i);
/** A fifth, rounded down: more newcomers than that are settled by admission at the start. */
const NEWCOMERS = 3;
const SETTLED = SMALL_CAPACITY - NEWCOMERS;
const DROP_BYTES = 300;
const HOTTEST = 2 ** 30;
/** Heat time after which a checkpoint writes the time though nothing else changed. */
const HOUR = 400;
const WORN_SECTORS = 4;

/** Loses the close records of the log while `lossy`, as if power failed before each of them. */
class Lossy extends Around {
  lossy = false;

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const close = lengthBytes === 32 && (bytes[offset]! & KIND_MASK) === CLOSE_RECORD;
    if (this.lossy && close) return true;
    return super.program(address, bytes, offset, lengthBytes);
  }
}

/** A full store of Drops 0 to SMALL_CAPACITY - 1. Some have equal keys, and the newcomers are the coldest. */
class Town {
  readonly nor = new NorFlash({ sizeBytes: SMALL_SECTORS * 4096 });
  readonly flash = new Lossy(this.nor);
  readonly keys: number[] = [];
  store = this.mounted();

  constructor(seed: number) {
    // Only the mount that formats a partition knows that its sectors are erased. Here each is erased before it is used.
    this.store = this.mounted();
    const random = new SeededRandom(seed, "rank");
    for (let number = 0; number < SMALL_CAPACITY; number++) {
      this.keys.push(number % 6 === 5 ? newcomerKey(random.below(8) - 16) : settledKey(random.below(24) - 8));
      this.insert(number, this.keys[number]!, NOBODY);
    }
  }

  mounted(): Store {
    const store = new Store(this.flash, SMALL_CAPACITY);
    store.mount();
    return store;
  }

  insert(number: number, heatKey: number, victim: number): void {
    const bytes = new Uint8Array(DROP_BYTES).fill(number);
    const outcome = this.store.insert(insertion(number, 0, bytes, { heatKey, victim }));
    if (outcome !== "stored") throw new Error(`insert answered ${outcome}`);
  }

  /** Drops that were here at the start and are gone, but for those in `before`. */
  deaths(before: number[]): number[] {
    const gone = this.keys.map((_, number) => number).filter((number) => this.store.find(number, 0) < 0);
    return gone.filter((number) => !before.includes(number));
  }

  /** The Drops by an order of their keys, the first to die first; of equals the one in the lower slot. */
  ordered(order: (a: number, b: number) => number): number[] {
    const numbers = this.keys.map((_, number) => number);
    return numbers.sort((a, b) => order(this.keys[a]!, this.keys[b]!) || a - b);
  }
}

/** The documented order, written another way: settled Drops before newcomers, colder before warmer. */
const documented = (a: number, b: number): number => Number(isNewcomer(a)) - Number(isNewcomer(b)) || a - b;
const byHeatAlone = (a: number, b: number): number => a - b;

/** Drops from the wire come in, each hotter than all others, until one is refused. */
function deathsByAdmission(town: Town): number[] {
  const { store } = town;
  const admission = new Admission(store, 0);
  const deaths: number[] = [];
  for (let number = 1_000; ; number++) {
    const record = insertion(number, 0, new Uint8Array(DROP_BYTES), { heatKey: HOTTEST });
    if (deaths.length === SETTLED) record.heatKey = settledKey(Math.max(...town.keys));
    if (admission.nameVictim(record) !== undefined) return deaths;
    if (store.insert(record) !== "stored") throw new Error("not stored");
    deaths.push(...town.deaths(deaths));
  }
}

/**
 * Power fails again and again between the record of a Drop and the mark of its victim, which is not the first to die.
 */
function deathsByMount(town: Town, count: number): number[] {
  const deaths: number[] = [];
  for (let number = 1_000; deaths.length < count; number++) {
    town.flash.lossy = true;
    town.insert(number, newcomerKey(HOTTEST), town.store.find(number - 1, 0) >= 0 ? town.store.find(number - 1, 0) : 1);
    town.flash.lossy = false;
    town.store = town.mounted();
    deaths.push(...town.deaths(deaths));
  }
  return deaths;
}

/**
 * One sector wears out after another, and each takes the room of two Drops with it. Their order is that of the rank.
 */
function deathsByWear(town: Town, count: number): number[][] {
  const { store, nor } = town;
  const deaths: number[][] = [];
  for (let now = 0; deaths.length < count; ) {
    nor.wear(nor.erasesOf.indexOf(0));
    // Each checkpoint writes the time, so that the log needs another sector some day, and meets the worn one.
    for (const before = store.retiredSectors; store.retiredSectors === before; now += HOUR) store.checkpoint(now);
    if (!store.shrink(now)) throw new Error("the flash takes no more");
    deaths.push(town.deaths(deaths.flat()));
  }
  return deaths;
}

for (const seed of SEEDS) {
  test(`admission, mount and wear let Drops die in the order of the rank, seed ${seed}`, (t) => {
    const order = new Town(seed).ordered((a, b) => rank(a) - rank(b));
    t.deepEqual(order, new Town(seed).ordered(documented));
    const settled = order.slice(0, SETTLED);
    t.deepEqual(deathsByAdmission(new Town(seed)), settled);
    t.deepEqual(deathsByMount(new Town(seed), order.length), order);
    const pairs = deathsByWear(new Town(seed), WORN_SECTORS);
    t.deepEqual(
      pairs.flatMap((pair) => [...pair].sort((a, b) => order.indexOf(a) - order.indexOf(b))),
      order.slice(0, 2 * WORN_SECTORS),
    );
    // Canary: an order by heat alone differs from all three, and so does one that lets the higher slot of equals die.
    const blind = new Town(seed).ordered(byHeatAlone);
    t.notDeepEqual(blind.slice(0, SETTLED), settled);
    t.notDeepEqual(blind.slice(0, 2 * WORN_SECTORS), order.slice(0, 2 * WORN_SECTORS));
  });
}

test("the first to die is the Drop with the least rank among those that stand for choice, in the lowest slot", (t) => {
  const random = new SeededRandom(SEED, "first");
  for (let round = 0; round < 2_000; round++) {
    const slots = 1 + random.below(12);
    const keys = Int32Array.from({ length: slots }, () => random.below(9) - 4);
    const flags = Uint8Array.from({ length: slots }, () => random.below(4));
    const chosen = Array.from(keys.keys()).filter((slot) => flags[slot]! > 0 && flags[slot]! < 3);
    chosen.sort((a, b) => documented(keys[a]!, keys[b]!) || a - b);
    t.is(firstToDie(keys, flags, 3), chosen[0] ?? -1, `keys ${keys} flags ${flags}`);
  }
});

test("every newcomer ranks above every settled Drop, at both ends of the range of keys", (t) => {
  for (const key of [-(2 ** 31), -1, 0, 1, 2 ** 31 - 1]) {
    t.true(rank(settledKey(key)) < NEWCOMER_RANK_MIN, `${key}`);
    t.true(rank(newcomerKey(key) | 0) >= NEWCOMER_RANK_MIN, `${key}`);
  }
});
