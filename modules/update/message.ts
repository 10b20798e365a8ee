/**
 * The messages of an update over a board's line (docs/update.md, "Messages"), little-endian, framed as a dongle's are
 * (modules/dongle/framing.ts).
 *
 * | message | from | bytes | fields: offset name                                                                      |
 * |---------|------|-------|------------------------------------------------------------------------------------------|
 * | CALL    | host | 6     | 0 kind 16, 1 version, 2 session (4)                                                      |
 * | BOARD   | board | 13+n | 0 kind 17, 1 version, 2 session (4), 6 chip (2), 8 room (4), 12 trial, 13 the firmware   |
 * | BEGIN   | host | 43    | 0 kind 18, 1 session (4), 5 chip (2), 7 size (4), 11 digest (32)                         |
 * | DATA    | host | 9+n   | 0 kind 19, 1 session (4), 5 offset (4), 9 the bytes                                      |
 * | END     | host | 5     | 0 kind 20, 1 session (4)                                                                 |
 * | REPORT  | board | 10   | 0 kind 21, 1 session (4), 5 code, 6 next (4)                                             |
 *
 * Kind, version and session of a CALL and a BOARD have the same place in every version. Lengths are exact. The kinds
 * are none of a dongle's messages, because both may be on the same line.
 */
import { putU16, putU32, u16At, u32At } from "../dongle/message.ts";

export const UPDATE_VERSION = 1;

export const CALL = 16;
export const BOARD = 17;
export const BEGIN = 18;
export const DATA = 19;
export const END = 20;
export const REPORT = 21;

/** Of a CALL and a BOARD; the other messages have their session at 1. */
const CALL_SESSION_AT = 2;
const SESSION_AT = 1;
const BOARD_CHIP_AT = 6;
const ROOM_AT = 8;
const TRIAL_AT = 12;
const FIRMWARE_AT = 13;
const FIRMWARE_BYTES_MAX = 250;
const BEGIN_CHIP_AT = 5;
const SIZE_AT = 7;
const DIGEST_AT = 11;
export const DIGEST_BYTES = 32;
const OFFSET_AT = 5;
export const DATA_AT = 9;
/** A quarter of a sector: four of them are on the way, and fit into the receive ring of a board's line. */
export const DATA_BYTES_MAX = 1_024;
const CODE_AT = 5;
const NEXT_AT = 6;

const CALL_BYTES = 6;
const BEGIN_BYTES = DIGEST_AT + DIGEST_BYTES;
const END_BYTES = 5;
const REPORT_BYTES = 10;
/** The longest message of a board. */
export const BOARD_BYTES_MAX = FIRMWARE_AT + FIRMWARE_BYTES_MAX;

/** What a REPORT says. From `chip` on, the board refused, and goes on with the firmware that it has. */
export const REPORTS = Object.freeze([
  "writing",
  "done",
  "chip",
  "size",
  "flash",
  "digest",
  "loader",
  "trial",
] as const);
export type ReportCode = (typeof REPORTS)[number];

export function writeCall(bytes: Uint8Array, at: number, session: number): number {
  bytes[at] = CALL;
  bytes[at + 1] = UPDATE_VERSION;
  putU32(bytes, at + CALL_SESSION_AT, session);
  return CALL_BYTES;
}

export interface BoardFacts {
  /** As an image's header numbers the chips. */
  chip: number;
  /** The size of the partition that an update is written to, in bytes. */
  room: number;
  /** The firmware has not sent its first beacon yet, so the other partition must stay as it is. */
  trial: boolean;
  /** In ASCII; a longer text is cut. */
  firmware: string;
}

export function writeBoard(bytes: Uint8Array, at: number, session: number, facts: BoardFacts): number {
  bytes[at] = BOARD;
  bytes[at + 1] = UPDATE_VERSION;
  putU32(bytes, at + CALL_SESSION_AT, session);
  putU16(bytes, at + BOARD_CHIP_AT, facts.chip);
  putU32(bytes, at + ROOM_AT, facts.room);
  bytes[at + TRIAL_AT] = facts.trial ? 1 : 0;
  const lengthBytes = Math.min(facts.firmware.length, FIRMWARE_BYTES_MAX);
  for (let i = 0; i < lengthBytes; i++) bytes[at + FIRMWARE_AT + i] = facts.firmware.charCodeAt(i);
  return FIRMWARE_AT + lengthBytes;
}

