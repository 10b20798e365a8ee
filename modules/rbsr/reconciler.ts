/**
 * Range-based set reconciliation, one side of one session (design section 5; docs/protocol.md, "Reconciliation").
 *
 * Sans-I/O: a message in, a message out. Both sides hold a sealed `SaltedSet` under one session key.
 *
 *     initiator                               responder
 *     n = initiate(set, estimate, out)        respondTo(set)
 *     loop: n = receive(message, ..., out)    loop: n = receive(message, ..., out)
 *
 * until `state` is "done" (a length of 0 means: nothing to send). Then `has(item)` on each side is exactly the items that
 * the peer lacks, so the two answers together are the two difference sets.
 *
 * Each message answers all that the peer's last one opened (message.ts), so a session is: summaries of the first split;
 * what of them could be decoded, and lists of the rest; which of the listed are wanted. The initiator knows after one
 * round trip, and the third message is only sent when something was listed.
 *
 * Exactness. Tags are 32 bits. Two items of one side that share a tag in one range are told apart by their whole mixes (the
 * doubt bit of a list's answer). Two *different* items, one on each side only, in one range and of one tag look like a common
 * one and stay apart until the next session's key. The chance is (only mine) x (only theirs) / parts / 2^32: at 25 against
 * 25 three in 10^9, at 750 against 750 in one list one in 8,000.
 *
 * Working memory in bytes at 750 items and 64 ranges: tables 2 x 64 x 9 = 1,152, two bitmaps of 94; with the set's 7,756
 * that is 9,096. All of it is taken in the constructor; a message makes no garbage.
 *
 * Refuses, never throwing: malformed messages, more than MESSAGES_MAX of them, more open ranges than it can hold, and a
 * WANT that does not name one item (a peer that lies, or a decode that met a chance of 2^-32). What `has` says
 * then is at worst superfluous and incomplete: start again under the next key.
 */
import { COVERED, Decoder, LACKING, NONE } from "./decode.ts";
import {
  CLOSED,
  type MalformedMessage,
  MessageReader,
  MessageWriter,
  MIX_BYTES,
  OP_BITS,
  readWord,
  SMALLEST_SPLIT_BYTES_MAX,
  SPLIT,
  TAG_BYTES,
  TAGS,
  VARINT_BYTES_MAX,
  WANT,
} from "./message.ts";
import type { SaltedSet } from "./salted-set.ts";
import { LIST_ITEMS_MAX, splitFor } from "./split.ts";
import { Summary } from "./summary.ts";

/** Sixteen Glacier fragments of 210 bytes, less two bytes for what the link puts before a message. */
export const MESSAGE_SIZE_BYTES_MAX = 3358;

/**
 * Elements that one message may open. Two full boards are never better served by more parts: from 400 differences on a list
 * is shorter, and below that lists of twelve tags cost what the spared summaries save.
 */
export const OPEN_RANGES_MAX = 64;

/** Messages that one side accepts in a session. Honest boards need two; a million items of hosts, four. */
export const MESSAGES_MAX = 16;

/** Parts of a range that is divided once more. */
const SPLIT_PARTS = 8;

const POSITION_MAX = 0xffffffff;

export type ReconcilerState = "idle" | "open" | "done" | "refused";

/**
 * short, trailing, padding, varint: the message's bytes do not add up (message.ts). long: larger than the option allows.
 * op: a first message that neither lists nor divides. split: into no parts, or more than the range has positions. order: a list
 * that does not ascend. ranges: it opens too many. rounds: too many messages. want: it wants an item that I cannot name.
 * ambiguous: telling apart what shares tags would not fit into a message.
 */
export type Refusal = MalformedMessage | "long" | "op" | "split" | "order" | "ranges" | "rounds" | "want" | "ambiguous";

export interface ReconcilerOptions {
  /** Items of the largest set, as in `new SaltedSet(capacity)`. */
  readonly capacity: number;
  /** Elements that a message may open; both sides of a session use one number. */
  readonly openRangesMax?: number;
  /** Room of the largest message; both sides of a session use one number. */
  readonly messageSizeBytesMax?: number;
}

