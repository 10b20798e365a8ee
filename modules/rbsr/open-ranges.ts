/**
 * The elements that my last message opened, in the order in which the peer's next message answers them
 * (docs/protocol.md, "Messages").
 *
 * A message does not say which element it answers; its place in the order does. So each side must remember what it
 * opened:
 *
 * | entry         | low                          | high                          | fanout        | elements |
 * |---------------|------------------------------|-------------------------------|---------------|----------|
 * | SPLIT         | first position               | last position                 | parts, from 1 | parts    |
 * | list of tags  | index of its first item      | index after its last item     | LIST          | 1        |
 * | list of mixes | index of the range's first   | index after the range's last  | `mixesFanout` | 1        |
 *
 * Arithmetic gives the parts of a SPLIT (`partStart`), so one entry stands for all of them. The entry of a list of
 * mixes gives the range; the bitmap of doubted items says which of its items were sent.
 *
 * Each table has two halves: my message is answered from one while the next message fills the other, and `commit`
 * exchanges them. A half has room for as many entries as a message may open elements, since every entry opens at least
 * one. An entry takes 9 bytes, both halves 1,152 at 64 ranges, all taken in the constructor.
 *
 * Nothing is checked here. The caller counts the elements before it pushes (`RangeWriter.divide` fits the parts to what
 * is left).
 */
import { OP_BITS } from "./message.ts";

/** The fanout of an entry that is a list of tags. The fanout of a SPLIT is at least 1. */
export const LIST = 0;

/** The last position of the whole space. */
export const POSITION_MAX = 0xffffffff;

export class OpenRanges {
  readonly rangesMax: number;
  /** The fanout of an entry that is a list of whole mixes. */
  readonly mixesFanout: number;
  readonly lows: Uint32Array;
  readonly highs: Uint32Array;
  readonly fanouts: Uint8Array | Uint32Array;
  /** The entries of my last message: `start` up to, not including, `end`. */
  start = 0;
  end = 0;
  /** How many bits answer those entries. */
  answerBits = 0;
  /** How many elements the message that is being written has opened so far. */
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

  /** Forget everything: nothing is open, and a message is about to be written. */
  clear(): void {
    this.start = 0;
    this.end = 0;
    this.answerBits = 0;
    this.#startNext();
  }

  /** The message that is being written divides these positions into `parts`. */
  pushSplit(low: number, high: number, parts: number): void {
    this.#push(low, high, parts);
    this.#nextBits += OP_BITS * parts;
    this.nextElements += parts;
  }

  /** The message that is being written lists the tags of all items of these indices. */
  pushList(from: number, to: number): void {
    this.#push(from, to, LIST);
    this.#nextBits += to - from + 1;
    this.nextElements += 1;
  }

  /** The message that is being written lists the whole mixes of `count` items of these indices. */
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

  /** The message is written: its entries replace those that it answered. Returns whether it opened any. */
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
 * The first position of part `part` of `low .. high` divided into `parts`: the least p with floor((p - low) * parts /
 * width) = part, where width is high - low + 1. For `part` = `parts` that is high + 1. All numbers are whole and below
 * 2^53.
 */
export function partStart(low: number, high: number, parts: number, part: number): number {
  const product = (high - low + 1) * part;
  const rest = product % parts;
  return low + (product - rest) / parts + (rest > 0 ? 1 : 0);
}
