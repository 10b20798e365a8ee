/**
 * The sectors of the partition as the store sees them: what each is used for, how worn it is, how much in it lives.
 *
 * Invariant: an erase comes after a `sync`, so that whatever was copied out of a sector is durable before the sector is
 * gone. A sector that fails is retired: not erased or programmed again until the next mount. Counts all
 * that goes to the flash; allocates nothing after the constructor.
 */
import type { Flash } from "./flash.ts";
import type { Layout } from "./layout.ts";

export const FREE = 0;
export const OPEN = 1;
export const BODIES = 2;
export const LOG = 3;
/** Holds bodies, but failed to be programmed: it is emptied and then retired. */
export const WORN = 4;
export const RETIRED = 5;

/** Counts of erases are kept as 16 bits above a base this far below the first count that mount reads. */
const BASE_MARGIN = 20_000;
/** A sector this many erases behind the most erased one is worth emptying, whatever lives in it. */
export const WEAR_SPREAD_MAX = 8;

export class Sectors {
  readonly flash: Flash;
  readonly layout: Layout;
  readonly state: Uint8Array;
  /** Of bodies: bytes that belong to Drops in the store. Of the log: records that do. */
  readonly live: Uint16Array;
  /** Drops whose bodies lie in the sector. */
  readonly drops: Uint8Array;
  free: number;
  retired = 0;
  erases = 0;
  programs = 0;
  programmedBytes = 0;
  readonly #worn: Uint16Array;
  #base = 0;
  /** Sectors that are WORN: the main loop asks for them all the time, and hardly ever is there one. */
  #failed = 0;

  constructor(flash: Flash, layout: Layout) {
    this.flash = flash;
    this.layout = layout;
    this.state = new Uint8Array(layout.sectorCount);
    this.live = new Uint16Array(layout.sectorCount);
    this.drops = new Uint8Array(layout.sectorCount);
    this.#worn = new Uint16Array(layout.sectorCount);
    this.free = layout.sectorCount;
  }

  /** All free, nothing known. */
  clear(): void {
    this.state.fill(FREE);
    this.live.fill(0);
    this.drops.fill(0);
    this.#worn.fill(0);
    this.#base = 0;
    this.free = this.layout.sectorCount;
    this.retired = 0;
    this.#failed = 0;
  }

  set(sector: number, state: number): void {
    const before = this.state[sector]!;
    if (before === state) return;
    if (before === FREE) this.free--;
    if (state === FREE) this.free++;
    if (state === RETIRED) this.retired++;
    if (state === WORN) this.#failed++;
    if (before === WORN) this.#failed--;
    this.state[sector] = state;
  }

  eraseCount(sector: number): number {
    return this.#base + this.#worn[sector]!;
  }

  /** Enter a count read from flash; the first one sets what the others are counted from. */
  learnEraseCount(sector: number, count: number, first: boolean): void {
    if (first) this.#base = Math.max(0, count - BASE_MARGIN);
    this.#worn[sector] = Math.max(0, Math.min(0xffff, count - this.#base));
  }

  /** The least erased free sector, -1 when none is. */
  leastWornFree(): number {
    const { state } = this;
    const worn = this.#worn;
    let best = -1;
    for (let sector = 0; sector < state.length; sector++) {
      if (state[sector] === FREE && (best < 0 || worn[sector]! < worn[best]!)) best = sector;
    }
    return best;
  }

  /** Bytes of bodies that live in the sector; Infinity when it is being filled, or is no sector of bodies. */
  liveBytesBeside(sector: number): number {
    return this.state[sector] === BODIES ? this.live[sector]! : Infinity;
  }

  /** The sector of bodies, with at most `dropsMax` Drops in it, that costs least to empty; -1 when there is none. */
  cheapest(dropsMax: number): number {
    const { state, live, drops } = this;
    const worn = this.#worn;
    let best = -1;
    for (let sector = 0; sector < state.length; sector++) {
      if (state[sector] !== BODIES || drops[sector]! > dropsMax) continue;
      if (best < 0 || live[sector]! < live[best]! || (live[sector] === live[best] && worn[sector]! < worn[best]!)) {
        best = sector;
      }
    }
    return best;
  }

  /** A sector of bodies that was erased so much less than another that it should be emptied; -1 when none was. */
  laggard(): number {
    const { state } = this;
    const worn = this.#worn;
    let least = -1;
    let most = 0;
    for (let sector = 0; sector < state.length; sector++) {
      if (worn[sector]! > most) most = worn[sector]!;
      if (state[sector] === BODIES && (least < 0 || worn[sector]! < worn[least]!)) least = sector;
    }
    return least >= 0 && most - worn[least]! > WEAR_SPREAD_MAX ? least : -1;
  }

  /** A sector of bodies that failed and still holds some; -1 when there is none. */
  failing(): number {
    const { state, drops } = this;
    if (this.#failed === 0) return -1;
    for (let sector = 0; sector < state.length; sector++)
      if (state[sector] === WORN && drops[sector]! > 0) return sector;
    return -1;
  }

  /** A body of `bytes` in `sector` belongs to a Drop now. */
  hold(sector: number, bytes: number): void {
    this.live[sector] = this.live[sector]! + bytes;
    this.drops[sector] = this.drops[sector]! + 1;
  }

  /** It no longer does. */
  release(sector: number, bytes: number): void {
    this.live[sector] = this.live[sector]! - bytes;
    this.drops[sector] = this.drops[sector]! - 1;
    this.reclaim(sector);
  }

  /** A sector of bodies that holds none any more, and is not being filled, is free; one that failed is retired. */
  reclaim(sector: number): void {
    if (this.drops[sector] !== 0) return;
    if (this.state[sector] === BODIES) this.set(sector, FREE);
    else if (this.state[sector] === WORN) this.set(sector, RETIRED);
  }

  /** Erase a free sector. False: it failed and is retired. */
  erase(sector: number): boolean {
    this.flash.sync();
    this.erases++;
    const worn = this.#worn;
    if (worn[sector]! === 0xffff) this.#rebase();
    worn[sector] = worn[sector]! + 1;
    this.live[sector] = 0;
    this.drops[sector] = 0;
    if (this.flash.eraseSector(sector)) return true;
    this.set(sector, RETIRED);
    return false;
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.programs++;
    this.programmedBytes += lengthBytes;
    return this.flash.program(address, bytes, offset, lengthBytes);
  }

  #rebase(): void {
    const worn = this.#worn;
    let least = 0xffff;
    for (let sector = 0; sector < worn.length; sector++) least = Math.min(least, worn[sector]!);
    // A sector that never wears keeps the base down; it is taken to be as worn as the least that matters.
    const step = Math.max(least, BASE_MARGIN);
    for (let sector = 0; sector < worn.length; sector++) worn[sector] = Math.max(0, worn[sector]! - step);
    this.#base += step;
  }
}
