/**
 * The offers of one contact: the store slots whose Drops the peer lacks, handed out hottest first.
 *
 * A contact may end at any moment, so the order decides which Drops arrive. The Drops that were written at this node go
 * before all others, because the node may be full of Drops that another person made hot. In both groups the hottest
 * Drop goes first.
 *
 * A search through the whole store takes a board some tens of thousands of bytecodes (bench xs, "Drop chosen"). So one
 * search finds the next SHORTLIST Drops. A search that finds fewer Drops than that has found all. From then on, a Drop
 * comes on the list when its check is done, and there is no search. So a contact whose Drops all wait for their checks
 * costs nothing. Every slot is on offer until it is handed out or removed.
 *
 * This class refuses to hand out a Drop that is not verified at that moment.
 */
import type { Store } from "../store/store.ts";
import { HEAT_UNITS_PER_HALF_LIFE } from "../temperature/temperature.ts";

/** Drops that one search finds. 160 frames of full-size Drops share the cost of a search. */
const SHORTLIST = 16;
/**
 * Drops whose heat differs by less count as equally hot. Several nodes that hold the same Drops then begin with
 * different ones for the same peer. An eighth of a half-life.
 */
const HEAT_BAND = HEAT_UNITS_PER_HALF_LIFE >>> 3;
const NONE = -1;

export class Offers {
  /** The number of slots on offer. */
  count = 0;
  readonly #store: Store;
  readonly #bits: Uint8Array;
  /** Slots that are handed out next, the best last. */
  readonly #shortlist = new Uint16Array(SHORTLIST);
  #listed = 0;
  /** Drops of about the same heat are handed out in an order that differs from contact to contact. */
  #salt = 0;
  /** Whether each verified Drop on offer is on the list, so that a search would find nothing. */
  #listsAll = false;

  constructor(store: Store) {
    this.#store = store;
    this.#bits = new Uint8Array((store.capacity + 7) >>> 3);
  }

  /** `salt`: any number that differs from contact to contact. */
  begin(salt: number): void {
    this.clear();
    this.#salt = salt;
  }

  clear(): void {
    this.#bits.fill(0);
    this.count = 0;
    this.#listed = 0;
    this.#listsAll = false;
  }

  /** Offer the Drop in this slot, unless the Drop has died meanwhile. */
  add(slot: number): void {
    if (this.has(slot) || !this.#store.occupied(slot)) return;
    this.#bits[slot >>> 3]! |= 1 << (slot & 7);
    this.count++;
    this.#listsAll = false;
  }

  /** The hash of the Drop in this slot was found right. */
  verified(slot: number): void {
    if (!this.#listsAll || !this.has(slot)) return;
    if (this.#listed === SHORTLIST) {
      this.#listsAll = false;
      return;
    }
    let place = this.#listed++;
    for (; place > 0 && this.#precedes(this.#shortlist[place - 1]!, slot); place--) {
      this.#shortlist[place] = this.#shortlist[place - 1]!;
    }
    this.#shortlist[place] = slot;
  }

  /** The Drop in this slot is no longer on offer: it is under way, or gone from the store. */
  remove(slot: number): void {
    if (!this.has(slot)) return;
    this.#bits[slot >>> 3]! &= ~(1 << (slot & 7));
    this.count--;
  }

  /**
   * Take the best Drop off the list and return its slot, or with `mixed` one of those that are about as good.
   * -1 when no Drop on offer is verified yet.
   */
  take(mixed = false): number {
    for (;;) {
      if (this.#listed === 0) {
        if (this.#listsAll) return NONE;
        this.#listed = this.#store.hottestFew(this.#shortlist, this.#bits);
        this.#listsAll = this.#listed < SHORTLIST;
        continue;
      }
      const slot = mixed ? this.#draw() : this.#shortlist[--this.#listed]!;
      if (!this.has(slot) || !this.#store.verified(slot)) continue;
      this.remove(slot);
      return slot;
    }
  }

  /** Take the best Drop off the list, or one of those that are about as good. */
  #draw(): number {
    const store = this.#store;
    const list = this.#shortlist;
    const last = --this.#listed;
    const best = list[last]!;
    const own = store.isOwn(best);
    const leastHeat = store.heat(best) - HEAT_BAND;
    let first = last;
    while (first > 0 && store.isOwn(list[first - 1]!) === own && store.heat(list[first - 1]!) > leastHeat) first--;
    this.#salt = (Math.imul(this.#salt, 0x19660d) + 0x3c6ef35f) | 0;
    const place = first + ((this.#salt >>> 16) % (last - first + 1));
    const slot = list[place]!;
    for (let i = place; i < last; i++) list[i] = list[i + 1]!;
    return slot;
  }

  /** Whether the Drop in this slot is on offer. */
  has(slot: number): boolean {
    return (this.#bits[slot >>> 3]! & (1 << (slot & 7))) !== 0;
  }

  /** Whether the Drop in slot `a` is handed out before the Drop in slot `b`. */
  #precedes(a: number, b: number): boolean {
    const store = this.#store;
    return store.isOwn(a) === store.isOwn(b) ? store.heat(a) > store.heat(b) : store.isOwn(a);
  }
}