/** In `fanouts`, an entry that is a list; the fan-out of a SPLIT is at least 1. */
const LIST = 0;

export class Reconciler {
  state: ReconcilerState = "idle";
  /** Why the state is "refused". */
  refusal: Refusal | undefined = undefined;
  /** How many of my items the peer is known to lack. */
  haveCount = 0;

  private readonly capacity: number;
  private readonly openRangesMax: number;
  private readonly messageSizeBytesMax: number;
  private readonly have: Uint8Array;
  /** Items sent in a list of whole mixes whose answer is awaited. */
  private readonly doubted: Uint8Array;

  /**
   * What my last message opened, in order: a SPLIT (first and last position, parts), a list (first index and the one after
   * its last, LIST), or a list of mixes (the same, `doubtMark`). Two halves: one is answered while the other is filled.
   */
  private readonly lows: Uint32Array;
  private readonly highs: Uint32Array;
  private readonly fanouts: Uint8Array | Uint32Array;
  private readonly doubtMark: number;
  private entriesAt = 0;
  private entries = 0;
  /** Bits that answer those entries. */
  private openBits = 0;

  private nextAt = 0;
  private nextEntries = 0;
  private nextBits = 0;
  private nextElements = 0;
  /** Elements of the message in hand that are still to be answered: room is kept for each. */
  private elementsLeft = 0;
  private replyBits = 0;
  private messages = 0;
  private first = false;

  private set: SaltedSet | undefined = undefined;
  private readonly reader = new MessageReader();
  private readonly writer = new MessageWriter();
  private readonly decoder = new Decoder();
  private readonly own = new Summary();
  private readonly theirs = new Summary();

  constructor(options: ReconcilerOptions) {
    const openRangesMax = options.openRangesMax ?? OPEN_RANGES_MAX;
    const messageSizeBytesMax = options.messageSizeBytesMax ?? MESSAGE_SIZE_BYTES_MAX;
    // Every element may need the smallest SPLIT in its answer, and every listed tag or mix a bit.
    const answerBytes = openRangesMax * (SMALLEST_SPLIT_BYTES_MAX + 1) + messageSizeBytesMax / 32 + 1;
    if (answerBytes > messageSizeBytesMax) throw new Error("rbsr: messages too small for so many open ranges");
    this.capacity = options.capacity;
    this.openRangesMax = openRangesMax;
    this.messageSizeBytesMax = messageSizeBytesMax;
    this.have = new Uint8Array((options.capacity + 7) >>> 3);
    this.doubted = new Uint8Array((options.capacity + 7) >>> 3);
    this.lows = new Uint32Array(2 * openRangesMax);
    this.highs = new Uint32Array(2 * openRangesMax);
    this.fanouts = openRangesMax < 255 ? new Uint8Array(2 * openRangesMax) : new Uint32Array(2 * openRangesMax);
    this.doubtMark = openRangesMax + 1;
  }

  /** Whether the peer is known to lack my item of this number. */
  has(item: number): boolean {
    return ((this.have[item >>> 3]! >>> (item & 7)) & 1) !== 0;
  }

  /**
   * Write the first message into `out` (messageSizeBytesMax or more) and return its length. `estimate`: how many items are
   * expected to differ, both ways together, from `Fingerprint.estimate`. `peerCount`: items of the peer, if known.
   */
  initiate(set: SaltedSet, estimate: number, out: Uint8Array, peerCount: number = set.count): number {
    this.begin(set, out);
    this.writer.begin(out, OP_BITS);
    const fitting = set.count * TAG_BYTES + VARINT_BYTES_MAX + 1 <= this.messageSizeBytesMax;
    const parts = splitFor(estimate, set.count, peerCount, this.openRangesMax);
    if (parts === 0 && fitting) this.list(0, set.count);
    else this.divide(0, POSITION_MAX, 0, set.count, parts === 0 ? this.openRangesMax : parts);
    this.commit();
    return this.writer.at;
  }

  /** Expect the peer's first message: the next `receive` takes it. */
  respondTo(set: SaltedSet): void {
    this.begin(set, undefined);
    this.push(0, POSITION_MAX, 1, OP_BITS, 1);
    this.commit();
    this.first = true;
  }

