/**
 * What a beacon says of its sender's set: a fingerprint, a size, and a sketch (docs/protocol.md, "Reconciliation").
 *
 * A node that hears a beacon must decide whether a contact is worth its air, and into how many parts reconciliation
 * should divide the sets. The fingerprint tells whether the two sets are equal, and the sketch lets the listener
 * estimate how many items differ. Both are keyed by the beacon's nonce, eight random bytes. Its sender draws them when
 * it begins, and anew on each day that it sleeps. So nobody can prepare a collision before the nonce is heard, and a
 * collision with the set of a board that sleeps lasts no longer than a day and the life in which the day ends. The
 * listener computes the same over its own set under the sender's nonce.
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
 *
 * A node keeps a fingerprint for each of many neighbours. So one object holds several fingerprints in one memory, 68
 * bytes each with the nonce, and `select` says which of them the other methods mean.
 */
import { BATCH_HEADER_WORDS, FINGERPRINT_CELLS } from "./batch.ts";
import { readWord, writeWord } from "./message.ts";
import { enterAll } from "./mixing.ts";

const CELLS_OFFSET = 12;
const CELLS_BYTES = FINGERPRINT_CELLS / 2;
/** The size of a written fingerprint: 60 bytes. */
export const FINGERPRINT_SIZE_BYTES = CELLS_OFFSET + CELLS_BYTES;
/** Ids in one call of `enterAll`. */
const BATCH_IDS = 32;

/**
 * The fingerprint of one set under one nonce (docs/protocol.md, "What a beacon says: the fingerprint"), or several of
 * them. Call `begin`, then `add` for each id. Ids are pairs of 32-bit words, as in a ShortId. No method throws, and
 * none allocates memory.
 */
export class Fingerprint {
  readonly #nonceLow: Int32Array;
  readonly #nonceHigh: Int32Array;
  /** For each fingerprint: xor, sum, count. */
  readonly #sums: Int32Array;
  /** As they are written: two cells in a byte. */
  readonly #cells: Uint8Array;
  /** The ids that the next call of `enterAll` enters. */
  readonly #batch = new Int32Array(BATCH_HEADER_WORDS + 2 * BATCH_IDS);
  #batched = 0;
  #at = 0;

  /** Takes the memory for so many fingerprints. The first is selected. */
  constructor(size = 1) {
    this.#nonceLow = new Int32Array(size);
    this.#nonceHigh = new Int32Array(size);
    this.#sums = new Int32Array(3 * size);
    this.#cells = new Uint8Array(size * CELLS_BYTES);
  }

