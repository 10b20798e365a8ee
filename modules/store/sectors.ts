/**
 * The sectors of the partition: what each sector is used for, how worn it is, and how much in it lives (docs/store.md,
 * "Wear").
 *
 * Flash is erased by whole sectors, each sector bears only so many erases, and a sector may fail. So the store must
 * know which sectors are free, which sector costs least to empty, and which sectors must not be used any more.
 *
 * Invariant: each erase comes after a `sync`, so that everything that was copied out of a sector is durable before the
 * sector is erased. A sector that fails is retired: it is not erased or programmed again. Only a mount forgets this, if
 * no log sector was opened since, because each new log sector names the retired sectors.
 *
 * This class counts everything that goes to the flash, and allocates nothing after the constructor. It refuses to
 * decide when a sector is emptied (collector.ts).
 */
import type { Flash } from "./flash.ts";
import type { Layout } from "./layout.ts";

/** The states of a sector. Free: it may be erased and used. */
export const FREE = 0;
/** It holds bodies, and is being filled. */
export const FILLING = 1;
/** It holds bodies, and takes no more. */
export const BODIES = 2;
/** It is a sector of the log. */
export const LOG = 3;
/** A program of it failed, or an earlier life retired it. It is retired as soon as nothing in it counts. */
export const WORN = 4;
/** It failed, and is not used any more. */
export const RETIRED = 5;

/** Bytes go through RAM in pieces of this size, which is a multiple of every program unit and divides every sector. */
const PIECE_BYTES = 256;
/** Erase counts are kept in 8 bits, above a base. Mount puts the greatest count so far above the base. */
const BASE_MARGIN = 128;
/** The low bits of an erase count. */
export const LIFE_MASK = 31;
const LIFE_KNOWN = 128;
/** A life stands for a count from so far below the reference on. Cleaning keeps all counts closer together. */
const LIFE_BEHIND = 23;
/** So many free sectors are erased ahead: the first 40 Drops after a pause wait for no erase. */
const READY_SECTORS = 20;
/** In place of the living bytes of a free sector: the sector is erased. */
const ERASED = 1;
/** A sector that lags more than so many erases behind the most erased sector is emptied, whatever lives in it. */
const WEAR_SPREAD_MAX = 8;

export class Sectors {
  readonly flash: Flash;
  readonly layout: Layout;
  readonly state: Uint8Array;
  /** Bytes in the sector that belong to Drops in the store. Of a free sector: ERASED, or 0. */
  readonly live: Uint16Array;
  /** Drops whose bodies lie in the sector. */
  readonly drops: Uint8Array;
  free: number;
  retired = 0;
  erases = 0;
  programs = 0;
  programmedBytes = 0;
  /** A buffer for whoever copies bodies or looks through sectors. It keeps nothing between two calls. */
  readonly piece = new Uint8Array(PIECE_BYTES);
  readonly #worn: Uint8Array;
  #base = 0;
  /** The number of WORN sectors. Each step of cleaning asks for such a sector, and there is hardly ever one. */
  #failed = 0;

  constructor(flash: Flash, layout: Layout) {
    this.flash = flash;
    this.layout = layout;
    this.state = new Uint8Array(layout.sectorCount);
    this.live = new Uint16Array(layout.sectorCount);
    this.drops = new Uint8Array(layout.sectorCount);
    this.#worn = new Uint8Array(layout.sectorCount);
    this.free = layout.sectorCount;
  }

  /** All sectors are free, and nothing is known of them. */
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

  /** Mount only: a record says the life of the sector, the low bits of its erase count. Returns the life before. */
  learnLife(sector: number, life: number): number {
    const before = this.#worn[sector]!;
    this.#worn[sector] = life | LIFE_KNOWN;
    return before === 0 ? life : before & LIFE_MASK;
  }

