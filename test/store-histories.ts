/**
 * A store must keep its promises in every history and at every power cut, and no list of written cases covers that.
 * This file makes random histories, runs them on a store beside a model of what the store must hold (`Witness`), and
 * cuts the power at each operation of a history (`cutEverywhere`). Other tests of the store use its parts.
 */

import { CAUSE_NAMES, COLDEST, FLOOD, REMOVED } from "../modules/store/causes.ts";
import type { Flash } from "../modules/store/flash.ts";
import { NOBODY } from "../modules/store/insertion.ts";
import { Store, type StoreOutcome } from "../modules/store/store.ts";
import { type FlashImage, NorFlash, type NorFlashOptions, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { coldestOf, insertion } from "./insertion.ts";

const HOTTEST = 2 ** 30;

/** So few sectors that short histories already clean sectors, evict Drops, and go once around the log's ring. */
export const SMALL_SECTORS = 18;
/** As many Drops as fit into that. So cleaning moves bodies all the time. */
export const SMALL_CAPACITY = 19;

/** An insert erases at most: a sector that it opens, one for cleaning, one for wear levelling, and two of the log. */
export const ERASES_PER_INSERT_MAX = 5;

export type Step =
  | Insert
  | { kind: "remove" | "verify"; choice: number }
  | { kind: "heat"; choice: number; heat: number }
  | { kind: "checkpoint" | "clean" | "mount" };

/** With `choice`, the Drop comes in as a newcomer. The Drop that `choice` picks dies for it, whatever their heat. */
interface Insert {
  kind: "insert";
  id: number;
  sizeBytes: number;
  heat: number;
  choice?: number;
}

/** Inserts a newcomer. `victim` is the slot of the Drop that dies for it. */
export type Displace = (store: Store, step: Insert, victim: number, now: number) => StoreOutcome;

const displace: Displace = (store, { id, sizeBytes, heat }, victim, now) =>
  store.insert(
    insertion(lowOf(id), highOf(id), dropBytes(id, sizeBytes), { heatKey: heat, now, victim, cause: FLOOD }),
  );

interface Expected {
  verified: boolean;
  /** A checkpoint has written that the Drop is verified. */
  written?: boolean;
}

const DROP_BYTES_MAX = 2048;
/** The Drops that were made lately, by number. Making the bytes anew for each check took a fifth of the time. */
const made = new Map<number, Uint8Array>();
const MADE_MAX = 4096;

/** The bytes of Drop number `id`. They follow from `id`, and a shorter Drop is the start of a longer one. */
export function dropBytes(id: number, sizeBytes: number): Uint8Array {
  let bytes = made.get(id);
  if (bytes === undefined) {
    if (made.size === MADE_MAX) made.clear();
    bytes = new Uint8Array(DROP_BYTES_MAX);
    new SeededRandom(id, "drop").fill(bytes);
    made.set(id, bytes);
  }
  return bytes.slice(0, sizeBytes);
}

export const lowOf = (id: number): number => Math.imul(id, 0x9e3779b1) >>> 0;
/** The inverse of `lowOf`: 0x0e8b2f51 is the inverse of its factor modulo 2^32. */
const idOfLow = (low: number): number => Math.imul(low, 0x0e8b2f51) >>> 0;
export const highOf = (id: number): number => (Math.imul(id, 0x85ebca6b) ^ 0x5bd1e995) >>> 0;

/** Random steps with Drops from `firstId` on. `heavy`: all Drops have the largest size, so that flash is full. */
export function randomSteps(random: SeededRandom, count: number, firstId: number, heavy = false): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < count; i++) {
    const draw = random.below(100);
    const choice = random.below(1000);
    // Later Drops are hotter on average, so the store takes most of them and refuses enough of them.
    const heat = 2 * (random.below(500) + (firstId + i) * 20);
    const insert = { kind: "insert", id: firstId + i, sizeBytes: heavy ? 2048 : sizeOf(random) } as const;
    if (draw < 46) steps.push({ ...insert, heat });
    // A newcomer is colder than all others, and its heat key is odd.
    else if (draw < 55) steps.push({ ...insert, heat: -heat - 1, choice });
    else if (draw < 65) steps.push({ kind: "verify", choice });
    else if (draw < 70) steps.push({ kind: "remove", choice });
    else if (draw < 80) steps.push({ kind: "heat", choice, heat });
    else if (draw < 87) steps.push({ kind: "checkpoint" });
    else if (draw < 96) steps.push({ kind: "clean" });
    else steps.push({ kind: "mount" });
  }
  return steps;
}

