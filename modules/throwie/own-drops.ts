/**
 * Own Drops: the messages that a person wrote at this node (docs/temperature.md, "One's own words").
 *
 * A carried Drop has other copies. A message that was just written has none, and its author is often in a crowd or
 * beside a flood. So an own Drop is protected: it dies only when nothing else can, until it was handed on
 * HAND_ONS_MIN times. Flash keeps the mark and the count, so a restart changes nothing.
 *
 * Invariants:
 * - At most a PROTECTED_SHARE-th of the store is protected, and at least one Drop. When that share is full, the
 *   protected Drop that was handed on most gives way to a new one. Of equals, the coldest does. It stays in the store
 *   as an ordinary Drop.
 * - A Drop's count rises at most once in INTERVAL_MS. So one liar who passes, under however many addresses, ends no
 *   protection.
 *
 * A peer that keeps a Drop takes it no second time. So this class refuses to remember which peers took it.
 */
import { NOBODY } from "../store/insertion.ts";
import { HAND_ONS_MIN, type Store } from "../store/store.ts";

/** The part of a store that protected Drops may take: a half. The other half carries for others. */
export const PROTECTED_SHARE = 2;
/** Longer than a person who passes stays in range: at 80 m a pedestrian stays for two minutes. */
export const INTERVAL_MS = 600_000;

export class OwnDrops {
  readonly #store: Store;
  /** A bit for each slot whose count rose in this interval. */
  readonly #counted: Uint8Array;
  #intervalEndMs = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#counted = new Uint8Array((store.capacity + 7) >>> 3);
  }

  /** The protected Drop that must give way before one more may be protected; NOBODY when there is room for one more. */
  firstToGiveWay(): number {
    const store = this.#store;
    let count = 0;
    let first = NOBODY;
    for (let slot = 0; slot < store.capacity; slot++) {
      if (!store.isProtected(slot)) continue;
      count++;
      if (first === NOBODY || this.#givesWayBefore(slot, first)) first = slot;
    }
    return count < Math.max(1, Math.floor(store.room / PROTECTED_SHARE)) ? NOBODY : first;
  }

  #givesWayBefore(a: number, b: number): boolean {
    const store = this.#store;
    const more = store.handedOn(a) - store.handedOn(b);
    return more > 0 || (more === 0 && store.heat(a) < store.heat(b));
  }

  /** The Drop in this slot came to one more node. */
  handedOn(slot: number, nowMs: number): void {
    const store = this.#store;
    if (!store.isProtected(slot)) return;
    if (nowMs >= this.#intervalEndMs) {
      this.#counted.fill(0);
      this.#intervalEndMs = nowMs + INTERVAL_MS;
    }
    const bit = 1 << (slot & 7);
    if ((this.#counted[slot >>> 3]! & bit) !== 0) return;
    this.#counted[slot >>> 3]! |= bit;
    store.markOwn(slot, true, Math.min(store.handedOn(slot) + 1, HAND_ONS_MIN));
  }
}
