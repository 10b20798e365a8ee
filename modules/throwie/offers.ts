/**
 * What one contact has to give: a set of store slots, handed out hottest first (design section 4), those that were
 * written at this node before all others: its carrier may be full of what somebody else made hot.
 *
 * Looking through all of a store takes a board tens of thousands of bytecodes, so one look finds the next SHORTLIST, and the
 * looks after it find nothing more to do until those are gone. A Drop is handed out only when it is verified at that moment; one
 * whose check is still under way waits for a later look.
 */
import type { Store } from "../store/store.ts";

/** A look for sixteen Drops is a few bytecodes a frame. */
const SHORTLIST = 16;
/** Above all heat keys. */
const OWN_RANK = 2 ** 32;
const NONE = -1;

export class Offers {
  /** Slots still on offer. */
  count = 0;
  readonly #store: Store;
  readonly #own: Uint8Array;
  readonly #bits: Uint8Array;
  /** Slots found at the last look, the coldest first. */
  readonly #shortlist = new Uint16Array(SHORTLIST);
  #listed = 0;

  /** `own`: 1 for each slot whose Drop was written here. */
  constructor(store: Store, own: Uint8Array) {
    this.#store = store;
    this.#own = own;
    this.#bits = new Uint8Array((store.capacity + 7) >>> 3);
  }

  clear(): void {
    this.#bits.fill(0);
    this.count = 0;
    this.#listed = 0;
  }

  add(slot: number): void {
    if (this.#has(slot)) return;
    this.#bits[slot >>> 3]! |= 1 << (slot & 7);
    this.count++;
  }

  /** The Drop in this slot is no longer to be given: it is under way, or gone. */
  remove(slot: number): void {
    if (!this.#has(slot)) return;
    this.#bits[slot >>> 3]! &= ~(1 << (slot & 7));
    this.count--;
  }

  /** Take the hottest off the list; -1 if all that are left still wait to be verified. */
  take(): number {
    for (;;) {
      if (this.#listed === 0) this.#look();
      if (this.#listed === 0) return NONE;
      const slot = this.#shortlist[--this.#listed]!;
      if (!this.#has(slot) || !this.#store.verified(slot)) continue;
      this.remove(slot);
      return slot;
    }
  }

  #has(slot: number): boolean {
    return (this.#bits[slot >>> 3]! & (1 << (slot & 7))) !== 0;
  }

  #look(): void {
    const store = this.#store;
    for (let byte = 0; byte < this.#bits.length; byte++) {
      for (let bits = this.#bits[byte]!; bits !== 0; bits &= bits - 1) {
        const slot = (byte << 3) + 31 - Math.clz32(bits & -bits);
        if (!store.occupied(slot)) this.remove(slot);
        else if (store.verified(slot)) this.#list(slot, this.#rank(slot));
      }
    }
  }

  /** Into its place among the hottest found so far, if it is one. */
  #list(slot: number, rank: number): void {
    const shortlist = this.#shortlist;
    let place = 0;
    if (this.#listed < SHORTLIST) {
      place = this.#listed++;
      for (; place > 0 && rank <= this.#rank(shortlist[place - 1]!); place--) shortlist[place] = shortlist[place - 1]!;
    } else {
      if (rank <= this.#rank(shortlist[0]!)) return;
      for (; place + 1 < SHORTLIST && rank > this.#rank(shortlist[place + 1]!); place++) {
        shortlist[place] = shortlist[place + 1]!;
      }
    }
    shortlist[place] = slot;
  }

  #rank(slot: number): number {
    return this.#store.heat(slot) + this.#own[slot]! * OWN_RANK;
  }
}
