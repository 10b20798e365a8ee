/**
 * The sorted items of one side, with the sums that the fingerprints of their ranges need (Negentropy Protocol V1,
 * "Preparation" and "Fingerprint Algorithm").
 *
 *     items.insert(timestamp, id) ...; items.seal();     then `fingerprint`, `lowerBound` and the rest by index
 *
 * A fingerprint is the hash of a sum, and sums can be subtracted. For every BLOCK_ITEMS-th item this class keeps the
 * sum of all ids before it. So a range of any length costs the additions of at most two blocks. One sum for each item
 * was rejected: it takes 32 MB more for a million items, and saves a microsecond where SHA-256 takes one anyway.
 *
 * Memory: 40 bytes for each item, doubled each time the buffer grows, and half a byte for the sums. `seal` takes
 * another 48 bytes for each item while it runs.
 *
 * Refuses, by a RangeError that says what to correct: an id of another size, infinity as a timestamp, more than
 * ITEMS_MAX items, the same item twice, and an item after `seal`.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bound, boundAt, FINGERPRINT_BYTES, writeVarint } from "./message.ts";
import { compareRecords, ID_BYTES, INFINITY, orderOf, RECORD_BYTES, TIMESTAMP_BYTES, viewOf } from "./record.ts";

/** A list of that many ids is 128 MiB, and its hexadecimal still fits into one JavaScript string. */
export const ITEMS_MAX = 2 ** 22;

const BLOCK_ITEMS = 64;
const WORD_VALUES = 2 ** 32;
const ID_WORDS = ID_BYTES / 4;

export class ItemVector {
  count = 0;
  sealed = false;
  #records = new Uint8Array(64 * RECORD_BYTES);
  #view = viewOf(this.#records);
  /** For each block, the sum modulo 2^256 of all ids before the block, little-endian. */
  #sums = new Uint32Array(0);

