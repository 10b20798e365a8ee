/**
 * What one contact has to give: a set of store slots, handed out hottest first (design section 4), those that were
 * written at this node before all others: its carrier may be full of what somebody else made hot.
 *
 * Looking through all of a store takes a board some tens of thousands of bytecodes (bench xs, "Drop chosen"), so one
 * look finds the next SHORTLIST. A Drop is handed out only when it is verified at that moment; one whose check is still
 * under way waits for a later look.
 */
import type { Store } from "../store/store.ts";

/** 160 frames of full Drops share a look. */
const SHORTLIST = 16;
const NONE = -1;

export class Offers {
  /** Slots still on offer. */
  count = 0;
  readonly #store: Store;
  readonly #own: Uint8Array;
  readonly #bits: Uint8Array;
  /** Slots found at the last look, the hottest last. */
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
    this.#listed = store.hottestFew(this.#shortlist, this.#bits, this.#own);
    if (this.#listed > 0 || this.count === 0) return;
    for (let slot = 0; slot < store.capacity; slot++) if (!store.occupied(slot)) this.remove(slot);
  }
}
