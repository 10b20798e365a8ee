/**
 * The messages between a dongle and its computer (docs/dongle.md, "Messages"): six messages, little-endian, each
 * followed by its CRC-32 on the line.
 *
 * | message | from | bytes | fields: offset name                                                                       |
 * |---------|------|-------|-------------------------------------------------------------------------------------------|
 * | HELLO   | host | 7     | 0 kind 1, 1 version, 2 session (4), 6 window                                              |
 * | WELCOME | dongle | 17  | 0 kind 2, 1 version, 2 session (4), 6 window, 7 address (6), 13 frame_size_max (2), 15 receive_queue (2) |
 * | FRAME   | both | 14+n  | 0 kind 3, 1 session (4), 5 sequence (2), 7 address (6), 13 rssi, 14 the frame             |
 * | STATUS  | both | 25    | 0 kind 4, 1 session (4), 5 sent (2), 7 done (2), 9 lost, 13 refused, 17 missed, 21 damaged (4 each) |
 * | ASK     | host | 6     | 0 kind 6, 1 session (4), 5 topic                                                          |
 * | TELL    | dongle | 6+n | 0 kind 7, 1 session (4), 5 topic, 6 the text                                              |
 *
 * Kind, version and session of a HELLO and a WELCOME have the same place in every version, so that two ends of
 * different versions can say so. Lengths are exact: a message of any other length is refused. The host draws the
 * session, never 0. Counters are absolute, so that no information is lost with a lost message.
 */
import { ADDRESS_BYTES, type MacAddress } from "../throwie/ports.ts";

export const VERSION = 1;
/** Bits per second of a line that has a speed; USB has none. 300 frames of 250 bytes a second take 830,000 of them. */
export const LINE_BAUD = 921_600;
/** The size of an ESP-NOW v2 body. */
export const FRAME_SIZE_BYTES_MAX = 1_470;

export const HELLO = 1;
export const WELCOME = 2;
export const FRAME = 3;
export const STATUS = 4;
export const ASK = 6;
export const TELL = 7;

/** What a host may ask about: the version, the build's hash and the settings of the dongle's firmware. */
export const TOPIC_FIRMWARE = 1;
/** What the board has left of memory and stacks. */
export const TOPIC_HEADROOM = 2;

export const VERSION_AT = 1;
export const GREETING_SESSION_AT = 2;
export const WINDOW_AT = 6;
export const HELLO_BYTES = 7;

export const WELCOME_ADDRESS_AT = 7;
export const FRAME_SIZE_MAX_AT = 13;
export const RECEIVE_QUEUE_AT = 15;
const WELCOME_BYTES = 17;
/** The size of the part that a HELLO and a WELCOME have in every version. */
export const GREETING_BYTES_MIN = 6;

export const SESSION_AT = 1;
export const SEQUENCE_AT = 5;
export const FRAME_ADDRESS_AT = 7;
export const RSSI_AT = 13;
export const FRAME_AT = 14;

export const SENT_AT = 5;
export const DONE_AT = 7;
export const LOST_AT = 9;
export const REFUSED_AT = 13;
export const MISSED_AT = 17;
export const DAMAGED_AT = 21;
export const STATUS_BYTES = 25;

export const TOPIC_AT = 5;
export const TEXT_AT = 6;
const ASK_BYTES = 6;
/** Longer than the text of any topic. A dongle cuts a text that is longer. */
const TEXT_BYTES_MAX = 250;
export const TELL_BYTES_MAX = TEXT_AT + TEXT_BYTES_MAX;

export const LINE_MESSAGE_SIZE_BYTES_MAX = FRAME_AT + FRAME_SIZE_BYTES_MAX;

/** Writes a message that `encodeLine` (framing.ts) then seals for the line. Returns its size in bytes. */
export function writeHello(bytes: Uint8Array, at: number, session: number, window: number): number {
  bytes[at] = HELLO;
  bytes[at + VERSION_AT] = VERSION;
  putU32(bytes, at + GREETING_SESSION_AT, session);
  bytes[at + WINDOW_AT] = window;
  return HELLO_BYTES;
}

export interface Welcome {
  session: number;
  window: number;
  address: MacAddress;
  frameSizeBytesMax: number;
  receiveQueueFrames: number;
}

export function writeWelcome(bytes: Uint8Array, at: number, welcome: Welcome): number {
  const { session, window, address, frameSizeBytesMax, receiveQueueFrames } = welcome;
  bytes[at] = WELCOME;
  bytes[at + VERSION_AT] = VERSION;
  putU32(bytes, at + GREETING_SESSION_AT, session);
  bytes[at + WINDOW_AT] = window;
  for (let i = 0; i < ADDRESS_BYTES; i++) bytes[at + WELCOME_ADDRESS_AT + i] = address[i]!;
  putU16(bytes, at + FRAME_SIZE_MAX_AT, frameSizeBytesMax);
  putU16(bytes, at + RECEIVE_QUEUE_AT, Math.min(receiveQueueFrames, 0xffff));
  return WELCOME_BYTES;
}

