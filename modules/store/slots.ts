/**
 * The index in RAM: one slot for each Drop in the store, found by ShortId; the first of them to die, and the hottest.
 *
 * A slot's number stays the same while its Drop lives. 24 bytes a slot, hash chains included, all taken in the
 * constructor. Chains are by the id's low bits as they are: ids are hashes, and a sender who forges them to lengthen a
 * chain gets a search of at most `capacity` steps, as long as any search for the coldest.
 */
import { firstToDie } from "../temperature/rank.ts";

const NONE = 0xffff;
/** Drops a chain at full load: one more comparison in a search, against 2 bytes a chain. */
const DROPS_PER_CHAIN = 3;

/** Records that wear kept from being marked DEAD take a slot each until mount meets what came after them. */
const SPARE_SLOTS = 8;

const OCCUPIED = 1;
const VERIFIED = 2;
/** Its heat key changed since it was last written to flash. */
const CHANGED = 4;
const ABOVE_ALL_KEYS = 2 ** 32;
/** The bits above count the readers of the Drop, that must not lose it: 31 at most. */
const PIN = 8;
/** Flags have eight bits. */
const FLAGS_END = 256;

export class Slots {
  readonly capacity: number;
  /** All slots there are: those beyond the capacity are only used, and emptied again, while mounting. */
  readonly length: number;
  count = 0;
  /** Of these, Drops whose hash is still to be checked. */
  unverified = 0;
  /** Slots whose heat key changed since it was last written. */
  changed = 0;
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  readonly heat: Int32Array;
  readonly lengthBytes: Uint16Array;
  /** Where the body is: sector (NOWHERE when there is none) and byte in it. */
  readonly bodySector: Uint16Array;
  readonly bodyOffset: Uint16Array;
  /** Where the record is: the log sector's sequence modulo the log's length, and its number in there. */
  readonly recordRow: Uint8Array;
  readonly recordNumber: Uint8Array;
  readonly #flags: Uint8Array;
  /** Of an occupied slot the next in its chain, of a free one the next free one. */
  readonly #next: Uint16Array;
  readonly #chains: Uint16Array;
  readonly #mask: number;
  #firstFree = 0;

  constructor(capacity: number) {
    let chains = 1;
    while (chains * DROPS_PER_CHAIN < capacity) chains *= 2;
    const length = capacity + SPARE_SLOTS;
    this.capacity = capacity;
    this.length = length;
    this.low = new Uint32Array(length);
    this.high = new Uint32Array(length);
    this.heat = new Int32Array(length);
    this.lengthBytes = new Uint16Array(length);
    this.bodySector = new Uint16Array(length);
    this.bodyOffset = new Uint16Array(length);
    this.recordRow = new Uint8Array(length);
    this.recordNumber = new Uint8Array(length);
    this.#flags = new Uint8Array(length);
    this.#next = new Uint16Array(length);
    this.#chains = new Uint16Array(chains);
    this.#mask = chains - 1;
    this.clear();
  }

  clear(): void {
    const next = this.#next;
    this.count = 0;
    this.unverified = 0;
    this.changed = 0;
    this.#flags.fill(0);
    this.#chains.fill(NONE);
    for (let slot = 0; slot < this.length; slot++) next[slot] = slot + 1;
    next[this.length - 1] = NONE;
    this.#firstFree = 0;
  }

  /** The slot of the Drop, -1 when it is not here. */
  find(low: number, high: number): number {
    const lows = this.low;
    const highs = this.high;
    const next = this.#next;
    let slot = this.#chains[low & this.#mask]!;
    while (slot !== NONE) {
      if (lows[slot] === low && highs[slot] === high) return slot;
      slot = next[slot]!;
    }
    return -1;
  }

