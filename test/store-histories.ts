/** Random histories of a store, a model of what must be in it, and power cuts anywhere in them. */
import type { Flash } from "../modules/store/flash.ts";
import { CAUSE_NAMES, COLDEST, FLOOD, REMOVED } from "../modules/store/marks.ts";
import { Store, type StoreOutcome } from "../modules/store/store.ts";
import { type FlashImage, NorFlash, type NorFlashOptions, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { insertion } from "./insertion.ts";

const HOTTEST = 2 ** 30;

/** Few sectors, so that short histories clean, roll the log over and evict. */
export const SMALL_SECTORS = 18;
/** As many as fit there: cleaning moves bodies all the time. */
export const SMALL_CAPACITY = 19;

/** An open, a cleaning that opens one, a levelling that opens one, and a log sector. */
export const ERASES_PER_INSERT_MAX = 4;

export type Step =
  | Insert
  | { kind: "remove" | "verify"; choice: number }
  | { kind: "heat"; choice: number; heat: number }
  | { kind: "checkpoint" | "clean" | "mount" };

/** `choice`: a newcomer, for which that Drop dies, whatever their heat. */
interface Insert {
  kind: "insert";
  id: number;
  sizeBytes: number;
  heat: number;
  choice?: number;
}

/** How a newcomer comes in, with the slot of who dies for it. */
export type Displace = (store: Store, step: Insert, victim: number, now: number) => StoreOutcome;

const displace: Displace = (store, { id, sizeBytes, heat }, victim, now) =>
  store.insert(
    insertion(lowOf(id), highOf(id), dropBytes(id, sizeBytes), { heatKey: heat, now, victim, cause: FLOOD }),
  );

interface Expected {
  verified: boolean;
}

/** The bytes of the Drop number `id`: its length too follows from it. */
export function dropBytes(id: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  new SeededRandom(id, "drop").fill(bytes);
  return bytes;
}

export const lowOf = (id: number): number => Math.imul(id, 0x9e3779b1) >>> 0;
export const highOf = (id: number): number => (Math.imul(id, 0x85ebca6b) ^ 0x5bd1e995) >>> 0;

/** `heavy`: all of the largest size, so that the store is as full as it gets. */
export function randomSteps(random: SeededRandom, count: number, firstId: number, heavy = false): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < count; i++) {
    const draw = random.below(100);
    const choice = random.below(1000);
    // Later Drops are hotter on the whole, so most get in; enough are not.
    const heat = 2 * (random.below(500) + (firstId + i) * 20);
    const insert = { kind: "insert", id: firstId + i, sizeBytes: heavy ? 2048 : sizeOf(random) } as const;
    if (draw < 46) steps.push({ ...insert, heat });
    // Colder than all others, and odd.
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
  /** What the store sees: the flash, or something broken around it. */
  seen: Flash;
}

/** A store and what must be in it. A method that a PowerCut leaves has its doubt in `pending`. */
export class Witness {
  store: Store;
  readonly expected = new Map<number, Expected>();
  readonly sizes = new Map<number, number>();
  /** Why each Drop died, where that is known. */
  readonly causes = new Map<number, number>();
  /** Who came in as a newcomer; the odd keys. */
  readonly newcomers = new Set<number>();
  /** Those that came more than once, and so may be in the store and in the journal. */
  readonly reborn = new Set<number>();
  pending: Step | undefined = undefined;
  pendingId = -1;
  pendingVictim = -1;
  displace = displace;
  /** markVerified does not sync. */
  verifiedMayBeLost = false;
  time = 0;
  /** In one insert. */
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
    if (outcome !== "mounted" && outcome !== "formatted") throw new Error(`mount gave ${outcome}`);
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
    this.time += 100;
    if (step.kind === "insert") {
      if (this.sizes.has(step.id)) this.reborn.add(step.id);
      this.sizes.set(step.id, step.sizeBytes);
      this.pendingId = step.id;
      const bytes = dropBytes(step.id, step.sizeBytes);
      const newcomer = step.choice !== undefined;
      if (newcomer) this.newcomers.add(step.id);
      const victim = newcomer ? this.#chosen(step.choice!) : this.#coldest();
      const full = store.count >= store.room;
      if (full) this.pendingVictim = this.#idOf(store.idLow(victim), store.idHigh(victim));
      const { erases } = store;
      const outcome = newcomer
        ? this.displace(store, step, victim, this.time)
        : store.insert(
            insertion(lowOf(step.id), highOf(step.id), bytes, {
              lengthBytes: step.sizeBytes,
              heatKey: step.heat,
              now: this.time,
            }),
          );
      const erased = store.erases - erases;
      if (erased > this.erasesMax) throw new Error(`${erased} sectors erased in one insert`);
      if (outcome === "flash") throw new Error("insert gave flash");
      const colder = full && !newcomer && step.heat <= store.heat(victim);
      const wanted = expected.has(step.id) ? "known" : colder ? "colder" : "stored";
      if (!store.evicted && outcome !== wanted) throw new Error(`insert gave ${outcome}, not ${wanted}`);
      if (outcome !== "stored") return;
      if (store.evicted !== full) throw new Error("evicted when not full, or not evicted");
      if (store.evicted) {
        if (store.lastEvictedSlot !== victim) throw new Error("evicted another than the coldest or the named");
        const evicted = this.#idOf(store.lastEvictedLow, store.lastEvictedHigh);
        expected.delete(evicted);
        this.causes.set(evicted, newcomer ? FLOOD : COLDEST);
      }
      expected.set(step.id, { verified: false });
      return;
    }
    if (step.kind === "checkpoint") store.checkpoint(this.time);
    if (step.kind === "clean") store.clean(this.time);
    if (step.kind === "mount") this.mount();
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

