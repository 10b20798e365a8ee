/**
 * The first of two passes over a message: everything about it that can be malformed, before anything in it is believed
 * (docs/protocol.md, "Bounds and refusals").
 *
 * It walks what my last message opened beside the bits and bodies that answer it, and draws no conclusion. So the second
 * pass (answer.ts) reads the same bytes without a bound of its own to keep: every count has been held against what is there,
 * every list ascends, every SPLIT has a part for each position at most.
 *
 * It leaves what the second pass must know beforehand, since the answer's bits come before its bodies: how many elements the
 * message opens, and how many bits answer them. The elements are at most what a message may open ("ranges"), else room
 * for answering all of them could not be kept.
 *
 * Changes nothing, neither the set nor what is known of it; keeps no garbage. Refuses to judge what only the items can tell:
 * a WANT of a tag that I do not hold, a doubt that fills more than a message. Those end the second pass.
 */
import type { ItemBitmap } from "./item-bitmap.ts";
import {
  type MalformedMessage,
  type MessageReader,
  MIX_BYTES,
  OP_BITS,
  readWord,
  SPLIT,
  TAG_BYTES,
  TAGS,
  WANT,
} from "./message.ts";
import { LIST, type OpenRanges, partStart } from "./open-ranges.ts";
import type { SaltedSet } from "./salted-set.ts";

/**
 * short, trailing, padding, varint: the message's bytes do not add up (message.ts). op: a first message that neither lists nor
 * divides. split: into no parts, or more than the range has positions. order: a list that does not ascend. ranges: it opens
 * too many.
 */
export type CheckRefusal = MalformedMessage | "op" | "split" | "order" | "ranges";

export class MessageCheck {
  /** Elements that the message opens. */
  elements = 0;
  /** Bits that answer them. */
  answerBits = 0;
  readonly #reader: MessageReader;
  readonly #open: OpenRanges;
  readonly #doubted: ItemBitmap;
  #first = false;

  constructor(reader: MessageReader, open: OpenRanges, doubted: ItemBitmap) {
    this.#reader = reader;
    this.#open = open;
    this.#doubted = doubted;
  }

  /**
   * Check a message whose reader has begun. `first`: it answers nothing of mine, and must list or divide the whole
   * space.
   */
  check(set: SaltedSet, first: boolean): CheckRefusal | undefined {
    const reader = this.#reader;
    const open = this.#open;
    this.elements = 0;
    this.answerBits = 0;
    this.#first = first;
    for (let entry = open.start; entry < open.end; entry += 1) {
      const low = open.lows[entry]!;
      const high = open.highs[entry]!;
      const fanout = open.fanouts[entry]!;
      let refusal: CheckRefusal | undefined;
      if (fanout === LIST) this.#checkListAnswer(high - low);
      else if (fanout === open.mixesFanout) reader.skipBits(this.#countDoubted(set, low, high));
      else refusal = this.#checkOps(low, high, fanout);
      if (refusal !== undefined) return refusal;
      if (reader.refusal !== undefined) return reader.refusal;
    }
    reader.finish();
    if (reader.refusal !== undefined) return reader.refusal;
    return this.elements > open.rangesMax ? "ranges" : undefined;
  }

  #checkListAnswer(listed: number): void {
    const reader = this.#reader;
    reader.skipBits(listed);
    if (reader.bit() === 0) return;
    const mixes = reader.varint();
    if (reader.skip(mixes * MIX_BYTES)) {
      this.elements += 1;
      this.answerBits += mixes;
    }
  }

  #countDoubted(set: SaltedSet, from: number, to: number): number {
    let count = 0;
    for (let index = from; index < to; index += 1) {
      if (this.#doubted.has(set.items[index]!)) count += 1;
    }
    return count;
  }

  #checkOps(low: number, high: number, fanout: number): CheckRefusal | undefined {
    const reader = this.#reader;
    for (let part = 0; part < fanout; part += 1) {
      const op = reader.op();
      if (this.#first && op !== TAGS && op !== SPLIT) return reader.refusal ?? "op";
      if (op === WANT) reader.skip(TAG_BYTES);
      else if (op === TAGS && !this.#checkTags()) return reader.refusal ?? "order";
      else if (op === SPLIT) {
        const width = partStart(low, high, fanout, part + 1) - partStart(low, high, fanout, part);
        const refusal = this.#checkSplit(width);
        if (refusal !== undefined) return refusal;
      }
      if (reader.refusal !== undefined) return reader.refusal;
    }
    return undefined;
  }

  #checkTags(): boolean {
    const reader = this.#reader;
    const listed = reader.varint();
    let at = reader.at;
    if (!reader.skip(listed * TAG_BYTES)) return false;
    let before = 0;
    for (; at < reader.at; at += TAG_BYTES) {
      const tag = readWord(reader.bytes, at) >>> 0;
      if (tag < before) return false;
      before = tag;
    }
    if (listed > 0) {
      this.elements += 1;
      this.answerBits += listed + 1;
    }
    return true;
  }

  #checkSplit(width: number): CheckRefusal | undefined {
    const reader = this.#reader;
    const parts = reader.varint() >>> 1;
    if (reader.refusal !== undefined) return reader.refusal;
    if (parts === 0 || parts > width) return "split";
    if (parts > this.#open.rangesMax) return "ranges";
    for (let part = 0; part < parts; part += 1) {
      if (reader.varint() !== 0) reader.skip(8);
    }
    this.elements += parts;
    this.answerBits += OP_BITS * parts;
    return undefined;
  }
}