export interface Envelope {
  session: number;
  sequence: number;
  /** The receiver's on the way to the dongle, the sender's on the way to the computer. */
  address: MacAddress;
  /** 0 on the way to the dongle. */
  rssiDbm: number;
}

/** Writes a FRAME as far as FRAME_AT, where the frame itself begins. */
export function writeEnvelope(bytes: Uint8Array, at: number, header: Envelope): void {
  const { address } = header;
  bytes[at] = FRAME;
  putU32(bytes, at + SESSION_AT, header.session);
  putU16(bytes, at + SEQUENCE_AT, header.sequence);
  for (let i = 0; i < ADDRESS_BYTES; i++) bytes[at + FRAME_ADDRESS_AT + i] = address[i]!;
  bytes[at + RSSI_AT] = header.rssiDbm;
}

/** Counts since the session began. */
export interface LineLosses {
  /** FRAMEs of the other end that did not arrive whole. */
  lost: number;
  /** FRAMEs of the other end that arrived and could not be used. */
  refused: number;
  /** Frames for the other end that had no room. */
  missed: number;
  /** Stretches between delimiters that were no message of this protocol. */
  damaged: number;
}

export interface Status extends LineLosses {
  session: number;
  /** The number of the last FRAME that is wholly on the line. */
  sent: number;
  /** All FRAMEs of the other end up to this number are handed on, or known to be lost. */
  done: number;
}

export function writeStatus(bytes: Uint8Array, at: number, status: Status): number {
  bytes[at] = STATUS;
  putU32(bytes, at + SESSION_AT, status.session);
  putU16(bytes, at + SENT_AT, status.sent);
  putU16(bytes, at + DONE_AT, status.done);
  putU32(bytes, at + LOST_AT, status.lost);
  putU32(bytes, at + REFUSED_AT, status.refused);
  putU32(bytes, at + MISSED_AT, status.missed);
  putU32(bytes, at + DAMAGED_AT, status.damaged);
  return STATUS_BYTES;
}

export interface Note {
  session: number;
  topic: number;
}

export function writeAsk(bytes: Uint8Array, at: number, note: Note): number {
  return writeNote(bytes, at, ASK, note);
}

/** `text` is ASCII. An empty text says that the dongle knows nothing of this topic. */
export function writeTell(bytes: Uint8Array, at: number, note: Note, text: string): number {
  const lengthBytes = Math.min(text.length, TEXT_BYTES_MAX);
  for (let i = 0; i < lengthBytes; i++) bytes[at + TEXT_AT + i] = text.charCodeAt(i);
  return writeNote(bytes, at, TELL, note) + lengthBytes;
}

function writeNote(bytes: Uint8Array, at: number, kind: number, { session, topic }: Note): number {
  bytes[at] = kind;
  putU32(bytes, at + SESSION_AT, session);
  bytes[at + TOPIC_AT] = topic;
  return ASK_BYTES;
}

/** The text of a TELL. A byte that is no printable ASCII becomes a question mark: the text is shown to people. */
export function tellText(message: Uint8Array, lengthBytes: number): string {
  let text = "";
  for (let i = TEXT_AT; i < lengthBytes; i++) {
    const code = message[i]!;
    text += code >= 0x20 && code <= 0x7e ? String.fromCharCode(code) : "?";
  }
  return text;
}

/**
 * Whether the length and the fields of a message are valid for its kind. A greeting of another version needs only its
 * first part.
 */
export function wellFormed(message: Uint8Array, lengthBytes: number): boolean {
  switch (message[0]) {
    case HELLO:
    case WELCOME: {
      if (lengthBytes < GREETING_BYTES_MIN) return false;
      if (message[VERSION_AT] !== VERSION) return true;
      if (message[0] === WELCOME) {
        return lengthBytes === WELCOME_BYTES && message[WINDOW_AT]! > 0 && u16At(message, FRAME_SIZE_MAX_AT) > 0;
      }
      return lengthBytes === HELLO_BYTES && message[WINDOW_AT]! > 0 && u32At(message, GREETING_SESSION_AT) !== 0;
    }
    case FRAME:
      return lengthBytes > FRAME_AT && lengthBytes <= LINE_MESSAGE_SIZE_BYTES_MAX;
    case STATUS:
      return lengthBytes === STATUS_BYTES;
    case ASK:
      return lengthBytes === ASK_BYTES;
    case TELL:
      return lengthBytes >= TEXT_AT && lengthBytes <= TELL_BYTES_MAX;
    default:
      return false;
  }
}

export function u16At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function u32At(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at) | (u16At(bytes, at + 2) << 16)) >>> 0;
}

export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  putU16(bytes, at, value);
  putU16(bytes, at + 2, value >>> 16);
}
