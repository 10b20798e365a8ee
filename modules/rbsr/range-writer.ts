/**
 * Writes what I say of a range, and opens it for the peer to answer: all its tags, its parts' summaries, or whole mixes of it
 * (ops TAGS and SPLIT and the doubt bit's body; docs/protocol.md, "Messages").
 *
 * Invariant: a message that was begun can be finished. An answer is written from front to back, yet neither its bytes nor
 * what it opens may pass a bound, so each element that is still to be answered (`elementsLeft`) keeps the least that it may
 * need: the smallest SPLIT, and one open range. Whatever is written now takes of the rest only. That a full table of open
 * ranges fits into a message at all is checked once, in the Reconciler's constructor.
 *
 * Lists re-order their range by tag (`SaltedSet.sortByTag`), which is why a range that was listed is never divided.
 *
 * Refuses to decide what suits a range: that is the caller's (split.ts for the first message, answer.ts for the others). A
 * list has been measured against `roomBytes` before it comes here; only `mixes` says itself that there is no room.
 */
import type { ItemBitmap } from "./item-bitmap.ts";
import {
  type MessageWriter,
  MIX_BYTES,
  OP_BITS,
  SMALLEST_SPLIT_BYTES_MAX,
  SPLIT,
  TAGS,
  VARINT_BYTES_MAX,
} from "./message.ts";
import { LIST, type OpenRanges, partStart } from "./open-ranges.ts";
import type { SaltedSet } from "./salted-set.ts";
import { Summary } from "./summary.ts";

export class RangeWriter {
  /** Elements of the message in hand that are still to be answered: room is kept for each. */
  elementsLeft = 0;
  readonly #writer: MessageWriter;
  readonly #open: OpenRanges;
  readonly #messageSizeBytesMax: number;
  readonly #own = new Summary();

  constructor(writer: MessageWriter, open: OpenRanges, messageSizeBytesMax: number) {
    this.#writer = writer;
    this.#open = open;
    this.#messageSizeBytesMax = messageSizeBytesMax;
  }

  /** Bytes that may be written now, when every element still to be answered keeps the least that it may need. */
  roomBytes(): number {
    return this.#messageSizeBytesMax - this.#writer.at - this.elementsLeft * SMALLEST_SPLIT_BYTES_MAX;
  }

  list(set: SaltedSet, from: number, to: number): void {
    const writer = this.#writer;
    writer.op(TAGS);
    writer.varint(to - from);
    if (from === to) return;
    set.sortByTag(from, to);
    for (let index = from; index < to; index += 1) writer.word(set.tags[index]!);
    this.#open.push(from, to, LIST, to - from + 1, 1);
  }

  /** Divide positions `low .. high`, items `from .. to`, into as many of `partsWanted` as there is room for. */
  divide(set: SaltedSet, low: number, high: number, from: number, to: number, partsWanted: number): void {
    const writer = this.#writer;
    const open = this.#open;
    const own = this.#own;
    const roomParts = Math.floor((this.roomBytes() - VARINT_BYTES_MAX) / (SMALLEST_SPLIT_BYTES_MAX - 1));
    const roomRanges = open.rangesMax - open.nextElements - this.elementsLeft;
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
    open.push(low, high, parts, OP_BITS * parts, parts);
  }

  /** Send the `count` doubted items of `from .. to` as whole mixes. False, with nothing written: they do not fit. */
  mixes(set: SaltedSet, from: number, to: number, doubted: ItemBitmap, count: number): boolean {
    if (VARINT_BYTES_MAX + count * MIX_BYTES > this.roomBytes()) return false;
    const writer = this.#writer;
    writer.varint(count);
    for (let index = from; index < to; index += 1) {
      if (!doubted.has(set.items[index]!)) continue;
      writer.word(set.positions[index]!);
      writer.word(set.tags[index]!);
    }
    this.#open.push(from, to, this.#open.mixesFanout, count, 1);
    return true;
  }
}