  /**
   * Take the peer's message, `length` bytes at `offset`, and write the answer into `out` (messageSizeBytesMax or more, not
   * the same memory). Returns the answer's length; 0 when there is nothing to send: done, refused, or not expecting any.
   */
  receive(message: Uint8Array, offset: number, length: number, out: Uint8Array): number {
    if (this.state !== "open") return 0;
    this.assertRoom(out);
    this.messages += 1;
    if (this.messages > MESSAGES_MAX) return this.refuse("rounds");
    if (length > this.messageSizeBytesMax) return this.refuse("long");
    const malformed = this.check(message, offset, length);
    if (malformed !== undefined) return this.refuse(malformed);
    if (this.elementsLeft === 0) {
      this.reader.begin(message, offset, length, this.openBits);
      this.answer();
      if (this.state === "open") this.state = "done";
      return 0;
    }
    this.reader.begin(message, offset, length, this.openBits);
    this.writer.begin(out, this.replyBits);
    this.answer();
    if (this.refusal !== undefined) return 0;
    this.commit();
    return this.writer.at;
  }

  private begin(set: SaltedSet, out: Uint8Array | undefined): void {
    if (set.capacity > this.capacity) throw new Error("rbsr: the set is larger than the reconciler's capacity");
    if (out !== undefined) this.assertRoom(out);
    this.set = set;
    this.state = "open";
    this.refusal = undefined;
    this.haveCount = 0;
    this.have.fill(0);
    this.doubted.fill(0);
    this.messages = 0;
    this.first = false;
    this.elementsLeft = 0;
    this.entriesAt = 0;
    this.startEntries();
  }

  private assertRoom(out: Uint8Array): void {
    if (out.length < this.messageSizeBytesMax) throw new Error("rbsr: no room for the largest message");
  }

  private refuse(reason: Refusal): number {
    this.state = "refused";
    this.refusal = reason;
    return 0;
  }

  /** Begin to fill the half of the tables that is not in use. */
  private startEntries(): void {
    this.nextAt = this.entriesAt === 0 ? this.openRangesMax : 0;
    this.nextEntries = 0;
    this.nextBits = 0;
    this.nextElements = 0;
  }

  private commit(): void {
    this.entriesAt = this.nextAt;
    this.entries = this.nextEntries;
    this.openBits = this.nextBits;
    this.first = false;
    if (this.entries === 0) this.state = "done";
    this.startEntries();
  }

  private push(low: number, high: number, fanout: number, bits: number, elements: number): void {
    const at = this.nextAt + this.nextEntries;
    this.lows[at] = low;
    this.highs[at] = high;
    this.fanouts[at] = fanout;
    this.nextEntries += 1;
    this.nextBits += bits;
    this.nextElements += elements;
  }

  /**
   * First pass over a message: everything about it that can be malformed, before anything is believed. Leaves in
   * `elementsLeft` and `replyBits` what the answer will have to answer.
   */
  private check(message: Uint8Array, offset: number, length: number): Refusal | undefined {
    const reader = this.reader;
    reader.begin(message, offset, length, this.openBits);
    this.elementsLeft = 0;
    this.replyBits = 0;
    for (let entry = this.entriesAt; entry < this.entriesAt + this.entries; entry += 1) {
      const low = this.lows[entry]!;
      const high = this.highs[entry]!;
      const fanout = this.fanouts[entry]!;
      let refusal: Refusal | undefined;
      if (fanout === LIST) this.checkListAnswer(high - low);
      else if (fanout === this.doubtMark) reader.skipBits(this.countDoubted(low, high));
      else refusal = this.checkOps(low, high, fanout);
      if (refusal !== undefined) return refusal;
      if (reader.refusal !== undefined) return reader.refusal;
    }
    reader.finish();
    if (reader.refusal !== undefined) return reader.refusal;
    return this.elementsLeft > this.openRangesMax ? "ranges" : undefined;
  }

  private checkListAnswer(listed: number): void {
    const reader = this.reader;
    reader.skipBits(listed);
    if (reader.bit() === 0) return;
    const mixes = reader.varint();
    if (reader.skip(mixes * MIX_BYTES)) {
      this.elementsLeft += 1;
      this.replyBits += mixes;
    }
  }

