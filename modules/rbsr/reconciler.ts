/**
 * Range-based set reconciliation: one side of one session (docs/protocol.md, "Reconciliation").
 *
 * Two nodes meet, and each must learn which of its own items the other lacks, without sending a list of everything. So
 * they summarise ranges of the id space: a range whose summaries agree is done, a range that differs by very few items
 * is decoded from its summaries, and any other range is listed or divided again. In these files "I" and "my" mean this
 * side of the session, and "the peer" means the other.
 *
 * Sans-I/O: a message in, a message out. Both sides hold a sealed `SaltedSet` under one session key.
 *
 *     initiator                               responder
 *     n = initiate(set, estimate, out)        respondTo(set)
 *     loop: n = receive(message, ..., out)    loop: n = receive(message, ..., out)
 *
 * Both sides go on until `state` is "done" (a length of 0 means that there is nothing to send). Then `has(item)` on
 * each side is true for exactly the items that the peer lacks. So the two answers together are the two difference sets.
 *
 * Each message answers everything that the peer's last message opened (message.ts). So a session has the summaries of
 * the first split, then what could be decoded and lists of the rest, then the wanted bits of the lists. The initiator
 * knows both directions after one round trip, or after two where the lists fill more than a message. A third message is
 * sent only when something was listed.
 *
 * Exactness: tags have 32 bits. Two items of one side that share a tag in one range are told apart by their whole mixes
 * (the doubt bit of a list's answer). Two *different* items, one on each side only, in one range and of one tag, look
 * like one common item. Neither side sends such an item before a session with another key. The chance is (only mine) x
 * (only the peer's) / parts / 2^32: at 25 against 25 three in 10^9, at 750 against 750 in one list one in 8,000.
 *
 * The work is divided by concept: what is open between two messages (open-ranges.ts), the check of a whole message
 * (check.ts), the conclusions and the answer (answer.ts), and what is written of a range (range-writer.ts). This file
 * is the session: when a message is expected, and when the session ends.
 *
 * Working memory in bytes at 750 items and 64 ranges: tables 2 x 64 x 9 = 1,152, two bitmaps of 94; with the set's
 * 7,756 that is 9,096. All of it is taken in the constructors. A message makes no garbage.
 *
 * A session is refused, and nothing is thrown, when a message is malformed or too long, when there are more than
 * MESSAGES_MAX messages, when a message opens more elements than one may, when a WANT does not name one item, and when
 * doubts do not fit into a message. What `has` says then is incomplete, and may name items that the peer has. The
 * caller starts again under another key.
 */
import { type AnswerRefusal, MessageAnswer } from "./answer.ts";
import { type CheckRefusal, MessageCheck } from "./check.ts";
import { ItemBitmap } from "./item-bitmap.ts";
import { MessageReader, MessageWriter, OP_BITS } from "./message.ts";
import { OpenRanges, POSITION_MAX } from "./open-ranges.ts";
import { RangeWriter } from "./range-writer.ts";
import type { SaltedSet } from "./salted-set.ts";
import { splitFor } from "./split.ts";

/**
 * The largest message, either way. No message needs a larger buffer than a Drop. So the link's body is at most 2,048
 * bytes, and the body of an OPEN, which carries the first message, begins with a prefix of 11. All messages share one
 * number, so that neither side has to know which of its messages has more room. All 750 items of a board take 3,000
 * bytes of tags. They are listed in parts, some by either side.
 */
export const MESSAGE_SIZE_BYTES_MAX = 2037;

/**
 * How many elements one message may open. More parts never serve two full boards better: from 400 differences on a list
 * is shorter, and below that the lists of twelve tags cost no more than the summaries that are spared.
 */
export const OPEN_RANGES_MAX = 64;

/** How many messages one side accepts in a session. Two full boards need three at most, however wrong the estimate. */
export const MESSAGES_MAX = 16;

/**
 * idle: no session was begun. open: the session expects a message. done: the session is over, and `has` is exact.
 * refused: the session was given up, and `refusal` says why.
 */
export type ReconcilerState = "idle" | "open" | "done" | "refused";

/**
 * long: the message is larger than `messageSizeBytesMax`. rounds: there are too many messages. For the others see
 * check.ts and answer.ts.
 */
export type ReconcileRefusal = CheckRefusal | AnswerRefusal | "long" | "rounds";

/** Sizes of a Reconciler. Its memory follows from them, and is taken in the constructor. */
export interface ReconcilerOptions {
  /** Items of the largest set, as in `new SaltedSet(capacity)`. */
  readonly capacity: number;
  /** How many elements a message may open. Both sides of a session use one number. */
  readonly openRangesMax?: number;
  /** The size of the largest message. Both sides of a session use one number. */
  readonly messageSizeBytesMax?: number;
}

/**
 * One side of reconciliation, for one session at a time (docs/protocol.md, "Reconciliation"). `initiate` or `respondTo`
 * begins a session and forgets the one before. No message makes it throw; a set larger than the capacity, or a
 * buffer too small for an answer, is a bug of the caller and throws an Error.
 */
