/**
 * One side of a Negentropy session (Negentropy Protocol V1), client or server, message by message. Sans-I/O.
 *
 *     client                                     server
 *     message = initiate()                       answer = receive(message)
 *     loop: answer = receive(message)            send answer.message
 *
 * The session ends when the client's answer has no message. The `have` and `need` of all its answers are then the
 * difference. A server learns nothing and remembers nothing between two messages.
 *
 * Where the protocol leaves a choice, this class chooses as the reference implementation does, so that equal sets give
 * equal bytes: 16 parts, lists below 32 items, and shortest bounds. A message is cut as soon as it is within
 * FRAME_MARGIN_BYTES of its limit; one fingerprint then covers the rest.
 *
 * One exception: the reference's choice would lose items. A cut drops the answer to the current range. The reference
 * then fingerprints only the items behind that range, but its peer compares the fingerprint with all items since the
 * last range sent. Normally the two fingerprints differ, which costs a split. They agree when the peer has nothing in
 * the dropped range: the peer sent the fingerprint of an empty range there. Only in that case this class fingerprints
 * all items since the last range sent.
 *
 * Refuses by a reason, never by an exception. A malformed message has no effect. A server answers another version with
 * its own version. The part of a message behind a cut is not read. Work is linear in the size of the message and in the
 * items that are listed for it. The caller decides how many rounds to allow.
 */
import type { ItemVector } from "./item-vector.ts";
import {
  type Bound,
  FINGERPRINT,
  ID_LIST,
  INFINITE_BOUND,
  type MalformedMessage,
  MessageReader,
  MessageWriter,
  PROTOCOL_VERSION,
  SKIP,
} from "./message.ts";
import { ID_BYTES } from "./record.ts";

export const FRAME_SIZE_BYTES_MIN = 4096;
/** More than a skip, a bound, a count, an id and the final fingerprint together: 44 + 44 + 10 + 32 + 19. */
const FRAME_MARGIN_BYTES = 200;

const PARTS = 16;
const LIST_ITEMS_BELOW = 2 * PARTS;

/** version: the message has a protocol version that this class does not speak. */
export type Refusal = MalformedMessage | "version";

interface Difference {
  /** Ids that the server lacks. */
  readonly have: Uint8Array[];
  /** Ids that this client lacks. */
  readonly need: Uint8Array[];
}

export interface Answer extends Difference {
  /** The message to send. Undefined when the client is done. */
  readonly message: Uint8Array | undefined;
}

/** A range of the other side's message. */
interface Range {
  readonly mode: number;
  /** The items of this side in the range: `lower` up to but not including `upper`. */
  readonly lower: number;
  readonly upper: number;
  /** The fingerprint or the ids of the other side. */
  readonly theirs: Uint8Array;
}

export class NegentropySession {
  readonly #items: ItemVector;
  /** A message longer than this is cut. */
  readonly #cutBytes: number;
  #client = false;

  /** `items` must be sealed. `frameSizeBytesMax` limits the messages of this side; 0 is no limit. */
  constructor(items: ItemVector, frameSizeBytesMax = 0) {
    if (frameSizeBytesMax !== 0 && frameSizeBytesMax < FRAME_SIZE_BYTES_MIN) {
      throw new RangeError(`A frame size limit is 0 (none) or at least ${FRAME_SIZE_BYTES_MIN} bytes.`);
    }
    if (!items.sealed) throw new RangeError("Seal the items before a session.");
    this.#items = items;
    this.#cutBytes = frameSizeBytesMax === 0 ? Number.POSITIVE_INFINITY : frameSizeBytesMax - FRAME_MARGIN_BYTES;
  }