function sizeOf(random: SeededRandom): number {
  const draw = random.below(10);
  if (draw < 5) return 2048;
  if (draw < 6) return 1 + random.below(20);
  return 1 + random.below(2048);
}

export interface Subject {
  flash: NorFlash;
  /** The flash that the store uses: `flash` itself, or a broken variant around it. */
  seen: Flash;
}

/**
 * A store, and a model of what it must hold. If a PowerCut ends a step, `pending` names the step: both its result and
 * the state before it are then right.
 */
export class Witness {
  store: Store;
  readonly expected = new Map<number, Expected>();
  readonly sizes = new Map<number, number>();
  /** The cause of death of each Drop whose cause the model knows. */
  readonly causes = new Map<number, number>();
  /** The Drops that came in as newcomers. Their heat keys are odd. */
  readonly newcomers = new Set<number>();
  /** The Drops that were inserted more than once. Such a Drop may be in the store and also in the journal. */
  readonly reborn = new Set<number>();
  pending: Step | undefined = undefined;
  pendingId = -1;
  pendingVictim = -1;
  displace = displace;
  /** A VERIFIED mark may be missing, because `markVerified` does not sync. */
  verifiedMayBeLost = false;
  time = 0;
  /** The most sectors that one insert may erase. */
  erasesMax = ERASES_PER_INSERT_MAX;
  readonly #seen: Flash;
  readonly #capacity: number;

  constructor(seen: Flash, capacity: number) {
    this.#seen = seen;
    this.#capacity = capacity;
    this.store = new Store(seen, capacity);
  }

  mount(): void {
    this.store = new Store(this.#seen, this.#capacity);
    const outcome = this.store.mount();
    if (outcome !== "mounted" && outcome !== "formatted") throw new Error(`mount answered ${outcome}`);
    const { logSectors, records } = this.store.damage;
    if (logSectors > 0 || records > 0) throw new Error(`${logSectors} log sectors and ${records} records are damaged`);
  }

  run(steps: Step[]): void {
    for (const step of steps) {
      this.pending = step;
      this.#do(step);
      this.pending = undefined;
      this.pendingId = -1;
      this.pendingVictim = -1;
    }
  }

  #do(step: Step): void {
    const { store, expected } = this;
    // Marks hold the low bytes of the time, and a byte of ones in a mark does not show. So all bytes must come up.
    this.time += 1 + ((this.time * 7_919) % 199);
    if (step.kind === "insert") {
      if (this.sizes.has(step.id)) this.reborn.add(step.id);
      this.sizes.set(step.id, step.sizeBytes);
      this.pendingId = step.id;
      const bytes = dropBytes(step.id, step.sizeBytes);
      const newcomer = step.choice !== undefined;
      if (newcomer) this.newcomers.add(step.id);
      const victim = newcomer ? this.#chosen(step.choice!) : coldestOf(store);
      const full = store.count >= store.room;
      if (full) this.pendingVictim = this.#idOf(store.idLow(victim), store.idHigh(victim));
      // A Drop that is no newcomer displaces only a colder one.
      const colder = full && !newcomer && step.heat <= store.heat(victim);
      const { erases } = store;
      const outcome = newcomer
        ? this.displace(store, step, victim, this.time)
        : store.insert(
            insertion(lowOf(step.id), highOf(step.id), bytes, {
              heatKey: step.heat,
              now: this.time,
              victim: colder ? NOBODY : victim,
            }),
          );
      const erased = store.erases - erases;
      if (erased > this.erasesMax)
        throw new Error(`one insert erased ${erased} sectors; the limit is ${this.erasesMax}`);
      if (outcome === "flash") throw new Error("insert answered flash");
      const wanted = expected.has(step.id) ? "known" : colder ? "full" : "stored";
      if (!store.evicted && outcome !== wanted) throw new Error(`insert answered ${outcome}, not ${wanted}`);
      if (outcome !== "stored") return;
      if (store.evicted !== full) throw new Error("a full store must evict a Drop, and no other store may");
      if (store.evicted) {
        if (store.lastEvictedSlot !== victim) throw new Error("the evicted Drop is not the victim");
        const evicted = this.#idOf(store.lastEvictedLow, store.lastEvictedHigh);
        expected.delete(evicted);
        this.causes.set(evicted, newcomer ? FLOOD : COLDEST);
      }
      expected.set(step.id, { verified: false });
      return;
    }
    if (step.kind === "checkpoint") {
      store.checkpoint(this.time);
      for (const drop of expected.values()) drop.written = drop.verified;
    }
    if (step.kind === "clean" && !store.clean(this.time)) store.eraseAhead();
    if (step.kind === "mount") {
      this.mount();
      this.forgetUnwritten();
    }
    if (!("choice" in step)) return;
    const slot = this.#chosen(step.choice);
    if (slot < 0) return;
    const id = this.#idOf(store.idLow(slot), store.idHigh(slot));
    this.pendingId = id;
    if (step.kind === "heat") store.setHeat(slot, this.newcomers.has(id) ? step.heat + 1 : step.heat);
    if (step.kind === "verify") {
      expected.get(id)!.verified = true;
      store.markVerified(slot);
    }
    if (step.kind === "remove") {
      store.remove(slot);
      expected.delete(id);
      this.causes.set(id, REMOVED);
    }
  }