export class Reconciler {
  /** Where the session stands. */
  state: ReconcilerState = "idle";
  /** Why the state is "refused". */
  refusal: ReconcileRefusal | undefined = undefined;
  readonly #capacity: number;
  readonly #messageSizeBytesMax: number;
  /** My items that the peer is known to lack. */
  readonly #have: ItemBitmap;
  /** My items sent in a list of whole mixes that is not answered yet. */
  readonly #doubted: ItemBitmap;
  readonly #open: OpenRanges;
  readonly #reader = new MessageReader();
  readonly #writer = new MessageWriter();
  readonly #ranges: RangeWriter;
  readonly #check: MessageCheck;
  readonly #answer: MessageAnswer;
  #set: SaltedSet | undefined = undefined;
  #messages = 0;
  /** The peer's next message is its first, and answers nothing of mine. */
  #first = false;

  /** Throws an Error when messages of this size cannot hold what so many open ranges need. */
  constructor(options: ReconcilerOptions) {
    const openRangesMax = options.openRangesMax ?? OPEN_RANGES_MAX;
    const messageSizeBytesMax = options.messageSizeBytesMax ?? MESSAGE_SIZE_BYTES_MAX;
    this.#capacity = options.capacity;
    this.#messageSizeBytesMax = messageSizeBytesMax;
    this.#have = new ItemBitmap(options.capacity);
    this.#doubted = new ItemBitmap(options.capacity);
    this.#open = new OpenRanges(openRangesMax);
    this.#ranges = new RangeWriter(this.#writer, this.#open, messageSizeBytesMax, MESSAGES_MAX);
    this.#check = new MessageCheck(this.#reader, this.#open, this.#doubted);
    this.#answer = new MessageAnswer(this.#reader, this.#ranges, this.#have, this.#doubted);
  }

  /** Whether the peer is known to lack my item of this number. */
  has(item: number): boolean {
    return this.#have.has(item);
  }

  /** How many of my items the peer is known to lack. */
  get haveCount(): number {
    return this.#have.count;
  }

  /**
   * Write the first message into `out` (messageSizeBytesMax bytes or more) and return its length. `estimate`: how many
   * items are expected to differ, both ways together, from `Fingerprint.estimate`. `peerCount`: how many items the peer
   * holds, if known.
   */
  initiate(set: SaltedSet, estimate: number, out: Uint8Array, peerCount: number = set.count): number {
    this.#begin(set, out);
    this.#writer.begin(out, OP_BITS);
    const parts = splitFor(estimate, set.count, peerCount, this.#open.rangesMax);
    const { range } = this.#ranges;
    range.low = 0;
    range.high = POSITION_MAX;
    range.from = 0;
    range.to = set.count;
    if (parts === 0) this.#ranges.listOrLeave(set, peerCount);
    else if (parts === 1) this.#ranges.leave(set, peerCount);
    else this.#ranges.divide(set, parts, false);
    return this.#sent();
  }

  /** Begin a session that the peer initiates. The next `receive` takes the peer's first message. */
  respondTo(set: SaltedSet): void {
    this.#begin(set, undefined);
    this.#open.pushSplit(0, POSITION_MAX, 1);
    this.#open.commit();
    this.#first = true;
  }

  /**
   * Take the peer's message, `length` bytes at `offset`, and write the answer into `out` (messageSizeBytesMax bytes or
   * more, not the same memory). Returns the length of the answer, or 0 when there is nothing to send: the session is
   * done or refused, or expects no message.
   */
  receive(message: Uint8Array, offset: number, length: number, out: Uint8Array): number {
    if (this.state !== "open") return 0;
    this.#assertRoom(out);
    this.#messages += 1;
    if (this.#messages > MESSAGES_MAX) return this.#refuse("rounds");
    if (length > this.#messageSizeBytesMax) return this.#refuse("long");
    const set = this.#set!;
    const reader = this.#reader;
    reader.begin(message, offset, length, this.#open.answerBits);
    const malformed = this.#check.check(set, this.#first);
    if (malformed !== undefined) return this.#refuse(malformed);
    reader.begin(message, offset, length, this.#open.answerBits);
    const elements = this.#check.elements;
    if (elements > 0) this.#writer.begin(out, this.#check.answerBits);
    this.#ranges.elementsLeft = elements;
    const refusal = this.#answer.answer(set);
    if (refusal !== undefined) return this.#refuse(refusal);
    if (elements > 0) return this.#sent();
    this.state = "done";
    return 0;
  }

  #begin(set: SaltedSet, out: Uint8Array | undefined): void {
    if (set.capacity > this.#capacity) throw new Error("rbsr: the set's capacity is larger than the reconciler's");
    if (out !== undefined) this.#assertRoom(out);
    this.#set = set;
    this.state = "open";
    this.refusal = undefined;
    this.#have.clear();
    this.#doubted.clear();
    this.#open.clear();
    this.#ranges.elementsLeft = 0;
    this.#messages = 0;
    this.#first = false;
  }

  #assertRoom(out: Uint8Array): void {
    if (out.length < this.#messageSizeBytesMax) throw new Error("rbsr: the buffer is smaller than messageSizeBytesMax");
  }

  /** My message is written: await the answer, or end the session if the message opened nothing. Returns its length. */
  #sent(): number {
    this.#first = false;
    if (!this.#open.commit()) this.state = "done";
    return this.#writer.at;
  }

  #refuse(reason: ReconcileRefusal): number {
    this.state = "refused";
    this.refusal = reason;
    return 0;
  }
}
