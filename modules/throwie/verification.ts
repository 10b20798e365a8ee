/**
 * Verification: hashing stored Drops in slices between frames.
 *
 * A peer announces a Drop by its ShortId, and only the Drop's hash can tell whether the peer told the truth. BLAKE3 in
 * JavaScript takes an ESP32 a quarter of a second for a full-size Drop, which would stop the radio.
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

/**
 * A BLAKE3 block: about 24,000 XS bytecodes, 8 ms of an ESP32. The last step of a Drop costs as much as three blocks,
 * in one call of noble's.
 */
const VERIFY_SLICE_BYTES = 64;
/** Ten frames at 1 Mbit/s. A pause between two Drops or two acknowledgements is shorter. */
const QUIET_MS = 30;
/** One slice in this time takes a sixth of the processor's time during a transfer, and two seconds for a Drop. */
const PATIENCE_MS = 50;
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

  constructor(store: Store, effort: Effort) {
    this.#store = store;
    this.#effort = effort;
  }

  /** When the next step is due, in clock milliseconds. Infinity when no Drop waits for its check. */
  get dueMs(): number {
    return this.#store.unverified === 0 ? Infinity : Math.min(this.#frameMs + QUIET_MS, this.#stepMs + PATIENCE_MS);
  }

  /** A frame of a contact came or went: the next step waits. */
  defer(now: number): void {
    this.#frameMs = now;
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
    this.#hasher.finish(this.#id);
    this.#effort.hashes++;
    this.#from = 0;
    return shortIdLow(this.#id) === this.#low && shortIdHigh(this.#id) === this.#high ? "verified" : "corrupt";
  }

  #waits(slot: number): boolean {
    return this.#store.occupied(slot) && !this.#store.verified(slot);
  }

  /** Whether the Drop whose hash was begun is still in its slot: the store may have evicted it since. */
  #underWay(): boolean {
    const store = this.#store;
    return (
      this.#from > 0 &&
      this.#waits(this.slot) &&
      store.idLow(this.slot) === this.#low &&
      store.idHigh(this.slot) === this.#high
    );
  }

  #take(): boolean {
    const { capacity } = this.#store;
    for (let i = 1; i <= capacity; i++) {
      const slot = (this.slot + i) % capacity;
      if (!this.#waits(slot)) continue;
      this.slot = slot;
      this.#low = this.#store.idLow(slot);
      this.#high = this.#store.idHigh(slot);
      this.#from = 0;
      this.#hasher.begin();
      return true;
    }
    return false;
  }
}
