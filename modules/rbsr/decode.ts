/**
 * From two summaries of one range to the items that differ, where that is possible (design section 5).
 *
 * I hold the items of a range and the peer's summary of it. The difference of the XORs is the XOR of all tags that one of us
 * lacks; the difference of the sums is the sum of the peer's, less mine, each through `confirm`. Mine I can try out,
 * the peer's I cannot; so what can be solved for is at most one of theirs, beside up to two of mine:
 *
 * | peer's count less mine | solved as                                    |
 * |------------------------|----------------------------------------------|
 * | +1                     | one of theirs                                |
 * | 0                      | nothing; or one of theirs and one of mine    |
 * | -1                     | one of mine; or one of theirs and two of mine |
 * | -2                     | two of mine                                  |
 *
 * A wrong solution agrees with 32 bits of sum by chance only: 2^-32 for each combination tried, a few thousand in a session.
 * Refuses a solution that is not the only one, or whose wanted tag I hold myself (the peer then has two items of one
 * tag, and only a list can tell which): the answer is UNDECODED, never a guess.
 */
import type { Range } from "./range.ts";
import type { SaltedSet } from "./salted-set.ts";
import { confirm, type Summary } from "./summary.ts";

export const UNDECODED = 0;
/** The peer lacks `mine` and `mineToo`, where they are not NONE; I lack nothing. */
export const COVERED = 1;
/** As COVERED, and I lack the one item whose tag is `wanted`. */
export const LACKING = 2;

export const NONE = -1;

/**
 * Pairs are tried in ranges up to this many items: 1,128 pairs, some 100,000 bytecodes, once for each undecodable range. The
 * first split leaves 12 items a range on a full board.
 */
const PAIR_ITEMS_MAX = 48;

export class Decoder {
  wanted = 0;
  mine = NONE;
  mineToo = NONE;
  #solutions = 0;

  /** `own` is my summary of the range of `set`, `theirs` the peer's. */
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