  private checkOps(low: number, high: number, fanout: number): Refusal | undefined {
    const reader = this.reader;
    for (let part = 0; part < fanout; part += 1) {
      const op = reader.op();
      if (this.first && op !== TAGS && op !== SPLIT) return reader.refusal ?? "op";
      if (op === WANT) reader.skip(TAG_BYTES);
      else if (op === TAGS && !this.checkTags()) return reader.refusal ?? "order";
      else if (op === SPLIT) {
        const width = partStart(low, high, fanout, part + 1) - partStart(low, high, fanout, part);
        const refusal = this.checkSplit(width);
        if (refusal !== undefined) return refusal;
      }
      if (reader.refusal !== undefined) return reader.refusal;
    }
    return undefined;
  }

  private checkTags(): boolean {
    const reader = this.reader;
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
      this.elementsLeft += 1;
      this.replyBits += listed + 1;
    }
    return true;
  }

  private checkSplit(width: number): Refusal | undefined {
    const reader = this.reader;
    const parts = reader.varint();
    if (reader.refusal !== undefined) return reader.refusal;
    if (parts === 0 || parts > width) return "split";
    if (parts > this.openRangesMax) return "ranges";
    for (let part = 0; part < parts; part += 1) {
      if (reader.varint() !== 0) reader.skip(8);
    }
    this.elementsLeft += parts;
    this.replyBits += OP_BITS * parts;
    return undefined;
  }

  /** Second pass: draw the conclusions, and answer each element. */
  private answer(): void {
    for (let entry = this.entriesAt; entry < this.entriesAt + this.entries; entry += 1) {
      const low = this.lows[entry]!;
      const high = this.highs[entry]!;
      const fanout = this.fanouts[entry]!;
      if (fanout === LIST) this.takeWanted(low, high);
      else if (fanout === this.doubtMark) this.takeDoubtAnswer(low, high);
      else this.takeOps(low, high, fanout);
      if (this.state === "refused") return;
    }
  }

  /** The answer to a list of mine: which of it is wanted, and perhaps mixes to compare. */
  private takeWanted(from: number, to: number): void {
    const reader = this.reader;
    for (let index = from; index < to; index += 1) {
      if (reader.bit() === 1) this.setHave(index);
    }
    if (reader.bit() === 0) return;
    const mixes = reader.varint();
    const at = reader.at;
    reader.skip(mixes * MIX_BYTES);
    this.answerMixes(from, to, at, mixes);
  }

  private takeDoubtAnswer(from: number, to: number): void {
    const items = this.set!.items;
    for (let index = from; index < to; index += 1) {
      const item = items[index]!;
      const bit = 1 << (item & 7);
      if ((this.doubted[item >>> 3]! & bit) === 0) continue;
      this.doubted[item >>> 3] = this.doubted[item >>> 3]! ^ bit;
      if (this.reader.bit() === 1) this.setHave(index);
    }
  }

  private takeOps(low: number, high: number, fanout: number): void {
    const reader = this.reader;
    const set = this.set!;
    let partLow = low;
    let from = set.indexOf(low);
    for (let part = 0; part < fanout; part += 1) {
      const nextLow = partStart(low, high, fanout, part + 1);
      const to = nextLow > POSITION_MAX ? set.count : set.indexOf(nextLow);
      const op = reader.op();
      if (op === WANT) this.takeWant(from, to, reader.word());
      else if (op === TAGS) this.answerTags(from, to);
      else if (op === SPLIT) this.answerSplit(partLow, nextLow - 1, from);
      if (this.state === "refused") return;
      partLow = nextLow;
      from = to;
    }
  }

  private takeWant(from: number, to: number, tag: number): void {
    const tags = this.set!.tags;
    let found = NONE;
    for (let index = from; index < to; index += 1) {
      if (tags[index] !== tag) continue;
      if (found !== NONE) {
        this.refuse("want");
        return;
      }
      found = index;
    }
    if (found === NONE) this.refuse("want");
    else this.setHave(found);
  }

  /** A list of all that the peer holds in my range `from .. to`: both directions follow by merging. */
  private answerTags(from: number, to: number): void {
    const { reader, writer } = this;
    const set = this.set!;
    const bytes = reader.bytes;
    const listed = reader.varint();
    let at = reader.at;
    reader.skip(listed * TAG_BYTES);
    const end = reader.at;
    if (listed > 0) {
      this.elementsLeft -= 1;
      set.sortByTag(from, to);
    }
    let doubts = 0;
    let index = from;
    while (index < to || at < end) {
      const own = index < to ? set.tags[index]! >>> 0 : Number.POSITIVE_INFINITY;
      const tag = at < end ? readWord(bytes, at) >>> 0 : Number.POSITIVE_INFINITY;
      if (own < tag) {
        this.setHave(index);
        index += 1;
      } else if (tag < own) {
        writer.bit(1);
        at += TAG_BYTES;
      } else {
        const firstIndex = index;
        const firstAt = at;
        for (; index < to && set.tags[index]! >>> 0 === tag; index += 1);
        for (; at < end && readWord(bytes, at) >>> 0 === tag; at += TAG_BYTES) writer.bit(0);
        if (index - firstIndex === 1 && at - firstAt === TAG_BYTES) continue;
        doubts += index - firstIndex;
        for (let shared = firstIndex; shared < index; shared += 1) this.setDoubted(shared);
      }
    }
    if (listed > 0) writer.bit(doubts > 0 ? 1 : 0);
    if (doubts > 0) this.doubt(from, to, doubts);
  }

  /** Tags that one side has more than once: send my items of those tags as whole mixes. */
  private doubt(from: number, to: number, doubts: number): void {
    const writer = this.writer;
    const set = this.set!;
    if (VARINT_BYTES_MAX + doubts * MIX_BYTES > this.roomBytes()) {
      this.refuse("ambiguous");
      return;
    }
    writer.varint(doubts);
    for (let index = from; index < to; index += 1) {
      const item = set.items[index]!;
      if (((this.doubted[item >>> 3]! >>> (item & 7)) & 1) === 0) continue;
      writer.word(set.positions[index]!);
      writer.word(set.tags[index]!);
    }
    this.push(from, to, this.doubtMark, doubts, 1);
  }

  /** The peer's items of doubtful tags, `mixes` of them at `at`: compare with mine of those tags, whole. */
  private answerMixes(from: number, to: number, at: number, mixes: number): void {
    const { writer, set } = this;
    const { positions, tags } = set!;
    const bytes = this.reader.bytes;
    const end = at + mixes * MIX_BYTES;
    this.elementsLeft -= 1;
    for (let index = from; index < to; index += 1) {
      let tagged = false;
      let held = false;
      for (let mix = at; mix < end; mix += MIX_BYTES) {
        if (readWord(bytes, mix + 4) !== tags[index]) continue;
        tagged = true;
        if (readWord(bytes, mix) >>> 0 === positions[index]) held = true;
      }
      if (tagged && !held) this.setHave(index);
    }
    for (let mix = at; mix < end; mix += MIX_BYTES) {
      const position = readWord(bytes, mix) >>> 0;
      const tag = readWord(bytes, mix + 4);
      let wanted = 1;
      for (let index = from; index < to; index += 1) {
        if (tags[index] === tag && positions[index] === position) wanted = 0;
      }
      writer.bit(wanted);
    }
  }

  private answerSplit(low: number, high: number, firstIndex: number): void {
    const { reader, theirs } = this;
    const set = this.set!;
    const parts = reader.varint();
    let partLow = low;
    let from = firstIndex;
    for (let part = 0; part < parts; part += 1) {
      const nextLow = partStart(low, high, parts, part + 1);
      const to = nextLow > POSITION_MAX ? set.count : set.indexOf(nextLow);
      theirs.count = reader.varint();
      theirs.xor = theirs.count === 0 ? 0 : reader.word();
      theirs.sum = theirs.count === 0 ? 0 : reader.word();
      this.elementsLeft -= 1;
      this.answerSummary(partLow, nextLow - 1, from, to, parts === 1);
      partLow = nextLow;
      from = to;
    }
  }

  /** `asked`: the peer left the range whole, which asks for a list if there is room for one. */
  private answerSummary(low: number, high: number, from: number, to: number, asked: boolean): void {
    const { decoder, theirs, own, writer } = this;
    const set = this.set!;
    if (theirs.count === 0) {
      for (let index = from; index < to; index += 1) this.setHave(index);
      writer.op(CLOSED);
      return;
    }
    if (from === to) {
      this.list(from, to);
      return;
    }
    set.summarise(from, to, own);
    const outcome = decoder.decode(set, from, to, own, theirs);
    if (outcome === COVERED || outcome === LACKING) {
      if (decoder.mine !== NONE) this.setHave(decoder.mine);
      if (decoder.mineToo !== NONE) this.setHave(decoder.mineToo);
      writer.op(outcome === LACKING ? WANT : CLOSED);
      if (outcome === LACKING) writer.word(decoder.wanted);
      return;
    }
    const items = to - from;
    const lopsided = theirs.count > 2 * items || 2 * theirs.count < items;
    const listing = items <= LIST_ITEMS_MAX || asked || lopsided;
    if (listing && VARINT_BYTES_MAX + items * TAG_BYTES <= this.roomBytes()) this.list(from, to);
    else this.divide(low, high, from, to, SPLIT_PARTS);
  }

  /** Bytes that may be written now, when every element still to be answered keeps the least that it may need. */
  private roomBytes(): number {
    return this.messageSizeBytesMax - this.writer.at - this.elementsLeft * SMALLEST_SPLIT_BYTES_MAX;
  }

  private list(from: number, to: number): void {
    const writer = this.writer;
    const set = this.set!;
    writer.op(TAGS);
    writer.varint(to - from);
    if (from === to) return;
    set.sortByTag(from, to);
    for (let index = from; index < to; index += 1) writer.word(set.tags[index]!);
    this.push(from, to, LIST, to - from + 1, 1);
  }

  /** Divide into as many of `partsWanted` as there is room for. */
  private divide(low: number, high: number, from: number, to: number, partsWanted: number): void {
    const { writer, own } = this;
    const set = this.set!;
    const roomParts = Math.floor((this.roomBytes() - VARINT_BYTES_MAX) / (SMALLEST_SPLIT_BYTES_MAX - 1));
    const roomRanges = this.openRangesMax - this.nextElements - this.elementsLeft;
    const parts = Math.max(1, Math.min(partsWanted, roomParts, roomRanges, high - low + 1));
    writer.op(SPLIT);
    writer.varint(parts);
    let partFrom = from;
    for (let part = 0; part < parts; part += 1) {
      const nextLow = partStart(low, high, parts, part + 1);
      const partTo = part === parts - 1 ? to : set.indexOf(nextLow);
      set.summarise(partFrom, partTo, own);
      writer.varint(own.count);
      if (own.count > 0) {
        writer.word(own.xor);
        writer.word(own.sum);
      }
      partFrom = partTo;
    }
    this.push(low, high, parts, OP_BITS * parts, parts);
  }

  private setHave(index: number): void {
    const item = this.set!.items[index]!;
    const bit = 1 << (item & 7);
    const before = this.have[item >>> 3]!;
    if ((before & bit) !== 0) return;
    this.have[item >>> 3] = before | bit;
    this.haveCount += 1;
  }

  private setDoubted(index: number): void {
    const item = this.set!.items[index]!;
    this.doubted[item >>> 3] = this.doubted[item >>> 3]! | (1 << (item & 7));
  }

  private countDoubted(from: number, to: number): number {
    const items = this.set!.items;
    let count = 0;
    for (let index = from; index < to; index += 1) {
      const item = items[index]!;
      count += (this.doubted[item >>> 3]! >>> (item & 7)) & 1;
    }
    return count;
  }
}

/**
 * The first position of part `part` of `low .. high` divided into `parts`: the least p with
 * floor((p - low) * parts / width) = part. For `part` = `parts` that is high + 1. Whole numbers below 2^53 throughout.
 */
function partStart(low: number, high: number, parts: number, part: number): number {
  const product = (high - low + 1) * part;
  const rest = product % parts;
  return low + (product - rest) / parts + (rest > 0 ? 1 : 0);
}
