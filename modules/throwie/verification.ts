/**
 * Checking Drops in slices between frames (design section 4).
 *
 * BLAKE3 in JavaScript takes an ESP32 a quarter of a second for a full Drop, which would stop the radio. So a Drop is
 * stored and acknowledged as it came, and hashed later, VERIFY_SLICE_BYTES a step: when no frame of a contact has come
 * or gone for QUIET_MS, and now and then even so, since a peer that never stops must not keep all others from what came.
 * Only then is it served onward; if its hash is not what it was announced as, it is removed, and may come again from
 * somebody else.
 *
 * A restart loses nothing but the step under way: the flash says which Drops are still to be checked.
 */
import { DROP_ID_BYTES, DropHasher, shortIdHigh, shortIdLow } from "../drop/drop.ts";
import type { Store } from "../store/store.ts";

/** A BLAKE3 block: about 24,000 XS bytecodes, 8 ms of an ESP32. The last step of a Drop is three of them in one call of noble's. */
const VERIFY_SLICE_BYTES = 64;
/** Ten frames at 1 Mbit/s: a pause between two Drops or acknowledgements is shorter. */
const QUIET_MS = 30;
/** One slice each so often takes a sixth of a transfer's processor time, and two seconds a Drop. */
const PATIENCE_MS = 50;
const NONE = -1;

/** Is the Drop what it was announced as? */
export type HashOutcome = "verified" | "corrupt";

export class Verification {
  /** The Drop that the last outcome was about. */
  slot = NONE;
  readonly #store: Store;
  readonly #hasher = new DropHasher();
  readonly #slice = new Uint8Array(VERIFY_SLICE_BYTES);
  readonly #id = new Uint8Array(DROP_ID_BYTES);
  #low = 0;
  #high = 0;
  #from = 0;
  #frameMs = -QUIET_MS;
  #stepMs = -PATIENCE_MS;

  constructor(store: Store) {
    this.#store = store;
  }

  /** When the next step may be taken, in clock milliseconds. */
  get dueMs(): number {
    return this.#store.unverified === 0 ? Infinity : Math.min(this.#frameMs + QUIET_MS, this.#stepMs + PATIENCE_MS);
  }

  /** A frame of a contact came or went. */
  defer(now: number): void {
    this.#frameMs = now;
  }

  /** Hash one slice. An outcome when that was the last of a Drop, which is then in `slot`. */
  step(now: number): HashOutcome | undefined {
    const store = this.#store;
    this.#stepMs = now;
    if (!this.#underWay() && !this.#take()) return undefined;
    const size = Math.min(store.lengthBytes(this.slot) - this.#from, VERIFY_SLICE_BYTES);
    if (size > 0) {
      store.read(this.slot, this.#from, this.#slice, 0, size);
      this.#hasher.update(this.#slice, size);
      this.#from += size;
      return undefined;
    }
    this.#hasher.finish(this.#id);
    this.#from = 0;
    return shortIdLow(this.#id) === this.#low && shortIdHigh(this.#id) === this.#high ? "verified" : "corrupt";
  }

  #waits(slot: number): boolean {
    return this.#store.occupied(slot) && !this.#store.verified(slot);
  }

  /** The Drop begun is still the one in its slot: it may have been evicted since. */
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