  /** Become the client. Returns the first message. */
  initiate(): Uint8Array {
    if (this.#client) throw new RangeError("This session has been initiated already.");
    this.#client = true;
    const writer = new MessageWriter();
    this.#split(0, this.#items.count, INFINITE_BOUND, writer);
    return writer.finish();
  }

  receive(message: Uint8Array): Answer | Refusal {
    const reader = new MessageReader(message);
    const writer = new MessageWriter();
    const difference: Difference = { have: [], need: [] };
    const version = reader.byte();
    if (reader.refusal === undefined && version !== PROTOCOL_VERSION) {
      const known = version >>> 4 === PROTOCOL_VERSION >>> 4;
      return known && !this.#client ? { message: writer.finish(), ...difference } : "version";
    }
    this.#answer(reader, writer, difference);
    if (reader.refusal !== undefined) return reader.refusal;
    return { message: this.#client && writer.length === 1 ? undefined : writer.finish(), ...difference };
  }

  #answer(reader: MessageReader, writer: MessageWriter, difference: Difference): void {
    const items = this.#items;
    let lower = 0;
    // Ranges that need no answer are sent as one Skip, and only before a range that needs an answer.
    let skipped: Bound | undefined;
    let answered = 0;
    while (!reader.exhausted) {
      const bound = reader.bound();
      const mode = reader.mode();
      const theirs = reader.payload(mode);
      if (reader.refusal !== undefined) return;
      const upper = items.lowerBound(lower, bound);
      if (this.#needsNoAnswer({ mode, lower, upper, theirs }, difference)) {
        skipped = bound;
        lower = upper;
        continue;
      }
      const length = writer.length;
      if (skipped !== undefined) writer.range(skipped, SKIP);
      skipped = undefined;
      if (mode === ID_LIST) {
        const end = Math.min(upper, lower + this.#listable(length));
        this.#list(lower, end, end < upper ? items.boundOf(end) : bound, writer);
        if (writer.length > this.#cutBytes) {
          this.#rest(end, writer);
          return;
        }
      } else {
        this.#split(lower, upper, bound, writer);
        if (writer.length > this.#cutBytes) {
          writer.rewind(length);
          const empty = Buffer.compare(theirs, items.fingerprint(0, 0)) === 0;
          this.#rest(empty ? answered : upper, writer);
          return;
        }
      }
      answered = upper;
      lower = upper;
    }
  }

  /** Whether a range needs no answer. A client also takes `have` and `need` from a list here. */
  #needsNoAnswer(range: Range, difference: Difference): boolean {
    const { mode, lower, upper, theirs } = range;
    if (mode === FINGERPRINT) return Buffer.compare(theirs, this.#items.fingerprint(lower, upper)) === 0;
    if (mode === ID_LIST && this.#client) this.#compare(range, difference);
    return mode === SKIP || this.#client;
  }

  /** How many ids a list may begin to write, when the message already has `length` bytes. */
  #listable(length: number): number {
    return Math.floor((this.#cutBytes - length) / ID_BYTES) + 1;
  }

  #compare({ lower, upper, theirs }: Range, { have, need }: Difference): void {
    const unmatched = new Map<string, Uint8Array>();
    for (let offset = 0; offset < theirs.length; offset += ID_BYTES) {
      const id = theirs.subarray(offset, offset + ID_BYTES);
      unmatched.set(textOf(id), id);
    }
    for (const id of this.#items.ids(lower, upper)) if (!unmatched.delete(textOf(id))) have.push(id);
    for (const id of unmatched.values()) need.push(id);
  }

  #split(lower: number, upper: number, bound: Bound, writer: MessageWriter): void {
    const count = upper - lower;
    if (count < LIST_ITEMS_BELOW) {
      this.#list(lower, upper, bound, writer);
      return;
    }
    const larger = count % PARTS;
    let from = lower;
    for (let part = 0; part < PARTS; part += 1) {
      const to = from + Math.floor(count / PARTS) + (part < larger ? 1 : 0);
      writer.range(to === upper ? bound : this.#items.boundBefore(to), FINGERPRINT);
      writer.bytes(this.#items.fingerprint(from, to));
      from = to;
    }
  }

  #list(lower: number, upper: number, bound: Bound, writer: MessageWriter): void {
    writer.range(bound, ID_LIST);
    writer.count(upper - lower);
    for (const id of this.#items.ids(lower, upper)) writer.bytes(id);
  }

  #rest(from: number, writer: MessageWriter): void {
    writer.range(INFINITE_BOUND, FINGERPRINT);
    writer.bytes(this.#items.fingerprint(from, this.#items.count));
  }
}

/** An id as a key of a Map: one character for each byte. */
function textOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("latin1");
}
