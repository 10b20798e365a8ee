/**
 * What a beacon says of its sender's set: a fingerprint, a size, and a sketch (docs/protocol.md, "Reconciliation").
 *
 * A node that hears a beacon must decide whether a contact is worth its air, and into how many parts reconciliation
 * should divide the sets. The fingerprint tells whether the two sets are equal, and the sketch lets the listener
 * estimate how many items differ. Both are keyed by eight random bytes that the beacon's sender drew at this wake-up,
 * so nobody can prepare a collision. The listener computes the same over its own set under the sender's nonce.
 *
 * | offset | size | field  | meaning                                                                |
 * |--------|------|--------|------------------------------------------------------------------------|
 * | 0      | 4    | xor    | XOR of the low words of all mixes                                      |
 * | 4      | 4    | sum    | sum of the high words of all mixes, modulo 2^32                        |
 * | 8      | 4    | count  | items                                                                  |
 * | 12     | 48   | cells  | 96 counters of 4 bits, modulo 16, even cells in the low half of a byte |
 *
 * Little-endian. A mix is HalfSipHash-1-3 of the ShortId under the nonce. Each item adds +1 or -1 (bit 31 of the high
 * word) to one cell (bits 16..31 of the low word, scaled to 96). Items that both sides hold cancel. So the squares of
 * the cells' differences add up to the number of differing items in expectation, with a relative spread of one seventh,
 * sqrt(2 / 96). A handful of differences is counted almost exactly. Beyond a thousand the counters wrap and the
 * estimate stays near 2,000, which means "list everything" anyway. Sixteen-fold sampling was rejected: it helps only
 * where cells saturate, and below a thousand differences signed cells do not saturate.
 *
 * Fingerprint and sketch form a group: `remove` undoes `add`, so a node may keep a fingerprint up to date while it is
 * awake. Two fingerprints are equal when the counts and 64 more bits are. A fingerprint does not say which items
 * differ. The reconciler finds that out.
 */
import { halfSipHash, MIX_ROUNDS, Mix } from "./half-siphash.ts";
import { readWord, writeWord } from "./message.ts";

/** The number of counters in the sketch. With 96 the estimate has a relative spread of one seventh. */
export const FINGERPRINT_CELLS = 96;
const CELLS_OFFSET = 12;
/** The size of a written fingerprint: 60 bytes. */
export const FINGERPRINT_SIZE_BYTES = CELLS_OFFSET + FINGERPRINT_CELLS / 2;

/**
 * The fingerprint of one set under one nonce (docs/protocol.md, "What a beacon says: the fingerprint"). Call `begin`,
 * then `add` for each id. Ids are pairs of 32-bit words, as in a ShortId. No method throws, and none allocates memory.
 */
export class Fingerprint {
  /** Items added and not removed. */
  count = 0;
  readonly #cells = new Uint8Array(FINGERPRINT_CELLS);
  readonly #mix = new Mix();
  #xor = 0;
  #sum = 0;

  /** Empty the fingerprint, and key it with the nonce of the beacon's sender: two little-endian words. */
  begin(nonceLow: number, nonceHigh: number): void {
    this.#mix.keyLow = nonceLow;
    this.#mix.keyHigh = nonceHigh;
    this.count = 0;
    this.#xor = 0;
    this.#sum = 0;
    this.#cells.fill(0);
  }

  /** Enter the id. An id that is entered twice counts twice. */
  add(low: number, high: number): void {
    this.#mixOf(low, high);
    this.count += 1;
    this.#sum = (this.#sum + this.#mix.high) | 0;
    this.#enter(1);
  }

  /** Undo an `add` of the same id. */
  remove(low: number, high: number): void {
    this.#mixOf(low, high);
    this.count -= 1;
    this.#sum = (this.#sum - this.#mix.high) | 0;
    this.#enter(-1);
  }

  /** Write the fingerprint: FINGERPRINT_SIZE_BYTES at `offset`. */
  write(out: Uint8Array, offset: number): void {
    writeWord(out, offset, this.#xor);
    writeWord(out, offset + 4, this.#sum);
    writeWord(out, offset + 8, this.count);
    for (let cell = 0; cell < FINGERPRINT_CELLS; cell += 2) {
      const value = (this.#cells[cell]! & 15) | ((this.#cells[cell + 1]! & 15) << 4);
      out[offset + CELLS_OFFSET + (cell >> 1)] = value;
    }
  }

  /** Whether a fingerprint taken under the same nonce, FINGERPRINT_SIZE_BYTES at `offset`, is that of the same set. */
  equals(theirs: Uint8Array, offset: number): boolean {
    return (
      readWord(theirs, offset) === this.#xor &&
      readWord(theirs, offset + 4) === this.#sum &&
      fingerprintCount(theirs, offset) === this.count
    );
  }

  /** Estimate how many items differ, both ways together: 0 exactly when `equals`, otherwise at least 1. */
  estimate(theirs: Uint8Array, offset: number): number {
    if (this.equals(theirs, offset)) return 0;
    let squares = 0;
    for (let cell = 0; cell < FINGERPRINT_CELLS; cell += 1) {
      const theirCell = theirs[offset + CELLS_OFFSET + (cell >> 1)]! >>> ((cell & 1) << 2);
      const difference = ((this.#cells[cell]! - theirCell) << 28) >> 28;
      squares += difference * difference;
    }
    const surplus = this.count - fingerprintCount(theirs, offset);
    return Math.max(squares, surplus, -surplus, 1);
  }

  #mixOf(low: number, high: number): void {
    const mix = this.#mix;
    halfSipHash(mix, low, high, MIX_ROUNDS);
    this.#xor ^= mix.low;
  }

  #enter(direction: number): void {
    const cell = ((this.#mix.low >>> 16) * FINGERPRINT_CELLS) >>> 16;
    this.#cells[cell] = this.#cells[cell]! + (this.#mix.high < 0 ? -direction : direction);
  }
}

/** The number of items that a written fingerprint states. */
export function fingerprintCount(bytes: Uint8Array, offset: number): number {
  return readWord(bytes, offset + 8) >>> 0;
}
