/**
 * What one contact has to give: a set of store slots, handed out hottest first (design section 4).
 *
 * Looking through all of a store takes a board tens of thousands of bytecodes, so one look finds the next SHORTLIST, and the
 * looks after it find nothing more to do until those are gone. A Drop is handed out only when it is verified at that moment; one
 * whose check is still under way waits for a later look.
 */
import type { Store } from "../store/store.ts";

/** A look for sixteen Drops is a few bytecodes a frame. */
const SHORTLIST = 16;
const NONE = -1;

export class Offers {
  /** Slots still on offer. */
  count = 0;
  readonly #store: Store;
  readonly #bits: Uint8Array;
  /** Slots found at the last look, the coldest first. */
  readonly #shortlist = new Uint16Array(SHORTLIST);
  #listed = 0;

  constructor(store: Store) {
    this.#store = store;
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
        else if (store.verified(slot)) this.#list(slot, store.heat(slot));
      }
    }
  }

  /** Into its place among the hottest found so far, if it is one. */
  #list(slot: number, heat: number): void {
    const store = this.#store;
    const shortlist = this.#shortlist;
    let place = 0;
    if (this.#listed < SHORTLIST) {
      place = this.#listed++;
      for (; place > 0 && heat <= store.heat(shortlist[place - 1]!); place--) shortlist[place] = shortlist[place - 1]!;
    } else {
      if (heat <= store.heat(shortlist[0]!)) return;
      for (; place + 1 < SHORTLIST && heat > store.heat(shortlist[place + 1]!); place++) {
        shortlist[place] = shortlist[place + 1]!;
      }
    }
    shortlist[place] = slot;
  }
}
