/**
 * What I say of a range, written so that the rest of the message still fits: all its tags, the summaries of its parts,
 * or whole mixes of it (ops TAGS and SPLIT and the doubt bit's body; docs/protocol.md, "Messages"). Whatever is written
 * is also opened, for the peer to answer.
 *
 * An answer is written from front to back, yet neither its bytes nor the elements that it opens may pass a bound. So
 * each element that is still to be answered (`elementsLeft`) keeps the least that it may need: the smallest SPLIT, and
 * one open range. Whatever is written now takes only from the rest.
 *
 * Invariant: a message that was begun can be finished. That a full table of open ranges fits into a message at all is
 * checked once, in the constructor, which the Reconciler's constructor calls.
 *
 * Progress: no range goes to and fro whole. A list of at most `listRoomBytes` fits into any message that has not listed
 * anything yet. So a range whose list does not fit is left in parts that one of the two sides can list next, and asks
 * for that list. Only a full table of open ranges can keep a range from being divided. A full table of ranges that are
 * this long is more than the messages of a session could carry: the constructor refuses sizes that would allow it.
 *
 * A list re-orders its range by tag (`SaltedSet.sortByTag`). So a range that was listed is never divided.
 *
 * The writer does not decide what suits a range. The caller decides: split.ts for the first message, answer.ts for the
 * others. The constructor throws (a bug of the caller) when the messages are too small for the open ranges, or the open
 * ranges too few for the messages.
 */
import type { ItemBitmap } from "./item-bitmap.ts";
import {
  ITEM_TAG_BYTES,
  type MessageWriter,
  MIX_BYTES,
  SMALLEST_SPLIT_BYTES_MAX,
  SPLIT,
  TAGS,
  VARINT_BYTES_MAX,
} from "./message.ts";
import { type OpenRanges, partStart } from "./open-ranges.ts";
import { Range } from "./range.ts";
import type { SaltedSet } from "./salted-set.ts";
import { Summary } from "./summary.ts";

export class RangeWriter {
  /** How many elements of the peer's message are still to be answered. Room is kept for each of them. */
  elementsLeft = 0;
  /**
   * The longest list, in bytes, that fits when every element that a message may open keeps the least that it may need.
   */
  readonly listRoomBytes: number;
  /** The range that the next call writes about. The caller fills it in first. */
  readonly range = new Range();
  readonly writer: MessageWriter;
  readonly open: OpenRanges;
  readonly #messageSizeBytesMax: number;
  readonly #own = new Summary();

  constructor(writer: MessageWriter, open: OpenRanges, messageSizeBytesMax: number, messagesMax: number) {
    // Every element may need the smallest SPLIT in its answer, and every listed tag or mix a bit.
    const answerBytes = open.rangesMax * (SMALLEST_SPLIT_BYTES_MAX + 1) + messageSizeBytesMax / 32 + 1;
    this.listRoomBytes = messageSizeBytesMax - Math.ceil(answerBytes);
    if (this.listRoomBytes * open.rangesMax < messageSizeBytesMax * messagesMax) {
      throw new Error(
        "rbsr: messageSizeBytesMax is too small for so many open ranges, or openRangesMax too few for such messages",
      );
    }
    this.writer = writer;
    this.open = open;
    this.#messageSizeBytesMax = messageSizeBytesMax;
  }

  /** List the range if there is room; otherwise leave it. `theirCount`: how many items the peer holds there. */
  listOrLeave(set: SaltedSet, theirCount: number): void {
    if (listBytes(this.range.to - this.range.from) <= this.#roomBytes()) this.list(set);
    else this.leave(set, theirCount);
  }

  /**
   * Leave the range for a later message: divide it into as few parts as one of the two sides can list, and ask for
   * lists.
   */
  leave(set: SaltedSet, theirCount: number): void {
    const { from, to } = this.range;
    const parts = Math.ceil(listBytes(Math.min(to - from, theirCount)) / this.listRoomBytes);
    this.divide(set, parts, true);
  }

  /** List all my tags of the range. The caller knows that the list fits. */
  list(set: SaltedSet): void {
    const { from, to } = this.range;
    const writer = this.writer;
    writer.op(TAGS);
    writer.varint(to - from);
    if (from === to) return;
    set.sortByTag(from, to);
    for (let index = from; index < to; index += 1) writer.word(set.tags[index]!);
    this.open.pushList(from, to);
  }

  /**
   * Divide the range into `partsWanted` parts, or as many as there is room for. `asked`: I ask for lists rather than
   * further summaries. A range that is left whole always asks.
   */
  divide(set: SaltedSet, partsWanted: number, asked: boolean): void {
    const { low, high, from, to } = this.range;
    const writer = this.writer;
    const open = this.open;
    const own = this.#own;
    const roomParts = Math.floor((this.#roomBytes() - VARINT_BYTES_MAX) / (SMALLEST_SPLIT_BYTES_MAX - 1));
    const roomRanges = open.rangesMax - open.nextElements - this.elementsLeft;
    const parts = Math.max(1, Math.min(partsWanted, roomParts, roomRanges, high - low + 1));
    writer.op(SPLIT);
    writer.varint(2 * parts + (asked || parts === 1 ? 1 : 0));
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
    open.pushSplit(low, high, parts);
  }

  /**
   * Send the `count` doubted items of the range as whole mixes. False when they do not fit; then nothing is written.
   */
  mixes(set: SaltedSet, doubted: ItemBitmap, count: number): boolean {
    const { from, to } = this.range;
    if (VARINT_BYTES_MAX + count * MIX_BYTES > this.#roomBytes()) return false;
    const writer = this.writer;
    writer.varint(count);
    for (let index = from; index < to; index += 1) {
      if (!doubted.has(set.items[index]!)) continue;
      writer.word(set.positions[index]!);
      writer.word(set.tags[index]!);
    }
    this.open.pushMixes(from, to, count);
    return true;
  }

  /**
   * How many bytes may be written now, when every element that is still to be answered keeps the least that it may
   * need.
   */
  #roomBytes(): number {
    return this.#messageSizeBytesMax - this.writer.at - this.elementsLeft * SMALLEST_SPLIT_BYTES_MAX;
  }
}

function listBytes(items: number): number {
  return VARINT_BYTES_MAX + items * ITEM_TAG_BYTES;
}
