/**
 * One side's items for one session, in the order of their keyed mixes (docs/protocol.md, "The mix").
 *
 * Reconciliation sums up ranges of ids, and a stranger chooses ids. So each item first passes the keyed mix of the
 * session (half-siphash.ts). The mix has 64 bits: 32 of **position**, which decides the range of the item, and 32 of
 * **tag**, which summaries add up and lists name. Both sides share the key, and with it positions and tags.
 *
 *     set.begin(keyLow, keyHigh); set.add(low, high, item) ...; set.seal();
 *
 * `item` is the caller's own number for the item (a slot of the store), below the capacity. After `seal` the arrays are
 * ordered by position and then tag. An id that was added twice counts once, and so do two ids of one mix (2^-64 a
 * pair). The set keeps either of the two numbers.
 *
 * Prefix arrays were rejected. With them a range would cost O(1) instead of its length, but they take 8 bytes an item,
 * 6 KB on a board. Here each item is summarised once a level, so that a whole reconciliation walks the set two or three
 * times.
 *
 * Working memory in bytes: 10 an item (12 above 65,535 items) and 2 a bin (4), all taken in the constructor. 750 items:
 * 7,500 + 256. Sorting is in place (mixing.ts).
 *
 * The set throws (a bug of the caller) on more items than its capacity, and on an item number that is not below it.
 */
import { Mix, sessionKey } from "./half-siphash.ts";
import { mixAll, sortMixes } from "./mixing.ts";
import { confirm, type Summary } from "./summary.ts";

/**
 * Items in a bin at full load: few enough for insertion, many enough that bins take below a twentieth of the memory.
 */
const ITEMS_PER_BIN = 8;
const BIN_BITS_MAX = 20;
const OVERFULL = "rbsr: the set is full, or the item number is not below its capacity";

/**
 * The items of one side for one session, in the order of their mixes (docs/protocol.md, "The mix"). Call `begin`, then
 * `add` for each item, then `seal`. Between `seal` and the next `begin` a Reconciler may use the set, which it
 * re-orders.
 */
export class SaltedSet {
  /** Items that the set can hold. */
  readonly capacity: number;
  /** Items that the set holds. After `seal` they are distinct. */
  count = 0;
  /**
   * The position of the item at each index 0 .. count-1, ascending after `seal` (a list re-orders its own range, see
   * `sortByTag`).
   */
  readonly positions: Uint32Array;
  /** The tag of the item at each index: summaries add tags up, and lists name them. */
  readonly tags: Int32Array;
  /** The caller's number of the item at each index. */
  readonly items: Uint16Array | Uint32Array;

  /** For each bin of leading position bits, the index of its first item. */
  readonly #bins: Uint16Array | Uint32Array;
  readonly #binShift: number;
  readonly #mix = new Mix();
  /** The items before this index are mixed. */
  #mixed = 0;

  /** Takes all memory: about 10 bytes for each of `capacity` items. */
  constructor(capacity: number) {
    const wide = capacity > 0xffff;
    let binBits = 1;
    while (binBits < BIN_BITS_MAX && (1 << binBits) * ITEMS_PER_BIN < capacity) binBits += 1;
    this.capacity = capacity;
    this.positions = new Uint32Array(capacity);
    this.tags = new Int32Array(capacity);
    this.items = wide ? new Uint32Array(capacity) : new Uint16Array(capacity);
    this.#bins = wide ? new Uint32Array(1 << binBits) : new Uint16Array(1 << binBits);
    this.#binShift = 32 - binBits;
  }

  /** Empty the set for a new session under a key: the two words that `sessionKey` gives. */
  begin(keyLow: number, keyHigh: number): void {
    this.count = 0;
    this.#mixed = 0;
    this.#mix.keyLow = keyLow | 0;
    this.#mix.keyHigh = keyHigh | 0;
  }

  /** Empty the set for a new session under the key that `sessionKey` makes of both sides' nonces. */
  beginSession(initiatorNonce: Uint8Array, offset: number, responderNonce: Uint8Array): void {
    const mix = this.#mix;
    sessionKey(initiatorNonce, offset, responderNonce, mix);
    this.begin(mix.low, mix.high);
  }

