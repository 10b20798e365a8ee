/**
 * One side of a Negentropy session (Negentropy Protocol V1), client or server, by message. Sans-I/O.
 *
 *     client                                     server
 *     message = initiate()                       answer = receive(message)
 *     loop: answer = receive(message)            send answer.message
 *
 * until the client's answer has no message: then the `have` and `need` of all its answers are the difference. A server
 * learns nothing and remembers nothing between two messages.
 *
 * Where the protocol leaves a choice, this makes the reference implementation's, so that equal sets give equal bytes: 16
 * parts, lists below 32 items, shortest bounds, and a message that is cut as soon as it is within FRAME_MARGIN_BYTES of its limit,
 * the rest being one fingerprint.
 *
 * One exception, where that would lose items. A cut drops the answer to the range under work, yet the reference
 * fingerprints only what lies behind that range, while its peer compares with all since the last range sent. Those two
 * differ, and cost a split, unless the peer has nothing in the dropped range, which is when it called it empty. Then, and only
 * then, this fingerprints all since the last range sent.
 *
 * Refuses (a reason, never an exception): malformed messages, which have no effect, and other versions, which a server answers
 * with its own. What lies behind a cut is not read. Work is linear in the message and the items listed for it; how many
 * rounds to bear is the caller's to say.
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
/** More than a skip, a bound, a count, an id and the final fingerprint take together: 44 + 44 + 10 + 32 + 19. */
export const FRAME_MARGIN_BYTES = 200;

const PARTS = 16;
const LIST_ITEMS_BELOW = 2 * PARTS;

/** version: not one that this speaks. */
export type Refusal = MalformedMessage | "version";

export interface Answer {
  /** To be sent; undefined when the client is done. */
  readonly message: Uint8Array | undefined;
  /** Ids that the server lacks, and ids that this client lacks. */
  readonly have: Uint8Array[];
  readonly need: Uint8Array[];
}

export class NegentropySession {
  readonly #items: ItemVector;
  /** Beyond this a message is cut. */
  readonly #cutBytes: number;
  #client = false;

  /** `items` are sealed. `frameSizeBytesMax`: of a message of this side; 0 is no limit. */
  constructor(items: ItemVector, frameSizeBytesMax = 0) {
    if (frameSizeBytesMax !== 0 && frameSizeBytesMax < FRAME_SIZE_BYTES_MIN) {
      throw new RangeError(`A frame size limit is 0 (none) or at least ${FRAME_SIZE_BYTES_MIN} bytes.`);
    }
    if (!items.sealed) throw new RangeError("Seal the items before a session.");
    this.#items = items;
    this.#cutBytes = frameSizeBytesMax === 0 ? Number.POSITIVE_INFINITY : frameSizeBytesMax - FRAME_MARGIN_BYTES;
  }

  /** Become the client. The first message. */
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
    const have: Uint8Array[] = [];
    const need: Uint8Array[] = [];
    const version = reader.byte();
    if (reader.refusal === undefined && version !== PROTOCOL_VERSION) {
      const known = version >>> 4 === PROTOCOL_VERSION >>> 4;
      return known && !this.#client ? { message: writer.finish(), have, need } : "version";
    }
    this.#answer(reader, writer, have, need);
    if (reader.refusal !== undefined) return reader.refusal;
    return { message: this.#client && writer.length === 1 ? undefined : writer.finish(), have, need };
  }

  #answer(reader: MessageReader, writer: MessageWriter, have: Uint8Array[], need: Uint8Array[]): void {
    const items = this.#items;
    let lower = 0;
    // Ranges that need no answer are told of, as one, only before a range that does.
    let skipped: Bound | undefined;
    let answered = 0;
    while (!reader.exhausted) {
      const bound = reader.bound();
      const mode = reader.mode();
      const theirs = reader.payload(mode);
      if (reader.refusal !== undefined) return;
      const upper = items.lowerBound(lower, bound);
      if (this.#settled(mode, lower, upper, theirs, have, need)) {
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

  /** Whether a range needs no answer. A client takes what a list tells it. */
  #settled(
    mode: number,
    lower: number,
    upper: number,
    theirs: Uint8Array,
    have: Uint8Array[],
    need: Uint8Array[],
  ): boolean {
    if (mode === FINGERPRINT) return Buffer.compare(theirs, this.#items.fingerprint(lower, upper)) === 0;
    if (mode === ID_LIST && this.#client) this.#compare(lower, upper, theirs, have, need);
    return mode === SKIP || this.#client;
  }

  /** How many ids a list may begin to write when so many bytes are written already. */
  #listable(length: number): number {
    return Math.floor((this.#cutBytes - length) / ID_BYTES) + 1;
  }

  #compare(lower: number, upper: number, theirs: Uint8Array, have: Uint8Array[], need: Uint8Array[]): void {
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

/** An id as a key of a Map: a character a byte. */
function textOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("latin1");
}