  /** After a restart, what no record said is found out anew. */
  forgetUnwritten(): void {
    for (const [id, drop] of this.expected) {
      const slot = this.store.find(lowOf(id), highOf(id));
      if (drop.written !== true) drop.verified = slot >= 0 && this.store.verified(slot);
    }
  }

  #chosen(choice: number): number {
    const ids = [...this.expected.keys()];
    const id = ids[choice % ids.length];
    return id === undefined ? -1 : this.store.find(lowOf(id), highOf(id));
  }

  #idOf(low: number, high: number): number {
    const id = idOfLow(low);
    if (this.sizes.has(id) && highOf(id) === high) return id;
    throw new Error("the store holds a Drop that was never inserted");
  }

  /** Throws unless the store holds exactly what it must. If a step was cut, it may be done or not done. */
  check(): void {
    const { store, expected, pending, pendingId } = this;
    const found = new Set<number>();
    for (let slot = 0; slot < store.capacity; slot++) {
      if (!store.occupied(slot)) continue;
      const id = this.#idOf(store.idLow(slot), store.idHigh(slot));
      if (found.has(id)) throw new Error(`Drop ${id} has two slots`);
      if (store.find(store.idLow(slot), store.idHigh(slot)) !== slot) throw new Error(`find does not find Drop ${id}`);
      found.add(id);
      const wanted = dropBytes(id, this.sizes.get(id)!);
      if (store.lengthBytes(slot) !== wanted.length) throw new Error(`Drop ${id} has another length`);
      const bytes = new Uint8Array(wanted.length);
      store.read(slot, 0, bytes, 0, bytes.length);
      if (Buffer.compare(bytes, wanted) !== 0) throw new Error(`Drop ${id} has other bytes`);
      const from = bytes.length >> 1;
      store.read(slot, from, bytes, from, bytes.length - from);
      if (Buffer.compare(bytes, wanted) !== 0) throw new Error(`Drop ${id} has other bytes from its middle on`);
      if (store.verified(slot) && expected.get(id)?.verified !== true) throw new Error(`Drop ${id} was never verified`);
      if (
        !store.verified(slot) &&
        expected.get(id)?.written === true &&
        pending === undefined &&
        !this.verifiedMayBeLost
      ) {
        throw new Error(`Drop ${id} has lost its verified mark`);
      }
    }
    for (const { low, high, cause } of store.journal()) {
      const id = this.#idOf(low, high);
      if (this.reborn.has(id)) continue;
      if (found.has(id)) throw new Error(`Drop ${id} is in the store and in the journal`);
      const wanted = this.causes.get(id) ?? cause;
      if (cause !== wanted) throw new Error(`Drop ${id} died of ${CAUSE_NAMES[wanted]}, not of ${CAUSE_NAMES[cause]}`);
    }
    if (found.size !== store.count) throw new Error(`the store counts ${store.count} Drops, but holds ${found.size}`);
    const missing = [...expected.keys()].filter((id) => !found.has(id));
    const extra = [...found].filter((id) => !expected.has(id));
    if (pending?.kind === "insert") {
      const arrived = extra.length === 1 && extra[0] === pendingId;
      const room = arrived && expected.size >= store.room ? 1 : 0;
      // After a cut between the newcomer's record and its victim's mark, a settled Drop may have died instead.
      const settled = [...expected.keys()].some((id) => !this.newcomers.has(id));
      const fair = missing.every((id) => id === this.pendingVictim || !this.newcomers.has(id) || !settled);
      if ((extra.length === 0 || arrived) && missing.length === room && fair) return;
    } else if (pending?.kind === "remove") {
      if (extra.length === 0 && missing.every((id) => id === pendingId)) return;
    } else if (missing.length === 0 && extra.length === 0) {
      return;
    }
    throw new Error(`missing [${missing}], not expected [${extra}]`);
  }

  /** Makes the model equal to what the store holds. After a check, this ends the doubt about a step that was cut. */
  acceptFound(): void {
    const { store, expected, sizes } = this;
    expected.clear();
    for (const id of sizes.keys()) {
      const slot = store.find(lowOf(id), highOf(id));
      if (slot >= 0) expected.set(id, { verified: store.verified(slot) });
    }
    this.pending = undefined;
  }
}