  /**
   * Mount only, after all lives are known: `reference` is the greatest erase count that the log knows. Cleaning keeps
   * the counts of all sectors so close together that a life says the whole count. A sector of which no record says the
   * life counts as the least erased. It may be worn out: then it is found out before the last sound sector is taken.
   */
  learnEraseCounts(reference: number): void {
    const worn = this.#worn;
    this.#base = Math.max(0, reference - BASE_MARGIN);
    let least = 0xff;
    for (let sector = 0; sector < worn.length; sector++) {
      if (worn[sector] !== 0) least = Math.min(least, this.#countOf(worn[sector]!, reference));
    }
    for (let sector = 0; sector < worn.length; sector++) {
      worn[sector] = worn[sector] === 0 ? Math.max(0, least - 1) : this.#countOf(worn[sector]!, reference);
    }
  }

  /** The erase count above the base of a sector with this life. */
  #countOf(life: number, reference: number): number {
    const ahead = (life - reference + LIFE_BEHIND) & LIFE_MASK;
    return Math.max(0, reference - this.#base - LIFE_BEHIND + ahead);
  }

  /** The least erased free sector; -1 when no sector is free. */
  leastWornFree(): number {
    const { state } = this;
    const worn = this.#worn;
    let best = -1;
    for (let sector = 0; sector < state.length; sector++) {
      if (state[sector] === FREE && (best < 0 || worn[sector]! < worn[best]!)) best = sector;
    }
    return best;
  }

  /** Bytes of living bodies in the sector; Infinity when the sector is being filled or is not a sector of bodies. */
  liveBytesBeside(sector: number): number {
    return this.state[sector] === BODIES ? this.live[sector]! : Infinity;
  }

  /**
   * Of the sectors of bodies with at most `dropsMax` Drops, the sector with the fewest living bytes; among equals, the
   * less worn sector. -1 when there is none.
   */
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

  /** The least erased sector of bodies, if it lags so far behind that it must be emptied; otherwise -1. */
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

  /** A WORN sector in which bodies still live; -1 when there is none. */
  failing(): number {
    const { state, drops } = this;
    if (this.#failed === 0) return -1;
    for (let sector = 0; sector < state.length; sector++)
      if (state[sector] === WORN && drops[sector]! > 0) return sector;
    return -1;
  }

  /** A body of so many bytes in this sector belongs to a Drop now. */
  hold(sector: number, bytes: number): void {
    this.live[sector] = this.live[sector]! + bytes;
    this.drops[sector] = this.drops[sector]! + 1;
  }

  /** A body of so many bytes in this sector no longer belongs to a Drop. The sector stays what it is. */
  unhold(sector: number, bytes: number): void {
    this.live[sector] = this.live[sector]! - bytes;
    this.drops[sector] = this.drops[sector]! - 1;
  }

  /** A body of so many bytes in this sector no longer belongs to a Drop. */
  release(sector: number, bytes: number): void {
    this.unhold(sector, bytes);
    this.reclaim(sector);
  }

  /** If no body lives in this sector, free it; if it is WORN, retire it. A sector that is being filled stays open. */
  reclaim(sector: number): void {
    if (this.drops[sector] !== 0) return;
    if (this.state[sector] === BODIES) this.set(sector, FREE);
    else if (this.state[sector] === WORN) this.set(sector, RETIRED);
  }

  /** Count an erase of a free sector, and erase it unless it is erased. False: this failed, and it is retired. */
  erase(sector: number): boolean {
    this.flash.sync();
    this.erases++;
    const worn = this.#worn;
    if (worn[sector]! === 0xff) this.#rebase();
    worn[sector] = worn[sector]! + 1;
    const erased = this.live[sector] === ERASED || this.#erase(sector);
    this.live[sector] = 0;
    this.drops[sector] = 0;
    return erased;
  }

  /**
   * Erase the least erased free sector ahead, so that no insert waits for it. The erase counts when the sector is used;
   * after a restart the sector is erased once more. False: enough sectors are erased, or the erase failed.
   */
  eraseAhead(): boolean {
    const { state, live } = this;
    const worn = this.#worn;
    let best = -1;
    let ready = 0;
    for (let sector = 0; sector < state.length; sector++) {
      if (state[sector] !== FREE) continue;
      if (live[sector] === ERASED) ready++;
      else if (best < 0 || worn[sector]! < worn[best]!) best = sector;
    }
    if (best < 0 || ready >= READY_SECTORS) return false;
    this.flash.sync();
    return this.#erase(best);
  }

  /** Mount only, on a new partition: the free sectors from this one on are erased. */
  learnErased(from: number): void {
    for (let sector = from; sector < this.state.length; sector++)
      if (this.state[sector] === FREE) this.live[sector] = ERASED;
  }

  #erase(sector: number): boolean {
    if (this.flash.eraseSector(sector)) {
      this.live[sector] = ERASED;
      return true;
    }
    this.set(sector, RETIRED);
    return false;
  }

  /** Program the flash, and count it (flash.ts). False: the sector is worn. */
  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.programs++;
    this.programmedBytes += lengthBytes;
    return this.flash.program(address, bytes, offset, lengthBytes);
  }

  /** Raise the base, so that all erase counts fit into 8 bits again. */
  #rebase(): void {
    const worn = this.#worn;
    let least = 0xff;
    for (let sector = 0; sector < worn.length; sector++) least = Math.min(least, worn[sector]!);
    // A sector that is never erased would keep the base low. It counts as if it were as worn as the new base.
    const step = Math.max(least, BASE_MARGIN);
    for (let sector = 0; sector < worn.length; sector++) worn[sector] = Math.max(0, worn[sector]! - step);
    this.#base += step;
  }
}
