/**
 * What a node retains over a sleep besides flash, clock and heat epoch (docs/power.md, "What a deep sleep keeps").
 *
 * A deep sleep clears RAM. A node that forgets with whom it waits, which Drops died, who brought false Drops and what
 * its neighbours hold does the same work again at each wake-up, and a flood gains from each sleep. So the node gives
 * its host these bytes before the sleep, and the host gives them to the next node.
 *
 * | offset | size | field    | meaning                                                                       |
 * |--------|------|----------|-------------------------------------------------------------------------------|
 * | 0      | 4    | crc      | CRC-32 of all that follows, little-endian                                     |
 * | 4      | 2    | version  | RETAINED_VERSION; it changes with the length or the order of any part          |
 * | 6      | 2    | capacity | of the store: the length of a part follows from it                            |
 * | 8      | 8    | clock    | clock milliseconds when the node gave the bytes                               |
 * | 16     | 8    | position | where the store's log went on                                                 |
 * | 24     | 8    | count    | Drops in the store                                                            |
 * | 32     | n    | parts    | the numbers of each part of the node, in the order of `carry` in throwie.ts   |
 *
 * The parts lie as they lie in memory, in the byte order of the machine, since the bytes never leave it. Times are
 * clock milliseconds: the clock goes on while the node sleeps.
 *
 * Invariant: bytes that are damaged, of another version, from a later clock or of another state of the store are as if
 * there were none. So a host need not know what became of its memory or of its flash.
 */
import { crc32 } from "../store/crc32.ts";
import type { Store } from "../store/store.ts";

/** What a host provides: half of the RTC memory of an ESP32 or an ESP32-C3. */
export const RETAINED_BYTES = 4_384;
const RETAINED_VERSION = 1;
const DAY_MS = 86_400_000;
const VERSION_AT = 4;
const CAPACITY_AT = 6;
const CLOCK_AT = 8;
const POSITION_AT = 16;
const COUNT_AT = 24;
const PARTS_AT = 32;

type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** The bytes, and how far they were filled or taken. */
export class Retained {
  /** Whether the bytes are filled. Otherwise they are taken. */
  readonly saving: boolean;
  readonly #bytes: Uint8Array;
  readonly #number = new Float64Array(1);
  #at = PARTS_AT;

  /** Begins with the first part. Throws a RangeError for fewer bytes than RETAINED_BYTES. */
  constructor(bytes: Uint8Array, saving: boolean) {
    if (bytes.length < RETAINED_BYTES) throw new RangeError(`throwie: ${RETAINED_BYTES} bytes are retained`);
    this.#bytes = bytes;
    this.saving = saving;
  }

  /** The bytes of an earlier node with this store, to be taken. Undefined: this node begins anew. */
  static of(bytes: Uint8Array | undefined, store: Store, now: number): Retained | undefined {
    if (bytes === undefined || bytes.length < RETAINED_BYTES) return undefined;
    const view = viewOf(bytes);
    // A mount skips a place, and a record takes one more.
    const moved = store.position - view.getFloat64(POSITION_AT, true);
    const fits =
      view.getInt32(0, true) === crcOf(bytes) &&
      view.getUint16(VERSION_AT, true) === RETAINED_VERSION &&
      view.getUint16(CAPACITY_AT, true) === store.capacity &&
      view.getFloat64(CLOCK_AT, true) <= now &&
      (moved === 0 || moved === 1) &&
      view.getFloat64(COUNT_AT, true) === store.count;
    return fits ? new Retained(bytes, false) : undefined;
  }

  /** Whether a day of the clock ended since the bytes were filled. */
  ofEarlierDay(now: number): boolean {
    return Math.floor(viewOf(this.#bytes).getFloat64(CLOCK_AT, true) / DAY_MS) < Math.floor(now / DAY_MS);
  }

  /** Fill the bytes with the numbers, or the numbers with the bytes. */
  carry(numbers: Numbers): void {
    const own = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    const end = this.#at + own.length;
    if (this.saving) this.#bytes.set(own, this.#at);
    else own.set(this.#bytes.subarray(this.#at, end));
    this.#at = end;
  }

  /** The number that was carried: this number when it is saved. */
  number(value: number): number {
    this.#number[0] = value;
    this.carry(this.#number);
    return this.#number[0];
  }

  /** All parts are saved: the bytes may be taken. */
  seal(store: Store, now: number): void {
    const view = viewOf(this.#bytes);
    this.#bytes.fill(0, this.#at, RETAINED_BYTES);
    view.setUint16(VERSION_AT, RETAINED_VERSION, true);
    view.setUint16(CAPACITY_AT, store.capacity, true);
    view.setFloat64(CLOCK_AT, now, true);
    view.setFloat64(POSITION_AT, store.position, true);
    view.setFloat64(COUNT_AT, store.count, true);
    view.setInt32(0, crcOf(this.#bytes), true);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, RETAINED_BYTES);
}

function crcOf(bytes: Uint8Array): number {
  return crc32(bytes, VERSION_AT, RETAINED_BYTES - VERSION_AT);
}
