/**
 * Verification: hashing stored Drops in slices between frames.
 *
 * A peer announces a Drop by its ShortId, and only the Drop's hash can tell whether the peer told the truth. BLAKE3 in
 * JavaScript takes an ESP32 a third of a second for a full-size Drop, which would stop the radio.
 *
 * So a Drop is stored and acknowledged as it came, and hashed later, VERIFY_SLICE_BYTES in each step. A step is due
 * when no frame of a contact has come or gone for QUIET_MS. A step is also due PATIENCE_MS after the last step, because
 * a peer that never stops sending must not delay the check for ever.
 *
 * Invariant: a Drop is served to peers only after its hash was found right. If the hash differs from the announced
 * ShortId, the node removes the Drop, and another peer may bring it again. A restart loses only the hash that is under
 * way, since the flash says which Drops are not yet checked. This class refuses to remove Drops itself: the node does
 * that (throwie.ts).
 */
import { DROP_ID_BYTES, DropHasher, shortIdHigh, shortIdLow } from "../drop/drop.ts";
import type { Store } from "../store/store.ts";
import type { Effort } from "./effort.ts";

/** A BLAKE3 block: about 22,500 XS bytecodes, 11 ms of an ESP32. A Drop ends with one or two more of them. */
const VERIFY_SLICE_BYTES = 64;
/** Ten frames at 1 Mbit/s. A pause between two Drops or two acknowledgements is shorter. */
const QUIET_MS = 30;
/** One slice in this time takes a fifth of the processor's time during a transfer, and two seconds for a Drop. */
const PATIENCE_MS = 50;
/** Verified Drops that may wait for another check at once. A peer can name more, but not make the node check more. */
const SUSPECTS_MAX = 8;
const NONE = -1;

/** Whether the Drop has the ShortId under which it was announced. */
export type HashOutcome = "verified" | "corrupt";

export class Verification {
  /** The slot of the Drop that the last outcome was about. */
  slot = NONE;
  readonly #store: Store;
  readonly #effort: Effort;
  readonly #hasher = new DropHasher();
  readonly #slice = new Uint8Array(VERIFY_SLICE_BYTES);
  readonly #id = new Uint8Array(DROP_ID_BYTES);
  #low = 0;
  #high = 0;
  #from = 0;
  #frameMs = -QUIET_MS;
  #stepMs = -PATIENCE_MS;
  /** Slots of verified Drops that wait for another check. The first of them is hashed first. */
  readonly #suspects = new Uint16Array(SUSPECTS_MAX);
  /** How many verified Drops wait for another check because of what a peer said. */
  suspected = 0;
  /** The slot of the Drop that is looked at only because bits flip in time, or NONE. */
  #looked = NONE;
  /** Whether the Drop under way was verified before. */
  #again = false;

  constructor(store: Store, effort: Effort) {
    this.#store = store;
    this.#effort = effort;
  }

  /** When the next step is due, in clock milliseconds. Infinity when no Drop waits for its check. */
  get dueMs(): number {
    const idle = this.#store.unverified === 0 && this.suspected === 0 && this.#looked === NONE;
    return idle ? Infinity : Math.min(this.#frameMs + QUIET_MS, this.#stepMs + PATIENCE_MS);
  }

  /** A frame of a contact came or went: the next step waits. */
  defer(now: number): void {
    this.#frameMs = now;
  }

  /** Hash the verified Drop in this slot once more, before all others. False when too many wait already. */
  suspect(slot: number): boolean {
    if (this.#suspectAt(slot) >= 0) return true;
    if (this.suspected === SUSPECTS_MAX) return false;
    this.#suspects[this.suspected++] = slot;
    return true;
  }

  /** Hash the Drop in this slot once more, after all others. */
  look(slot: number): void {
    this.#looked = slot;
  }

  /** Hash one slice. Returns an outcome after the last slice of a Drop, whose slot is then `slot`. */
  step(now: number): HashOutcome | undefined {
    const store = this.#store;
    this.#stepMs = now;
    if (!this.#underWay() && !this.#take()) return undefined;
    const size = Math.min(store.lengthBytes(this.slot) - this.#from, VERIFY_SLICE_BYTES);
    if (size > 0) {
      store.read(this.slot, this.#from, this.#slice, 0, size);
      this.#hasher.update(this.#slice, size);
      this.#from += size;
      this.#effort.slices++;
      return undefined;
    }
    if (this.#hasher.close()) {
      this.#effort.slices++;
      return undefined;
    }
    this.#hasher.finish(this.#id);
    this.#effort.hashes++;
    this.#from = 0;
    if (this.#again) this.#looksDone();
    return shortIdLow(this.#id) === this.#low && shortIdHigh(this.#id) === this.#high ? "verified" : "corrupt";
  }

  #waits(slot: number): boolean {
    return this.#store.occupied(slot) && !this.#store.verified(slot);
  }

  #suspectAt(slot: number): number {
    for (let i = 0; i < this.suspected; i++) if (this.#suspects[i] === slot) return i;
    return NONE;
  }

  /** The Drop in `slot` waits for no further check. */
  #looksDone(): void {
    if (this.#looked === this.slot) this.#looked = NONE;
    const i = this.#suspectAt(this.slot);
    if (i < 0) return;
    this.#suspects.copyWithin(i, i + 1, this.suspected);
    this.suspected--;
  }

  /** Whether the Drop whose hash was begun is still in its slot: the store may have evicted it since. */
  #underWay(): boolean {
    const store = this.#store;
    return (
      this.#from > 0 && store.holds(this.slot, this.#low, this.#high) && (this.#again || !store.verified(this.slot))
    );
  }

  #take(): boolean {
    const store = this.#store;
    for (; this.suspected > 0; this.#looksDone()) {
      this.slot = this.#suspects[0]!;
      if (store.occupied(this.slot)) return this.#begin(true);
    }
    for (let i = 1; store.unverified > 0 && i <= store.capacity; i++) {
      const slot = (this.slot + i) % store.capacity;
      if (!this.#waits(slot)) continue;
      this.slot = slot;
      return this.#begin(false);
    }
    if (this.#looked === NONE) return false;
    this.slot = this.#looked;
    if (store.occupied(this.slot)) return this.#begin(true);
    this.#looked = NONE;
    return false;
  }

  #begin(again: boolean): boolean {
    this.#again = again;
    this.#low = this.#store.idLow(this.slot);
    this.#high = this.#store.idHigh(this.slot);
    this.#from = 0;
    this.#hasher.begin();
    return true;
  }
}