  /**
   * Enter the id `low`, `high` (32-bit words of a ShortId) as the caller's number `item`, which is below the capacity.
   * Its mix is made with those of other ids. Throws an Error when the set is full, or the number too large.
   */
  add(low: number, high: number, item: number): void {
    const at = this.count;
    if (at >= this.capacity || item >= this.capacity) throw new Error(OVERFULL);
    this.positions[at] = low;
    this.tags[at] = high;
    this.items[at] = item;
    this.count = at + 1;
  }

  /** Enter an item whose mix is known already: position and tag as 32-bit integers. Throws as `add` does. */
  place(position: number, tag: number, item: number): void {
    this.#mixAdded();
    this.add(position, tag, item);
    this.#mixed = this.count;
  }

  /** Sort the set. Until the next `begin` it may be read by index and by position. */
  seal(): void {
    this.#mixAdded();
    if (!this.#sort()) return;
    this.#dropRepeats();
    this.#sort();
  }

  /** The index of the first item at or after `position`, or `count` when there is none. */
  indexOf(position: number): number {
    const { positions, count } = this;
    let index = this.#bins[position >>> this.#binShift]!;
    while (index < count && positions[index]! < position) index += 1;
    return index;
  }

  /** Summarise the items of index `from` up to, not including, `to`. */
  summarise(from: number, to: number, out: Summary): void {
    const tags = this.tags;
    let xor = 0;
    let sum = 0;
    let tag = 0;
    for (let index = from; index < to; index += 1) {
      tag = tags[index]!;
      xor ^= tag;
      sum = (sum + confirm(tag)) | 0;
    }
    out.count = to - from;
    out.xor = xor;
    out.sum = sum;
  }

  /**
   * Order `from .. to` by tag (unsigned), for a range that is about to be listed or compared with a list. Such a range
   * is never divided again, so its order by position is no longer needed. Two sorted lists compare in one pass with no
   * scratch memory. Ranges beside it stay as they are, and `indexOf` still finds the bounds of all ranges.
   */
  sortByTag(from: number, to: number): void {
    const { positions, tags, items } = this;
    let gap = 1;
    while (gap * 3 + 1 < to - from) gap = gap * 3 + 1;
    for (; gap >= 1; gap = (gap - (gap % 3)) / 3) {
      for (let index = from + gap; index < to; index += 1) {
        const tag = tags[index]!;
        const unsigned = tag >>> 0;
        const position = positions[index]!;
        const item = items[index]!;
        let hole = index;
        while (hole >= from + gap && tags[hole - gap]! >>> 0 > unsigned) {
          tags[hole] = tags[hole - gap]!;
          positions[hole] = positions[hole - gap]!;
          items[hole] = items[hole - gap]!;
          hole -= gap;
        }
        tags[hole] = tag;
        positions[hole] = position;
        items[hole] = item;
      }
    }
  }

  /** Mix the ids that were added since the last call. */
  #mixAdded(): void {
    const { keyLow, keyHigh } = this.#mix;
    if (this.#mixed < this.count) mixAll(this.positions, this.tags, keyLow, keyHigh, this.#mixed, this.count);
    this.#mixed = this.count;
  }

  #sort(): boolean {
    return sortMixes(this.positions, this.tags, this.items, this.#bins, this.count);
  }

  /** Keep one item of each mix: a pair would cancel in every XOR. */
  #dropRepeats(): void {
    const { positions, tags, items, count } = this;
    let kept = 0;
    for (let index = 0; index < count; index += 1) {
      if (kept > 0 && positions[index]! === positions[kept - 1]! && tags[index]! === tags[kept - 1]!) continue;
      if (kept !== index) {
        positions[kept] = positions[index]!;
        tags[kept] = tags[index]!;
        items[kept] = items[index]!;
      }
      kept += 1;
    }
    this.count = kept;
  }
}
