/**
 * The messages of a link that are under way: which fragments each of them has, which were sent, and which arrived.
 *
 * At most MESSAGES_AHEAD_MAX messages are under way, named by sequence numbers that follow one another. A message stays
 * until its receiver has finished it and all messages before it are finished.
 *
 * The table holds no bytes of a message. They come from the sender's MessageSource. This class refuses to decide what
 * is sent next (sender.ts), and what counts as lost (transmissions.ts).
 */
import { MESSAGES_AHEAD_MAX } from "./ack.ts";
import { PAYLOAD_BYTES_V1, SEQUENCE_COUNT } from "./frame.ts";
import { DROP, FRAME_TYPES, type MessageType } from "./frame-type.ts";
import { fragmentCount, fragmentMask } from "./message.ts";
import { Outgoing } from "./ports.ts";

/** In place of a sequence number or of a place: none. */
const NONE = -1;

/**
 * Columns of the table. One array, since XS spends 176 bytes on each array, and there are four senders. TYPE: the
 * message's type, 0 when it is finished.
 */
export const TYPE = 0;
/** The claim byte, and NAMED. */
export const CLAIM = MESSAGES_AHEAD_MAX;
const BODY_BYTES = 2 * MESSAGES_AHEAD_MAX;
const HANDLE = 3 * MESSAGES_AHEAD_MAX;
/** All fragments of the message, as a mask. */
export const ALL = 4 * MESSAGES_AHEAD_MAX;
/** Of these, the fragments that were sent and are not lost. */
export const SENT = 5 * MESSAGES_AHEAD_MAX;
/** Of these, the fragments that arrived. */
export const ACKED = 6 * MESSAGES_AHEAD_MAX;
const COLUMNS = 7;
/** Beside the claim: this link has sent a fragment of the message itself, so the peer can know its sequence number. */
export const NAMED = 0x100;

export class OutgoingTable {
  /** Message s has place s % MESSAGES_AHEAD_MAX in each column. */
  readonly table = new Uint16Array(COLUMNS * MESSAGES_AHEAD_MAX);
  /** Messages base .. next - 1 are under way. */
  base = 0;
  next = 0;
  /** All messages before this one are sent, as far as is known. */
  unsentFrom = 0;
  /** Messages of several fragments that are under way: the peer's credit counts these. */
  large = 0;
  readonly #ids = new Uint32Array(2 * MESSAGES_AHEAD_MAX);
  readonly #message = new Outgoing();
  /** The sequence number of the message in `#message`, or NONE. */
  #loaded = NONE;

  begin(): void {
    this.table.fill(0, TYPE, TYPE + MESSAGES_AHEAD_MAX);
    this.base = 0;
    this.next = 0;
    this.unsentFrom = 0;
    this.large = 0;
    this.#loaded = NONE;
  }

  /** No message is under way any more. */
  clear(): void {
    this.table.fill(0, TYPE, TYPE + MESSAGES_AHEAD_MAX);
    this.base = this.next;
  }

  /** How many messages are under way, finished ones between others included. */
  get count(): number {
    return (this.next - this.base) & (SEQUENCE_COUNT - 1);
  }

  /** The record in which a source fills in a message, for `add`. */
  get blank(): Outgoing {
    this.#loaded = NONE;
    return this.#message;
  }

  /** The message in `blank` is under way from now on. Returns its sequence number. */
  add(agreedBytes: number): number {
    const table = this.table;
    const message = this.#message;
    const sequence = this.next;
    const place = sequence % MESSAGES_AHEAD_MAX;
    const all = fragmentMask(fragmentCount(message.bodyBytes, fragmentBytesOf(message.type, agreedBytes)));
    table[TYPE + place] = message.type;
    table[CLAIM + place] = message.claim;
    this.#ids[place] = message.shortIdLow;
    this.#ids[MESSAGES_AHEAD_MAX + place] = message.shortIdHigh;
    table[BODY_BYTES + place] = message.bodyBytes;
    table[HANDLE + place] = message.handle;
    table[ALL + place] = all;
    table[SENT + place] = 0;
    table[ACKED + place] = 0;
    if (all > 1) this.large++;
    this.#loaded = sequence;
    this.next = following(sequence);
    return sequence;
  }

  /** The message of this sequence number, which is under way. Most often it is loaded already. */
  load(sequence: number): Outgoing {
    const message = this.#message;
    if (sequence === this.#loaded) return message;
    const table = this.table;
    this.#loaded = sequence;
    const place = sequence % MESSAGES_AHEAD_MAX;
    message.type = table[TYPE + place] as MessageType;
    message.claim = table[CLAIM + place]! & ~NAMED;
    message.shortIdLow = this.#ids[place]!;
    message.shortIdHigh = this.#ids[MESSAGES_AHEAD_MAX + place]!;
    message.bodyBytes = table[BODY_BYTES + place]!;
    message.handle = table[HANDLE + place]!;
    return message;
  }

  /** The receiver needs no more of the message in this place. */
  finish(place: number): void {
    this.table[TYPE + place] = 0;
    if (this.table[ALL + place]! > 1) this.large--;
  }

  /** Forget the finished messages before the first that is not. */
  trim(): void {
    const table = this.table;
    while (this.base !== this.next && table[TYPE + (this.base % MESSAGES_AHEAD_MAX)] === 0) {
      this.base = following(this.base);
    }
    this.unsentFrom = this.base;
  }

  /** The first message from `sequence` on that has a fragment to send, or NONE. The message in place `except` aside. */
  unsent(sequence: number, except: number = NONE): number {
    const table = this.table;
    const next = this.next;
    for (let i = sequence; i !== next; i = following(i)) {
      const place = i % MESSAGES_AHEAD_MAX;
      if (place === except) continue;
      if (table[TYPE + place] !== 0 && table[SENT + place] !== table[ALL + place]) return i;
    }
    return NONE;
  }

  /** The place of this Drop, or NONE. */
  placeOf(shortIdLow: number, shortIdHigh: number): number {
    for (let sequence = this.base; sequence !== this.next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (this.#ids[place] !== shortIdLow || this.#ids[MESSAGES_AHEAD_MAX + place] !== shortIdHigh) continue;
      if (this.table[TYPE + place] === DROP) return place;
    }
    return NONE;
  }

  /** The handle of the oldest Drop of several fragments that `wanted` accepts, or NONE. */
  find(wanted: { offers(handle: number): boolean }): number {
    const table = this.table;
    for (let sequence = this.base; sequence !== this.next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (table[TYPE + place] !== DROP || table[ALL + place] === 1) continue;
      const handle = table[HANDLE + place]!;
      if (wanted.offers(handle)) return handle;
    }
    return NONE;
  }

  /** Whether all messages under way are Drops. Other messages have buffers of their own at the peer. */
  get onlyDrops(): boolean {
    for (let sequence = this.base; sequence !== this.next; sequence = following(sequence)) {
      const type = this.table[TYPE + (sequence % MESSAGES_AHEAD_MAX)];
      if (type !== 0 && type !== DROP) return false;
    }
    return true;
  }
}

/** Bytes of a full payload of a message. An opening is always cut small; the others as the session agreed. */
export function fragmentBytesOf(type: MessageType, agreedBytes: number): number {
  return FRAME_TYPES[type].opens ? PAYLOAD_BYTES_V1 : agreedBytes;
}

/** The sequence number after this one. */
export function following(sequence: number): number {
  return (sequence + 1) & (SEQUENCE_COUNT - 1);
}
