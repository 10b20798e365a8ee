/**
 * What my last message opened and the peer's next one answers, in order (docs/protocol.md, "Messages").
 *
 * | entry         | low                        | high                       | fanout        | elements |
 * |---------------|----------------------------|----------------------------|---------------|----------|
 * | SPLIT         | first position             | last position              | parts, from 1 | parts    |
 * | list of tags  | index of its first item    | index after its last item  | LIST          | 1        |
 * | list of mixes | index of the range's first | index after the range's last | `mixesFanout` | 1        |
 *
 * The parts of a SPLIT are told by arithmetic, so one entry stands for all of them. Of a list of mixes the entry gives the
 * range; which of its items were sent is in the bitmap of doubted items.
 *
 * Two halves of each table: one is answered while the other is filled, and `commit` changes them over. Each has room for as
 * many entries as a message may open elements, since every entry opens at least one: 9 bytes an entry, both halves 1,152
 * at 64 ranges, all taken in the constructor.
 *
 * Refuses nothing: whoever pushes has counted the elements first (`RangeWriter.divide` fits the parts to what is left).
 */
import { OP_BITS } from "./message.ts";

/** In `fanouts`, an entry that is a list of tags; the fan-out of a SPLIT is at least 1. */
export const LIST = 0;

export const POSITION_MAX = 0xffffffff;

export class OpenRanges {
  readonly rangesMax: number;
  /** In `fanouts`, an entry that is a list of whole mixes. */
  readonly mixesFanout: number;
  readonly lows: Uint32Array;
  readonly highs: Uint32Array;
  readonly fanouts: Uint8Array | Uint32Array;
  /** The entries of my last message: `start` up to, not including, `end`. */
  start = 0;
  end = 0;
  /** Bits that answer those entries. */
  answerBits = 0;
  /** Elements that the message being written has opened so far. */
  nextElements = 0;
  #nextStart = 0;
  #nextEnd = 0;
  #nextBits = 0;

  constructor(rangesMax: number) {
    this.rangesMax = rangesMax;
    this.mixesFanout = rangesMax + 1;
    this.lows = new Uint32Array(2 * rangesMax);
    this.highs = new Uint32Array(2 * rangesMax);
    this.fanouts = rangesMax < 255 ? new Uint8Array(2 * rangesMax) : new Uint32Array(2 * rangesMax);
  }

  /** Nothing is open, and a message is about to be written. */
  clear(): void {
    this.start = 0;
    this.end = 0;
    this.answerBits = 0;
    this.#startNext();
  }

  /** The message being written divides these positions into `parts`. */
  pushSplit(low: number, high: number, parts: number): void {
    this.#push(low, high, parts);
    this.#nextBits += OP_BITS * parts;
    this.nextElements += parts;
  }

  /** The message being written lists the tags of all items of these indices. */
  pushList(from: number, to: number): void {
    this.#push(from, to, LIST);
    this.#nextBits += to - from + 1;
    this.nextElements += 1;
  }

  /** The message being written lists the whole mixes of `count` items of these indices. */
  pushMixes(from: number, to: number, count: number): void {
    this.#push(from, to, this.mixesFanout);
    this.#nextBits += count;
    this.nextElements += 1;
  }

  #push(low: number, high: number, fanout: number): void {
    const entry = this.#nextEnd;
    this.lows[entry] = low;
    this.highs[entry] = high;
    this.fanouts[entry] = fanout;
    this.#nextEnd = entry + 1;
  }

  /** The message is written: what it opened takes the place of what it answered. Whether that is anything. */
  commit(): boolean {
    this.start = this.#nextStart;
    this.end = this.#nextEnd;
    this.answerBits = this.#nextBits;
    this.#startNext();
    return this.end > this.start;
  }

  #startNext(): void {
    this.#nextStart = this.start === 0 ? this.rangesMax : 0;
    this.#nextEnd = this.#nextStart;
    this.#nextBits = 0;
    this.nextElements = 0;
  }
}

/**
 * The first position of part `part` of `low .. high` divided into `parts`: the least p with
 * floor((p - low) * parts / width) = part. For `part` = `parts` that is high + 1. Whole numbers below 2^53 throughout.
 */
export function partStart(low: number, high: number, parts: number, part: number): number {
  const product = (high - low + 1) * part;
  const rest = product % parts;
  return low + (product - rest) / parts + (rest > 0 ? 1 : 0);
}