  /** From now on the other methods mean the fingerprint of this number. */
  select(at: number): void {
    if (this.#batched > 0) this.#flush();
    this.#at = at;
  }

  /** The number of the fingerprint under this nonce, or -1. A fingerprint that was never begun has the nonce 0. */
  find(nonceLow: number, nonceHigh: number): number {
    const low = nonceLow | 0;
    const high = nonceHigh | 0;
    // The engine's own search: on XS a loop over 64 numbers would cost more than all else that a beacon asks for.
    let at = this.#nonceLow.indexOf(low);
    while (at >= 0 && this.#nonceHigh[at] !== high) at = this.#nonceLow.indexOf(low, at + 1);
    return at;
  }

  /** Items added and not removed. */
  get count(): number {
    if (this.#batched > 0) this.#flush();
    return this.#sums[3 * this.#at + 2]!;
  }

  /** Empty the fingerprint, and key it with the nonce of the beacon's sender: two little-endian words. */
  begin(nonceLow: number, nonceHigh: number): void {
    const at = this.#at;
    this.#batched = 0;
    this.#nonceLow[at] = nonceLow;
    this.#nonceHigh[at] = nonceHigh;
    this.#sums.fill(0, 3 * at, 3 * at + 3);
    this.#cells.fill(0, at * CELLS_BYTES, (at + 1) * CELLS_BYTES);
  }

  /** Enter the id. An id that is entered twice counts twice. */
  add(low: number, high: number): void {
    this.#enter(low, high, 1);
  }

  /** Undo an `add` of the same id. */
  remove(low: number, high: number): void {
    this.#enter(low, high, -1);
  }

  /** Write the fingerprint: FINGERPRINT_SIZE_BYTES at `offset`. */
  write(out: Uint8Array, offset: number): void {
    if (this.#batched > 0) this.#flush();
    const sums = this.#sums;
    const at = this.#at;
    for (let i = 0; i < 3; i += 1) writeWord(out, offset + 4 * i, sums[3 * at + i]!);
    const cells = this.#cells;
    const from = at * CELLS_BYTES;
    const to = offset + CELLS_OFFSET;
    for (let i = 0; i < CELLS_BYTES; i += 1) out[to + i] = cells[from + i]!;
  }

  /** Whether a fingerprint taken under the same nonce, FINGERPRINT_SIZE_BYTES at `offset`, is that of the same set. */
  equals(theirs: Uint8Array, offset: number): boolean {
    if (this.#batched > 0) this.#flush();
    const sums = this.#sums;
    const at = 3 * this.#at;
    return (
      readWord(theirs, offset) === sums[at] &&
      readWord(theirs, offset + 4) === sums[at + 1] &&
      readWord(theirs, offset + 8) === sums[at + 2]
    );
  }

  /** Estimate how many items differ, both ways together: 0 exactly when `equals`, otherwise at least 1. */
  estimate(theirs: Uint8Array, offset: number): number {
    if (this.equals(theirs, offset)) return 0;
    const from = this.#at * CELLS_BYTES;
    let squares = 0;
    for (let i = 0; i < CELLS_BYTES; i += 1) {
      const own = this.#cells[from + i]!;
      const their = theirs[offset + CELLS_OFFSET + i]!;
      if (own === their) continue;
      const even = ((own - their) << 28) >> 28;
      const odd = (((own >>> 4) - (their >>> 4)) << 28) >> 28;
      squares += even * even + odd * odd;
    }
    const surplus = this.count - fingerprintCount(theirs, offset);
    return Math.max(squares, surplus, -surplus, 1);
  }

  /** Carry the fingerprint of this number over a sleep, either way. */
  carry(over: { carry(numbers: Int32Array | Uint8Array): void }, at: number): void {
    if (this.#batched > 0) this.#flush();
    over.carry(this.#nonceLow.subarray(at, at + 1));
    over.carry(this.#nonceHigh.subarray(at, at + 1));
    over.carry(this.#sums.subarray(3 * at, 3 * at + 3));
    over.carry(this.#cells.subarray(at * CELLS_BYTES, (at + 1) * CELLS_BYTES));
  }

  /** Ids are entered some at a time: a call of native code costs as much as a few bytecodes of XS. */
  #enter(low: number, high: number, direction: number): void {
    const batch = this.#batch;
    if (batch[2] !== direction && this.#batched > 0) this.#flush();
    batch[2] = direction;
    const to = BATCH_HEADER_WORDS + 2 * this.#batched;
    batch[to] = low;
    batch[to + 1] = high;
    this.#batched += 1;
    if (this.#batched === BATCH_IDS) this.#flush();
  }

  /** Enter the batch, which is not empty. Callers look first: on XS, a call costs more than a look. */
  #flush(): void {
    const batch = this.#batch;
    batch[0] = this.#nonceLow[this.#at]!;
    batch[1] = this.#nonceHigh[this.#at]!;
    enterAll(batch, this.#batched, this.#sums, this.#cells, this.#at);
    this.#batched = 0;
  }
}

/** The number of items that a written fingerprint states. */
export function fingerprintCount(bytes: Uint8Array, offset: number): number {
  return readWord(bytes, offset + 8) >>> 0;
}
