/**
 * The first of two passes over a message: find everything in it that is malformed, before anything in it is believed
 * (docs/protocol.md, "Bounds and refusals").
 *
 * A message comes from a stranger. If one walk both checked and believed it, a fault near its end would come after
 * conclusions from its beginning, and each conclusion would need bounds of its own. So this pass walks the elements
 * that my last message opened, beside the bits and bodies that answer them, and draws no conclusion. The second pass
 * (answer.ts) reads the same bytes and can rely on this: there are bytes for every count, every list ascends, and no
 * SPLIT has more parts than its range has positions.
 *
 * The pass leaves two numbers, since the bits of my answer stand before its bodies: how many elements the message
 * opens, and how many bits answer them. A message that opens more elements than a message may is refused ("ranges").
 * Otherwise my answer could not keep room for all of them.
 *
 * This pass changes neither the set nor what is known of it, and makes no garbage. It does not judge what only the
 * items can tell: a WANT of a tag that I do not hold, or doubts that fill more than a message. The second pass refuses
 * those.
 */
import type { ItemBitmap } from "./item-bitmap.ts";
import {
  ITEM_TAG_BYTES,
  type MalformedMessage,
  type MessageReader,
  MIX_BYTES,
  OP_BITS,
  readWord,
  SPLIT,
  TAGS,
  WANT,
} from "./message.ts";
import { LIST, type OpenRanges, partStart } from "./open-ranges.ts";
import type { SaltedSet } from "./salted-set.ts";

/**
 * short, trailing, padding, varint: the bytes of the message do not add up (message.ts). op: a first message neither
 * lists nor divides the whole space. split: a SPLIT has no parts, or more than its range has positions. order: a list
 * does not ascend. ranges: the message opens too many elements.
 */
export type CheckRefusal = MalformedMessage | "op" | "split" | "order" | "ranges";

export class MessageCheck {
  /** How many elements the message opens. */
  elements = 0;
  /** How many bits answer these elements. */
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
   * Check a message that the reader has begun. `first`: the message answers nothing of mine, so it must list or divide
   * the whole space.
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
      if (op === WANT) reader.skip(ITEM_TAG_BYTES);
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
    if (!reader.skip(listed * ITEM_TAG_BYTES)) return false;
    let before = 0;
    for (; at < reader.at; at += ITEM_TAG_BYTES) {
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
