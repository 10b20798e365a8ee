/**
 * The second of two passes over a message: from what the peer says to what it lacks, and to my answer
 * (docs/protocol.md, "Messages").
 *
 * The message of the peer answers each element that my last message opened. Two things follow from it: which of my
 * items the peer lacks, and what I answer to the elements that the message itself opens. The first pass (check.ts) has
 * checked the form of the whole message, so no function here asks whether a byte exists. One walk over the elements
 * reads the peer's answers, enters into `have` the items that the peer lacks, and writes bits and bodies of my answer
 * in the same order:
 *
 * | element of mine, and the peer's answer | what follows                                       | what I write                       |
 * |----------------------------------------|----------------------------------------------------|------------------------------------|
 * | summary: CLOSED                        | nothing                                            | nothing                            |
 * | summary: WANT                          | the peer lacks the item of that tag                | nothing                            |
 * | summary: TAGS                          | by merging: what the peer lacks, and what I lack   | a wanted bit a tag, and doubts     |
 * | summary: SPLIT                         | what can be decoded (decode.ts)                    | an op a part                       |
 * | list: wanted bits                      | the peer lacks the items of these bits             | nothing                            |
 * | list: the peer's doubted items         | the peer lacks those of my items that have the tag | a wanted bit a mix                 |
 * |                                        | of a doubted item, but are not one                 |                                    |
 * | mixes: wanted bits                     | the peer lacks the items of these bits             | nothing                            |
 *
 * Invariant: an item enters `have` only where the peer said that it lacks the item, or said all that it holds of the
 * range.
 *
 * This pass refuses a WANT that does not name exactly one item of mine (the peer lies, or its decoding met a chance of
 * 2^-32), and doubts that would not fit into a message. Conclusions drawn before a refusal stay. At worst they are
 * superfluous.
 */
import { COVERED, Decoder, LACKING, NONE } from "./decode.ts";
import type { ItemBitmap } from "./item-bitmap.ts";
import { CLOSED, ITEM_TAG_BYTES, type MessageReader, MIX_BYTES, readWord, SPLIT, TAGS, WANT } from "./message.ts";
import { LIST, POSITION_MAX, partStart } from "./open-ranges.ts";
import type { RangeWriter } from "./range-writer.ts";
import type { SaltedSet } from "./salted-set.ts";
import { LIST_ITEMS_MAX } from "./split.ts";
import { Summary } from "./summary.ts";

/**
 * want: the tag of a WANT names no item of mine in its range, or several. ambiguous: the doubted items do not fit into
 * a message as whole mixes.
 */
export type AnswerRefusal = "want" | "ambiguous";

/** The number of parts when a range is divided again. */
const SPLIT_PARTS = 8;

export class MessageAnswer {
  readonly #reader: MessageReader;
  readonly #ranges: RangeWriter;
  readonly #have: ItemBitmap;
  readonly #doubted: ItemBitmap;
  readonly #decoder = new Decoder();
  readonly #own = new Summary();
  readonly #theirs = new Summary();

  /**
   * `have`: my items that the peer lacks. `doubted`: my items sent in a list of whole mixes that is not answered yet.
   */
  constructor(reader: MessageReader, ranges: RangeWriter, have: ItemBitmap, doubted: ItemBitmap) {
    this.#reader = reader;
    this.#ranges = ranges;
    this.#have = have;
    this.#doubted = doubted;
  }

  /**
   * Draw the conclusions and answer each element. The reader has begun; so has the writer, if the message opens
   * anything.
   */
  answer(set: SaltedSet): AnswerRefusal | undefined {
    const open = this.#ranges.open;
    for (let entry = open.start; entry < open.end; entry += 1) {
      const low = open.lows[entry]!;
      const high = open.highs[entry]!;
      const fanout = open.fanouts[entry]!;
      if (fanout === LIST) this.#takeWanted(set, low, high);
      else if (fanout === open.mixesFanout) this.#takeDoubtAnswer(set, low, high);
      else {
        const refusal = this.#takeOps(set, low, high, fanout);
        if (refusal !== undefined) return refusal;
      }
    }
    return undefined;
  }