  #chosen(choice: number): number {
    const ids = [...this.expected.keys()];
    const id = ids[choice % ids.length];
    return id === undefined ? -1 : this.store.find(lowOf(id), highOf(id));
  }

  #coldest(): number {
    const { store } = this;
    let coldest = -1;
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot) && (coldest < 0 || store.heat(slot) < store.heat(coldest))) coldest = slot;
    }
    return coldest;
  }

  #idOf(low: number, high: number): number {
    for (const id of this.sizes.keys()) if (lowOf(id) === low && highOf(id) === high) return id;
    throw new Error("a Drop that was never inserted");
  }

  /** Throws unless the store holds exactly what it must; of a step that was cut, done and not done are both right. */
  check(): void {
    const { store, expected, pending, pendingId } = this;
    const found = new Set<number>();
    for (let slot = 0; slot < store.capacity; slot++) {
      if (!store.occupied(slot)) continue;
      const id = this.#idOf(store.idLow(slot), store.idHigh(slot));
      if (found.has(id)) throw new Error(`Drop ${id} is there twice`);
      if (store.find(store.idLow(slot), store.idHigh(slot)) !== slot) throw new Error(`Drop ${id} is not found`);
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
        expected.get(id)?.verified === true &&
        pending === undefined &&
        !this.verifiedMayBeLost
      ) {
        throw new Error(`Drop ${id} was verified`);
      }
    }
    for (const { low, high, cause } of store.journal()) {
      const id = this.#idOf(low, high);
      if (this.reborn.has(id)) continue;
      if (found.has(id)) throw new Error(`Drop ${id} is here and in the journal`);
      const wanted = this.causes.get(id) ?? cause;
      if (cause !== wanted) throw new Error(`Drop ${id} died of ${CAUSE_NAMES[wanted]}, not of ${CAUSE_NAMES[cause]}`);
    }
    if (found.size !== store.count) throw new Error("count is not what is there");
    const missing = [...expected.keys()].filter((id) => !found.has(id));
    const extra = [...found].filter((id) => !expected.has(id));
    if (pending?.kind === "insert") {
      const arrived = extra.length === 1 && extra[0] === pendingId;
      const room = arrived && expected.size >= store.room ? 1 : 0;
      // Cut between the newcomer's record and its victim's mark, somebody settled may have died instead.
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

  /** Take what is there for what must be: after a check, the doubt is over. */
  settle(): void {
    const { store, expected, sizes } = this;
    expected.clear();
    for (const id of sizes.keys()) {
      const slot = store.find(lowOf(id), highOf(id));
      if (slot >= 0) expected.set(id, { verified: store.verified(slot) });
    }
    this.pending = undefined;
  }
}

/** What is not synced may or may not have happened, in any order: a kernel's page cache when the machine loses power. */
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

  lose(): void {
    const since = this.#since;
    this.restore(this.#synced);
    for (const write of since) if (this.#random.below(2) === 0) write();
    this.#synced = this.snapshot();
  }
}

export interface CutPlan {
  /** An even one makes heavy histories. */
  seed: number;
  programSizeBytes: number;
  /** Sectors, if not SMALL_SECTORS, and how many of them can be neither programmed nor erased from the start. */
  sectors?: number;
  worn?: number;
  /** What was not synced when the power failed may or may not have happened, in any order. */
  reordered?: boolean;
  /** Something broken between store and flash, for the canaries. */
  around?: (flash: NorFlash) => Flash;
  displace?: Displace;
  /** Histories are this long after a start of random length. */
  steps: number;
  startStepsMax: number;
}

/**
 * Run one history, cut at each of its operations; mount, with two more cuts in that; check. Returns how many cuts were
 * tried, or throws with the seed and the cut.
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
  // Cut the mount as well, twice, if it writes that often.
  for (const again of [1 + random.below(2), 1]) {
    flash.cutAt(again);
    const failed = powerFails(() => witness.mount());
    flash.cutAt(undefined);
    if (failed && flash instanceof UnsyncedFlash) flash.lose();
    if (!failed) break;
  }
  witness.mount();
  witness.check();
  witness.settle();
  // And life goes on: with what is left of the history, and a last look after a last mount.
  witness.run([{ kind: "insert", id: 999_999, sizeBytes: 2048, heat: HOTTEST }]);
  if (witness.store.find(lowOf(999_999), highOf(999_999)) < 0) throw new Error("the next insert did not store");
  witness.run(steps.slice(steps.indexOf(pending!) + 1).filter((step) => step.kind !== "insert" || step.id % 3 !== 0));
  witness.mount();
  witness.check();
  return cutHere;
}

/** Runs it; whether power failed meanwhile. */
export function powerFails(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
    return true;
  }
}
