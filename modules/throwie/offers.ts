/**
 * The offers of one contact: the store slots whose Drops the peer lacks, handed out hottest first.
 *
 * A contact may end at any moment, so the order decides which Drops arrive. The Drops that were written at this node go
 * before all others, because the node may be full of Drops that another person made hot. In both groups the hottest
 * Drop goes first.
 *
 * A search through the whole store takes a board some tens of thousands of bytecodes (bench xs, "Drop chosen"). So one
 * search finds the next SHORTLIST Drops. Every slot is on offer until it is handed out or removed.
 *
 * This class refuses to hand out a Drop that is not verified at that moment. A Drop whose check is not done waits for a
 * later search.
 */
import type { Store } from "../store/store.ts";

/** Drops that one search finds. 160 frames of full-size Drops share the cost of a search. */
const SHORTLIST = 16;
const NONE = -1;

export class Offers {
  /** The number of slots on offer. */
  count = 0;
  readonly #store: Store;
  readonly #own: Uint8Array;
  readonly #bits: Uint8Array;
  /** Slots that the last search found, the best last. */
  readonly #shortlist = new Uint16Array(SHORTLIST);
  #listed = 0;

  /** `own`: 1 for each slot whose Drop was written at this node. */
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

  /** The Drop in this slot is no longer on offer: it is under way, or gone from the store. */
  remove(slot: number): void {
    if (!this.#has(slot)) return;
    this.#bits[slot >>> 3]! &= ~(1 << (slot & 7));
    this.count--;
  }

  /** Take the best Drop off the list and return its slot. -1 when no Drop on offer is verified yet. */
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