  insert(timestamp: bigint, id: Uint8Array): void {
    if (this.sealed) throw new RangeError("The items are sealed: no more can be added.");
    if (this.count === ITEMS_MAX) throw new RangeError(`There are at most ${ITEMS_MAX} items.`);
    if (id.length !== ID_BYTES) throw new RangeError(`An id has ${ID_BYTES} bytes, not ${id.length}.`);
    if (timestamp < 0n || timestamp >= INFINITY) throw new RangeError("A timestamp is from 0 to 2^64 - 2.");
    const offset = this.count * RECORD_BYTES;
    if (offset === this.#records.length) this.#resize(2 * offset);
    this.#view.setBigUint64(offset, timestamp);
    this.#records.set(id, offset + TIMESTAMP_BYTES);
    this.count += 1;
  }

  /** Sort the items and compute the sums of the blocks. */
  seal(): void {
    if (this.sealed) throw new RangeError("The items are sealed already.");
    this.#arrange(orderOf(this.#view, this.count));
    for (let index = 1; index < this.count; index += 1) {
      const at = index * RECORD_BYTES;
      if (compareRecords(this.#view, at - RECORD_BYTES, this.#view, at) === 0) {
        throw new RangeError(`An item was added twice: ${Buffer.from(this.id(index)).toString("hex")}.`);
      }
    }
    this.#sumBlocks();
    this.sealed = true;
  }

  /** The id of an item, as a view. */
  id(index: number): Uint8Array {
    const offset = index * RECORD_BYTES + TIMESTAMP_BYTES;
    return this.#records.subarray(offset, offset + ID_BYTES);
  }

  /** The ids from index `from` to index `to` (excluded), as views. */
  ids(from: number, to: number): Uint8Array[] {
    return Array.from({ length: to - from }, (_, each) => this.id(from + each));
  }

  /** The first index at or after `from` whose item is not below the bound. */
  lowerBound(from: number, bound: Bound): number {
    let low = from;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRecords(this.#view, middle * RECORD_BYTES, bound.record, 0) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The shortest bound between the item before this index and the item at this index. Needs an index above 0. */
  boundBefore(index: number): Bound {
    const at = index * RECORD_BYTES;
    const timestamp = this.#view.getBigUint64(at);
    const before = at - RECORD_BYTES;
    if (this.#view.getBigUint64(before) !== timestamp) return boundAt(timestamp, new Uint8Array(0));
    let shared = TIMESTAMP_BYTES;
    while (this.#records[at + shared] === this.#records[before + shared]) shared += 1;
    return boundAt(timestamp, this.#records.subarray(at + TIMESTAMP_BYTES, at + shared + 1));
  }

  /** The bound that equals the item. */
  boundOf(index: number): Bound {
    return boundAt(this.#view.getBigUint64(index * RECORD_BYTES), this.id(index));
  }

  /** The fingerprint of the items from index `from` to index `to` (excluded). */
  fingerprint(from: number, to: number): Uint8Array {
    const sum = new Float64Array(ID_WORDS);
    this.#addAllBefore(to, 1, sum);
    this.#addAllBefore(from, -1, sum);
    const count = writeVarint(BigInt(to - from));
    const input = new Uint8Array(ID_BYTES + count.length);
    const view = viewOf(input);
    carry(sum).forEach((word, index) => {
      view.setUint32(4 * index, word, true);
    });
    input.set(count, ID_BYTES);
    return sha256(input).subarray(0, FINGERPRINT_BYTES);
  }

  #addAllBefore(index: number, sign: number, sum: Float64Array): void {
    const rest = index % BLOCK_ITEMS;
    const block = ((index - rest) / BLOCK_ITEMS) * ID_WORDS;
    for (let word = 0; word < ID_WORDS; word += 1) sum[word]! += sign * this.#sums[block + word]!;
    for (let each = index - rest; each < index; each += 1) this.#addId(each, sign, sum);
  }

  /**
   * Adds each word to a sum of its own. The carries come later, once: a double holds a sum of two million words
   * exactly.
   */
  #addId(index: number, sign: number, sum: Float64Array): void {
    const offset = index * RECORD_BYTES + TIMESTAMP_BYTES;
    for (let word = 0; word < ID_WORDS; word += 1) sum[word]! += sign * this.#view.getUint32(offset + 4 * word, true);
  }

  #sumBlocks(): void {
    this.#sums = new Uint32Array((Math.floor(this.count / BLOCK_ITEMS) + 1) * ID_WORDS);
    const sum = new Float64Array(ID_WORDS);
    for (let index = 0; index < this.count; index += 1) {
      this.#addId(index, 1, sum);
      if ((index + 1) % BLOCK_ITEMS !== 0) continue;
      const words = carry(sum);
      this.#sums.set(words, ((index + 1) / BLOCK_ITEMS) * ID_WORDS);
      sum.set(words);
    }
  }

  #arrange(order: Uint32Array): void {
    // Copies whole words as they lie in memory. No word is read as a number, so the byte order does not matter.
    const from = new Uint32Array(this.#records.buffer);
    const to = new Uint32Array((this.count * RECORD_BYTES) / 4);
    const recordWords = RECORD_BYTES / 4;
    let at = 0;
    for (const item of order) {
      const first = item * recordWords;
      for (let word = 0; word < recordWords; word += 1) to[at + word] = from[first + word]!;
      at += recordWords;
    }
    this.#records = new Uint8Array(to.buffer);
    this.#view = viewOf(this.#records);
  }

  #resize(sizeBytes: number): void {
    const records = new Uint8Array(sizeBytes);
    records.set(this.#records);
    this.#records = records;
    this.#view = viewOf(records);
  }
}

/** The words of a sum modulo 2^256, lowest first. A difference of sums may have negative words. */
function carry(sum: Float64Array): Uint32Array {
  const words = new Uint32Array(ID_WORDS);
  let over = 0;
  for (let word = 0; word < ID_WORDS; word += 1) {
    const value = sum[word]! + over;
    over = Math.floor(value / WORD_VALUES);
    words[word] = value - over * WORD_VALUES;
  }
  return words;
}