  /** The slot of the Drop that dies first (modules/temperature/rank.ts); -1 when there is none. In an index of any state. */
  firstToDie(): number {
    return firstToDie(this.heat, this.#flags, FLAGS_END);
  }

  /** The same among the Drops that nobody reads. */
  firstUnreadToDie(): number {
    return firstToDie(this.heat, this.#flags, PIN);
  }

  /**
   * Fill `into` with the best of the verified Drops whose bits are set in `among`, the best last: those marked in `first` (1 a
   * slot) before the others, then the hottest. Returns how many.
   */
  hottestFew(into: Uint16Array, among: Uint8Array, first: Uint8Array): number {
    const { heat, capacity } = this;
    const flags = this.#flags;
    const last = into.length - 1;
    let count = 0;
    let least = -Infinity;
    let slot = 0;
    while (slot < capacity) {
      if (among[slot >>> 3]! & (1 << (slot & 7)) && flags[slot]! & VERIFIED) {
        const rank = heat[slot]! + first[slot]! * ABOVE_ALL_KEYS;
        if (count <= last || rank > least) {
          // Places below are cooler. A full list loses its first.
          let place = count <= last ? count++ : 0;
          const down = place > 0;
          while (down && place > 0 && this.#rank(into[place - 1]!, first) >= rank) {
            into[place] = into[place - 1]!;
            place--;
          }
          while (!down && place < count - 1 && this.#rank(into[place + 1]!, first) < rank) {
            into[place] = into[place + 1]!;
            place++;
          }
          into[place] = slot;
          least = this.#rank(into[0]!, first);
        }
      }
      slot++;
    }
    return count;
  }

  #rank(slot: number, first: Uint8Array): number {
    return this.heat[slot]! + first[slot]! * ABOVE_ALL_KEYS;
  }

  pin(slot: number): void {
    this.#flags[slot] = this.#flags[slot]! + PIN;
  }

  pins(slot: number): number {
    return Math.floor(this.#flags[slot]! / PIN);
  }

  unpin(slot: number): void {
    if (this.#flags[slot]! >= PIN) this.#flags[slot] = this.#flags[slot]! - PIN;
  }

  /** Take the spare slots out of the free ones; with no more Drops than the capacity, none is in use by then. */
  closeSpares(): void {
    this.#firstFree = NONE;
    for (let slot = this.capacity - 1; slot >= 0; slot--) {
      if (this.occupied(slot)) continue;
      this.#next[slot] = this.#firstFree;
      this.#firstFree = slot;
    }
  }

  /** A new slot for the Drop, unverified; the caller enters where body and record are. There must be room. */
  add(low: number, high: number, lengthBytes: number, heatKey: number): number {
    const slot = this.#firstFree;
    if (slot === NONE) throw new Error("store: no free slot");
    const chain = low & this.#mask;
    this.#firstFree = this.#next[slot]!;
    this.#next[slot] = this.#chains[chain]!;
    this.#chains[chain] = slot;
    this.low[slot] = low;
    this.high[slot] = high;
    this.lengthBytes[slot] = lengthBytes;
    this.heat[slot] = heatKey;
    this.#flags[slot] = OCCUPIED;
    this.count++;
    this.unverified++;
    return slot;
  }

  remove(slot: number): void {
    const next = this.#next;
    const chain = this.low[slot]! & this.#mask;
    this.written(slot);
    if (this.#chains[chain] === slot) {
      this.#chains[chain] = next[slot]!;
    } else {
      let before = this.#chains[chain]!;
      while (next[before] !== slot) before = next[before]!;
      next[before] = next[slot]!;
    }
    next[slot] = this.#firstFree;
    this.#firstFree = slot;
    if (!this.verified(slot)) this.unverified--;
    this.#flags[slot] = 0;
    this.count--;
  }

  occupied(slot: number): boolean {
    return (this.#flags[slot]! & OCCUPIED) !== 0;
  }

  verified(slot: number): boolean {
    return (this.#flags[slot]! & VERIFIED) !== 0;
  }

  setVerified(slot: number, verified: boolean): void {
    if (this.verified(slot) === verified) return;
    this.#flags[slot] = this.#flags[slot]! ^ VERIFIED;
    this.unverified += verified ? -1 : 1;
  }

  heatChanged(slot: number): boolean {
    return (this.#flags[slot]! & CHANGED) !== 0;
  }

  setHeat(slot: number, key: number): void {
    if (this.heat[slot] === key) return;
    this.heat[slot] = key;
    if (this.heatChanged(slot)) return;
    this.#flags[slot] = this.#flags[slot]! | CHANGED;
    this.changed++;
  }

  /** The slot's heat key is on flash as it is here. */
  written(slot: number): void {
    if (!this.heatChanged(slot)) return;
    this.#flags[slot] = this.#flags[slot]! & ~CHANGED;
    this.changed--;
  }
}
