/**
 * Decoding: which items of a range differ, found from two summaries of it where possible (docs/protocol.md,
 * "Messages").
 *
 * A list of a range tells which of its items differ, at the cost of bytes and perhaps of a round trip. A range that
 * differs by very few items needs no list. I hold the items of the range and the peer's summary of it. The difference
 * of the XORs is the XOR of all tags that one side lacks. The difference of the sums is the sum of `confirm(tag)` over
 * the items that only the peer holds, less that sum over the items that only I hold. I can try out my own items, but
 * not the peer's. So a solution has at most one item of the peer, beside at most two of mine:
 *
 * | peer's count less mine | items that differ                                  |
 * |------------------------|----------------------------------------------------|
 * | +1                     | one of the peer's                                  |
 * | 0                      | none; or one of the peer's and one of mine         |
 * | -1                     | one of mine; or one of the peer's and two of mine  |
 * | -2                     | two of mine                                        |
 *
 * A wrong solution agrees with the 32 bits of the sum by chance only: 2^-32 for each combination tried, and a session
 * tries a few thousand.
 *
 * The decoder never guesses. It answers UNDECODED when there is more than one solution, and when I hold the wanted tag
 * myself: then the peer has two items of one tag, and only a list can tell which one I lack.
 */
import type { Range } from "./range.ts";
import type { SaltedSet } from "./salted-set.ts";
import { confirm, type Summary } from "./summary.ts";

/** The summaries do not tell which items differ. */
const UNDECODED = 0;
/** The peer lacks my items at `mine` and `mineToo`, where they are not NONE, and I lack nothing. */
export const COVERED = 1;
/** As COVERED, but I lack one item. Its tag is `wanted`. */
export const LACKING = 2;

/** In place of an index: no item. */
export const NONE = -1;

/**
 * Pairs are tried only in ranges of up to this many items: 1,128 pairs, some 100,000 bytecodes, once for each range
 * that cannot be decoded. On a full board the first split leaves 12 items in a range.
 */
const PAIR_ITEMS_MAX = 48;

export class Decoder {
  wanted = 0;
  mine = NONE;
  mineToo = NONE;
  #solutions = 0;

  /** Decode a range of `set`. `own`: my summary of it. `theirs`: the peer's. Returns UNDECODED, COVERED or LACKING. */
  decode({ tags }: SaltedSet, range: Range, own: Summary, theirs: Summary): number {
    const items = range.to - range.from;
    const surplus = theirs.count - own.count;
    const xor = theirs.xor ^ own.xor;
    const sum = (theirs.sum - own.sum) | 0;
    this.mine = NONE;
    this.mineToo = NONE;
    this.#solutions = 0;
    if (surplus === 0 && xor === 0 && sum === 0) return COVERED;
    if (surplus === 1) {
      if (confirm(xor) !== sum) return UNDECODED;
      this.wanted = xor;
      return this.#lackingUnlessHeld(tags, range);
    }
    if (surplus === 0) {
      this.#exchangeOne(tags, range, xor, sum);
      return this.#solutions === 1 ? this.#lackingUnlessHeld(tags, range) : UNDECODED;
    }
    if (surplus === -1) {
      this.#oneOfMine(tags, range, xor, sum);
      if (this.#solutions === 1) return COVERED;
      if (this.#solutions > 1 || items > PAIR_ITEMS_MAX) return UNDECODED;
      this.#exchangeTwo(tags, range, xor, sum);
      return this.#solutions === 1 ? this.#lackingUnlessHeld(tags, range) : UNDECODED;
    }
    if (surplus === -2 && items <= PAIR_ITEMS_MAX) {
      this.#twoOfMine(tags, range, xor, sum);
      return this.#solutions === 1 ? COVERED : UNDECODED;
    }
    return UNDECODED;
  }

  #oneOfMine(tags: Int32Array, { from, to }: Range, xor: number, sum: number): void {
    if (((confirm(xor) + sum) | 0) !== 0) return;
    for (let index = from; index < to; index += 1) {
      if (tags[index] === xor) this.#found(xor, index, NONE);
    }
  }

  #twoOfMine(tags: Int32Array, { from, to }: Range, xor: number, sum: number): void {
    for (let first = from; first < to; first += 1) {
      const partner = tags[first]! ^ xor;
      for (let second = first + 1; second < to; second += 1) {
        if (tags[second] !== partner) continue;
        if (((confirm(tags[first]!) + confirm(partner) + sum) | 0) === 0) this.#found(0, first, second);
      }
    }
  }

  #exchangeOne(tags: Int32Array, { from, to }: Range, xor: number, sum: number): void {
    for (let index = from; index < to; index += 1) {
      const tag = tags[index]!;
      if (((confirm(tag ^ xor) - confirm(tag)) | 0) === sum) this.#found(tag ^ xor, index, NONE);
    }
  }

  #exchangeTwo(tags: Int32Array, { from, to }: Range, xor: number, sum: number): void {
    for (let first = from; first < to; first += 1) {
      const rest = tags[first]! ^ xor;
      const restSum = (sum + confirm(tags[first]!)) | 0;
      for (let second = first + 1; second < to; second += 1) {
        const tag = tags[second]!;
        if (((confirm(tag ^ rest) - confirm(tag)) | 0) === restSum) this.#found(tag ^ rest, first, second);
      }
    }
  }

  #found(wanted: number, mine: number, mineToo: number): void {
    this.#solutions += 1;
    this.wanted = wanted;
    this.mine = mine;
    this.mineToo = mineToo;
  }

  #lackingUnlessHeld(tags: Int32Array, { from, to }: Range): number {
    for (let index = from; index < to; index += 1) {
      if (tags[index] === this.wanted) return UNDECODED;
    }
    return LACKING;
  }
}