export function writeBegin(bytes: Uint8Array, at: number, session: number, image: ImageFacts): number {
  bytes[at] = BEGIN;
  putU32(bytes, at + SESSION_AT, session);
  putU16(bytes, at + BEGIN_CHIP_AT, image.chip);
  putU32(bytes, at + SIZE_AT, image.sizeBytes);
  for (let i = 0; i < DIGEST_BYTES; i++) bytes[at + DIGEST_AT + i] = image.digest[i]!;
  return BEGIN_BYTES;
}

export interface ImageFacts {
  chip: number;
  sizeBytes: number;
  /** The SHA-256 that the image ends with. */
  digest: Uint8Array;
}

/** Writes a DATA as far as DATA_AT, where the bytes of the image begin. */
export function writeData(bytes: Uint8Array, at: number, session: number, offset: number): number {
  bytes[at] = DATA;
  putU32(bytes, at + SESSION_AT, session);
  putU32(bytes, at + OFFSET_AT, offset);
  return DATA_AT;
}

export function writeEnd(bytes: Uint8Array, at: number, session: number): number {
  bytes[at] = END;
  putU32(bytes, at + SESSION_AT, session);
  return END_BYTES;
}

export function writeReport(bytes: Uint8Array, at: number, session: number, report: ReportFacts): number {
  bytes[at] = REPORT;
  putU32(bytes, at + SESSION_AT, session);
  bytes[at + CODE_AT] = REPORTS.indexOf(report.code);
  putU32(bytes, at + NEXT_AT, report.next);
  return REPORT_BYTES;
}

export interface ReportFacts {
  code: ReportCode;
  /** The board has all bytes of the image before this offset. */
  next: number;
}

/** Whether length and fields are valid for the kind. A CALL or a BOARD of another version needs only its first part. */
export function isUpdateMessage(message: Uint8Array, lengthBytes: number): boolean {
  switch (message[0]) {
    case CALL:
      return lengthBytes >= CALL_BYTES && (message[1] !== UPDATE_VERSION || lengthBytes === CALL_BYTES);
    case BOARD:
      if (lengthBytes < CALL_BYTES) return false;
      if (message[1] !== UPDATE_VERSION) return true;
      return lengthBytes >= FIRMWARE_AT && lengthBytes <= BOARD_BYTES_MAX && message[TRIAL_AT]! <= 1;
    case BEGIN:
      return lengthBytes === BEGIN_BYTES && u32At(message, SIZE_AT) > 0;
    case DATA:
      return lengthBytes > DATA_AT && lengthBytes <= DATA_AT + DATA_BYTES_MAX;
    case END:
      return lengthBytes === END_BYTES;
    case REPORT:
      return lengthBytes === REPORT_BYTES && message[CODE_AT]! < REPORTS.length;
    default:
      return false;
  }
}

/** The session of a message of any kind. */
export function sessionOf(message: Uint8Array): number {
  return u32At(message, message[0] === CALL || message[0] === BOARD ? CALL_SESSION_AT : SESSION_AT);
}

export function boardFacts(message: Uint8Array, lengthBytes: number): BoardFacts {
  let firmware = "";
  for (let i = FIRMWARE_AT; i < lengthBytes; i++) {
    const code = message[i]!;
    // The text is shown to people.
    firmware += code >= 0x20 && code <= 0x7e ? String.fromCharCode(code) : "?";
  }
  return {
    chip: u16At(message, BOARD_CHIP_AT),
    room: u32At(message, ROOM_AT),
    trial: message[TRIAL_AT] === 1,
    firmware,
  };
}

/** The digest is a view into the message. */
export function beginFacts(message: Uint8Array): ImageFacts {
  return {
    chip: u16At(message, BEGIN_CHIP_AT),
    sizeBytes: u32At(message, SIZE_AT),
    digest: message.subarray(DIGEST_AT, DIGEST_AT + DIGEST_BYTES),
  };
}

export function dataOffset(message: Uint8Array): number {
  return u32At(message, OFFSET_AT);
}

export function reportFacts(message: Uint8Array): ReportFacts {
  return { code: REPORTS[message[CODE_AT]!]!, next: u32At(message, NEXT_AT) };
}