/**
 * Flash behind a kernel's page cache. The kernel writes in any order. So when the machine loses power, each write since
 * the last sync may or may not have happened.
 */
export class UnsyncedFlash extends NorFlash {
  #synced = this.snapshot();
  #since: (() => void)[] = [];
  readonly #random: SeededRandom;

  constructor(options: NorFlashOptions, random: SeededRandom) {
    super(options);
    this.#random = random;
  }

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const copy = bytes.slice(offset, offset + lengthBytes);
    this.#since.push(() => this.overwrite(address, copy));
    return super.program(address, bytes, offset, lengthBytes);
  }

  override eraseSector(sector: number): boolean {
    const ones = new Uint8Array(this.sectorSizeBytes).fill(0xff);
    this.#since.push(() => this.overwrite(sector * this.sectorSizeBytes, ones));
    return super.eraseSector(sector);
  }

  override sync(): void {
    super.sync();
    if (this.#since.length > 0) this.#synced = this.snapshot();
    this.#since = [];
  }

  override restore(image: FlashImage): void {
    super.restore(image);
    this.#synced = image;
    this.#since = [];
  }

  /** The machine loses power: each write since the last sync happens with a chance of one half. */
  lose(): void {
    const since = this.#since;
    this.restore(this.#synced);
    for (const write of since) if (this.#random.below(2) === 0) write();
    this.#synced = this.snapshot();
  }
}

export interface CutPlan {
  /** An even seed makes heavy histories. */
  seed: number;
  programSizeBytes: number;
  /** The number of sectors. The default is SMALL_SECTORS. */
  sectors?: number;
  /** How many of the sectors can be neither programmed nor erased from the start. */
  worn?: number;
  /** Uses UnsyncedFlash: writes since the last sync may be lost or reordered when the power fails. */
  reordered?: boolean;
  /** Canaries put a broken layer between store and flash. */
  around?: (flash: NorFlash) => Flash;
  /** Canaries insert newcomers in a wrong way. */
  displace?: Displace;
  /** The number of steps in which the power is cut. They follow a start of random length. */
  steps: number;
  startStepsMax: number;
}

/**
 * Runs one history once for each of its flash operations, and cuts the power at that operation. Each time it mounts the
 * store, with up to two more cuts during the mount, and checks the store. Returns the number of cuts. Throws an error
 * with the seed and the cut if the store fails a check.
 */
export function cutEverywhere(plan: CutPlan): number {
  const { seed, programSizeBytes, steps: count } = plan;
  const around = plan.around ?? ((flash: NorFlash): Flash => flash);
  const random = new SeededRandom(seed, "history");
  const heavy = seed % 2 === 0;
  const cutRandom = new SeededRandom(seed, "cuts");
  const sectors = plan.sectors ?? SMALL_SECTORS;
  const options = { sizeBytes: sectors * 4096, programSizeBytes, chance: cutRandom };
  const flash = plan.reordered === true ? new UnsyncedFlash(options, cutRandom) : new NorFlash(options);
  for (let worn = 0; worn < (plan.worn ?? 0); worn++) flash.wear(random.below(sectors));
  const start = new Witness(flash, SMALL_CAPACITY);
  start.verifiedMayBeLost = plan.worn !== undefined;
  start.erasesMax += plan.worn ?? 0;
  if (plan.displace !== undefined) start.displace = plan.displace;
  start.mount();
  start.run(randomSteps(random, random.below(plan.startStepsMax), 1, heavy));
  const image = flash.snapshot();
  const steps = randomSteps(random, count, 100_000, heavy);
  const history = { flash, around, image, start, steps, random: cutRandom };
  let cuts = 0;
  for (let cut = 1; ; cut++) {
    const where = `seed ${seed} unit ${programSizeBytes} cut ${cut}`;
    try {
      if (!cutOnce(history, cut)) return cuts;
      cuts++;
    } catch (error) {
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

/** One history that is replayed with a cut at each of its operations. */
interface CutHistory {
  flash: NorFlash;
  around: (flash: NorFlash) => Flash;
  /** The flash and the model at the start of `steps`. */
  image: FlashImage;
  start: Witness;
  steps: Step[];
  /** Chooses where the power fails during the mount after the cut. */
  random: SeededRandom;
}

/** Replays the history with the power cut at operation `cut`. False: the history ended before the cut. */
function cutOnce({ flash, around, image, start, steps, random }: CutHistory, cut: number): boolean {
  flash.cutAt(undefined);
  flash.restore(image);
  const witness = new Witness(around(flash), SMALL_CAPACITY);
  witness.mount();
  for (const [id, expected] of start.expected) witness.expected.set(id, { ...expected });
  witness.forgetUnwritten();
  for (const [id, size] of start.sizes) witness.sizes.set(id, size);
  for (const id of start.newcomers) witness.newcomers.add(id);
  witness.displace = start.displace;
  witness.time = start.time;
  witness.verifiedMayBeLost = start.verifiedMayBeLost;
  witness.erasesMax = start.erasesMax;
  flash.cutAt(cut);
  const cutHere = powerFails(() => witness.run(steps));
  flash.cutAt(undefined);
  if (flash instanceof UnsyncedFlash) {
    flash.lose();
    witness.verifiedMayBeLost = true;
  }
  const { pending } = witness;
  // The power also fails during the mount, up to twice, if the mount has that many operations.
  for (const again of [1 + random.below(2), 1]) {
    flash.cutAt(again);
    const failed = powerFails(() => witness.mount());
    flash.cutAt(undefined);
    if (failed && flash instanceof UnsyncedFlash) flash.lose();
    if (!failed) break;
  }
  witness.mount();
  witness.check();
  witness.acceptFound();
  // The store must go on: it takes a Drop, runs the rest of the history, and passes a check after another mount.
  witness.run([{ kind: "insert", id: 999_999, sizeBytes: 2048, heat: HOTTEST }]);
  if (witness.store.find(lowOf(999_999), highOf(999_999)) < 0)
    throw new Error("the first insert after the cut did not store its Drop");
  witness.run(steps.slice(steps.indexOf(pending!) + 1).filter((step) => step.kind !== "insert" || step.id % 3 !== 0));
  witness.mount();
  witness.check();
  return cutHere;
}

/** Runs the action. Returns whether the power failed during it. */
export function powerFails(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
    return true;
  }
}