  #takeOps(set: SaltedSet, low: number, high: number, fanout: number): AnswerRefusal | undefined {
    const reader = this.#reader;
    let partLow = low;
    let from = set.indexOf(low);
    for (let part = 0; part < fanout; part += 1) {
      const nextLow = partStart(low, high, fanout, part + 1);
      const to = nextLow > POSITION_MAX ? set.count : set.indexOf(nextLow);
      const op = reader.op();
      let refusal: AnswerRefusal | undefined;
      if (op === WANT) refusal = this.#takeWant(set, from, to, reader.word());
      else if (op === TAGS) refusal = this.#answerTags(set, from, to);
      else if (op === SPLIT) this.#answerSplit(set, partLow, nextLow - 1, from);
      if (refusal !== undefined) return refusal;
      partLow = nextLow;
      from = to;
    }
    return undefined;
  }

  #takeWant(set: SaltedSet, from: number, to: number, tag: number): AnswerRefusal | undefined {
    const tags = set.tags;
    let found = NONE;
    for (let index = from; index < to; index += 1) {
      if (tags[index] !== tag) continue;
      if (found !== NONE) return "want";
      found = index;
    }
    if (found === NONE) return "want";
    this.#have.add(set.items[found]!);
    return undefined;
  }

  #answerSplit(set: SaltedSet, low: number, high: number, firstIndex: number): void {
    const reader = this.#reader;
    const { range } = this.#ranges;
    const theirs = this.#theirs;
    const partsAsked = reader.varint();
    const parts = partsAsked >>> 1;
    const asked = (partsAsked & 1) === 1;
    let partLow = low;
    let from = firstIndex;
    for (let part = 0; part < parts; part += 1) {
      const nextLow = partStart(low, high, parts, part + 1);
      const to = nextLow > POSITION_MAX ? set.count : set.indexOf(nextLow);
      theirs.count = reader.varint();
      theirs.xor = theirs.count === 0 ? 0 : reader.word();
      theirs.sum = theirs.count === 0 ? 0 : reader.word();
      this.#ranges.elementsLeft -= 1;
      range.low = partLow;
      range.high = nextLow - 1;
      range.from = from;
      range.to = to;
      this.#answerSummary(set, asked);
      partLow = nextLow;
      from = to;
    }
  }

  /** Answer the summary in `#theirs` of `#ranges.range`. `asked`: the peer prefers a list to summaries of parts. */
  #answerSummary(set: SaltedSet, asked: boolean): void {
    const ranges = this.#ranges;
    const { writer, range } = ranges;
    const { from, to } = range;
    const decoder = this.#decoder;
    const have = this.#have;
    const own = this.#own;
    const theirs = this.#theirs;
    if (theirs.count === 0) {
      for (let index = from; index < to; index += 1) have.add(set.items[index]!);
      writer.op(CLOSED);
      return;
    }
    if (from === to) {
      ranges.list(set);
      return;
    }
    set.summarise(from, to, own);
    const outcome = decoder.decode(set, range, own, theirs);
    if (outcome === COVERED || outcome === LACKING) {
      if (decoder.mine !== NONE) have.add(set.items[decoder.mine]!);
      if (decoder.mineToo !== NONE) have.add(set.items[decoder.mineToo]!);
      writer.op(outcome === LACKING ? WANT : CLOSED);
      if (outcome === LACKING) writer.word(decoder.wanted);
      return;
    }
    const items = to - from;
    const lopsided = theirs.count > 2 * items || 2 * theirs.count < items;
    const listing = items <= LIST_ITEMS_MAX || asked || lopsided;
    if (listing) ranges.listOrLeave(set, theirs.count);
    else ranges.divide(set, SPLIT_PARTS, false);
  }

  /**
   * Answer a list of all tags that the peer holds in my range `from .. to`. Merging both lists gives both directions.
   */
  #answerTags(set: SaltedSet, from: number, to: number): AnswerRefusal | undefined {
    const reader = this.#reader;
    const { writer, range } = this.#ranges;
    const bytes = reader.bytes;
    const listed = reader.varint();
    let at = reader.at;
    reader.skip(listed * ITEM_TAG_BYTES);
    const end = reader.at;
    if (listed > 0) {
      this.#ranges.elementsLeft -= 1;
      set.sortByTag(from, to);
    }
    let doubts = 0;
    let index = from;
    while (index < to || at < end) {
      const own = index < to ? set.tags[index]! >>> 0 : Number.POSITIVE_INFINITY;
      const tag = at < end ? readWord(bytes, at) >>> 0 : Number.POSITIVE_INFINITY;
      if (own < tag) {
        this.#have.add(set.items[index]!);
        index += 1;
      } else if (tag < own) {
        writer.bit(1);
        at += ITEM_TAG_BYTES;
      } else {
        const firstIndex = index;
        const firstAt = at;
        for (; index < to && set.tags[index]! >>> 0 === tag; index += 1);
        for (; at < end && readWord(bytes, at) >>> 0 === tag; at += ITEM_TAG_BYTES) writer.bit(0);
        if (index - firstIndex === 1 && at - firstAt === ITEM_TAG_BYTES) continue;
        doubts += index - firstIndex;
        for (let shared = firstIndex; shared < index; shared += 1) this.#doubted.add(set.items[shared]!);
      }
    }
    if (listed > 0) writer.bit(doubts > 0 ? 1 : 0);
    if (doubts === 0) return undefined;
    // A tag that one side holds more than once names no item: the peer needs my items of such tags as whole mixes.
    range.from = from;
    range.to = to;
    return this.#ranges.mixes(set, this.#doubted, doubts) ? undefined : "ambiguous";
  }

  /**
   * Take the answer to a list of mine: a wanted bit for each tag, then the doubt bit, and with doubt mixes to compare.
   */
  #takeWanted(set: SaltedSet, from: number, to: number): void {
    const reader = this.#reader;
    for (let index = from; index < to; index += 1) {
      if (reader.bit() === 1) this.#have.add(set.items[index]!);
    }
    if (reader.bit() === 0) return;
    this.#answerMixes(set, from, to);
  }

  /** Answer the peer's doubted items, sent as whole mixes: compare them with my items of the same tags. */
  #answerMixes(set: SaltedSet, from: number, to: number): void {
    const { positions, tags } = set;
    const reader = this.#reader;
    const { bytes } = reader;
    const mixes = reader.varint();
    const { at } = reader;
    reader.skip(mixes * MIX_BYTES);
    const end = reader.at;
    this.#ranges.elementsLeft -= 1;
    for (let index = from; index < to; index += 1) {
      let tagged = false;
      let held = false;
      for (let mix = at; mix < end; mix += MIX_BYTES) {
        if (readWord(bytes, mix + 4) !== tags[index]) continue;
        tagged = true;
        if (readWord(bytes, mix) >>> 0 === positions[index]) held = true;
      }
      if (tagged && !held) this.#have.add(set.items[index]!);
    }
    for (let mix = at; mix < end; mix += MIX_BYTES) {
      const position = readWord(bytes, mix) >>> 0;
      const tag = readWord(bytes, mix + 4);
      let wanted = 1;
      for (let index = from; index < to; index += 1) {
        if (tags[index] === tag && positions[index] === position) wanted = 0;
      }
      this.#ranges.writer.bit(wanted);
    }
  }

  /** Take the peer's answer to a list of whole mixes of mine: a wanted bit for each doubted item. */
  #takeDoubtAnswer(set: SaltedSet, from: number, to: number): void {
    for (let index = from; index < to; index += 1) {
      const item = set.items[index]!;
      if (!this.#doubted.has(item)) continue;
      this.#doubted.remove(item);
      if (this.#reader.bit() === 1) this.#have.add(item);
    }
  }
}
