/**
 * Messages on a line of bytes (docs/dongle.md, "Framing"): 0, COBS(message, CRC-32), 0.
 *
 * COBS (Cheshire and Baker, 1999) removes every 0 from a message, so a 0 on the line is always a delimiter. Whatever
 * garbage came before, the next message can be read. Each message has a 0 of its own at both ends. So bytes of another
 * writer between two messages (a boot loader, a line of log) damage neither message. SLIP could double every byte of a
 * message; COBS adds one byte in 254.
 *
 * Encoding and decoding work in place, by the engine's own indexOf and copyWithin, because a loop over the bytes would
 * take a board longer than the radio takes for the frame. A stretch between delimiters costs a counter and nothing else
 * when it is too long, when COBS cannot have made it, or when its CRC is wrong.
 */
import { crc32 } from "../store/crc32.ts";
import { copy } from "./copy.ts";
import { LINE_MESSAGE_SIZE_BYTES_MAX, putU32, u32At } from "./message.ts";

const CRC_BYTES = 4;
/** This code means: 254 bytes without a 0 follow, and no 0 comes after them. */
const RUN_CODE = 0xff;
/** Offset of the message for `encodeLine`: after the delimiter and the first code. */
export const MESSAGE_AT = 2;

/** The largest size on the line of a message of this length, with delimiters. */
export function lineBytesMax(lengthBytes: number): number {
  const coded = lengthBytes + CRC_BYTES;
  return MESSAGE_AT + coded + Math.floor(coded / (RUN_CODE - 1)) + 1;
}

/** Seals the message at `bytes[at + MESSAGE_AT ..]` in place. Returns how many bytes from `at` go to the line. */
export function encodeLine(bytes: Uint8Array, at: number, lengthBytes: number): number {
  putU32(bytes, at + MESSAGE_AT + lengthBytes, crc32(bytes, at + MESSAGE_AT, lengthBytes));
  bytes[at] = 0;
  let code = at + 1;
  let end = at + MESSAGE_AT + lengthBytes + CRC_BYTES;
  bytes[end] = 0;
  for (;;) {
    const zero = bytes.indexOf(0, code + 1);
    if (zero - code < RUN_CODE) {
      bytes[code] = zero - code;
      if (zero === end) return end + 1 - at;
      code = zero;
      continue;
    }
    bytes[code] = RUN_CODE;
    code += RUN_CODE;
    if (code === end) return end + 1 - at;
    bytes.copyWithin(code + 1, code, end);
    end++;
    bytes[end] = 0;
  }
}

/**
 * Unseals, in place, the bytes between two delimiters: `bytes[0 .. lengthBytes)`. Returns the message's length, or -1.
 */
function decodeLine(bytes: Uint8Array, lengthBytes: number): number {
  let to = 0;
  let from = 0;
  while (from < lengthBytes) {
    const code = bytes[from]!;
    const next = from + code;
    if (code === 0 || next > lengthBytes) return -1;
    bytes.copyWithin(to, from + 1, next);
    to += code - 1;
    from = next;
    if (code !== RUN_CODE && from < lengthBytes) bytes[to++] = 0;
  }
  const messageBytes = to - CRC_BYTES;
  if (messageBytes < 1 || u32At(bytes, messageBytes) !== crc32(bytes, 0, messageBytes) >>> 0) return -1;
  return messageBytes;
}

/** Finds the messages in the bytes of a line, which come in pieces of any size. */
export class LineReader {
  /** The message that `next` found. Valid until the next call. */
  readonly message = new Uint8Array(lineBytesMax(LINE_MESSAGE_SIZE_BYTES_MAX));
  /** The number of stretches that were no message. */
  damaged = 0;
  #lengthBytes = 0;
  #tooLong = false;
  #at = 0;

  /** The index after the last byte that `next` read. */
  get at(): number {
    return this.#at;
  }

  /**
   * Reads `bytes[from .. to)` up to the end of the next whole message, and returns that message's length. Returns 0
   * when all bytes were read and no message ended.
   */
  next(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      // After `to`, the buffer still holds older bytes.
      const zero = bytes.indexOf(0, at);
      const end = zero < 0 || zero > to ? to : zero;
      this.#collect(bytes, at, end - at);
      if (end === to) break;
      at = end + 1;
      const messageBytes = this.#complete();
      if (messageBytes > 0) {
        this.#at = at;
        return messageBytes;
      }
    }
    this.#at = to;
    return 0;
  }

  /** Forgets the message that was begun, because the line is a new one. */
  restart(): void {
    this.#lengthBytes = 0;
    this.#tooLong = false;
  }

  #collect(bytes: Uint8Array, at: number, lengthBytes: number): void {
    if (this.#lengthBytes + lengthBytes > this.message.length) {
      this.#tooLong = true;
      return;
    }
    copy(bytes, at, this.message, this.#lengthBytes, lengthBytes);
    this.#lengthBytes += lengthBytes;
  }

  /** Called at a delimiter. Returns the length of the message before it; 0 when there was nothing or no message. */
  #complete(): number {
    const lengthBytes = this.#lengthBytes;
    if (lengthBytes === 0 && !this.#tooLong) return 0;
    const messageBytes = this.#tooLong ? -1 : decodeLine(this.message, lengthBytes);
    this.restart();
    if (messageBytes > 0) return messageBytes;
    this.damaged++;
    return 0;
  }
}
