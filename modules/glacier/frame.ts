/**
 * Glacier V2 frames: their layout, and the codec (docs/protocol.md, "Frames", holds the same table).
 *
 * A radio sends 250 bytes at once, or 1,470, may damage them, and hears frames of strangers. So every frame says what
 * it belongs to, and ends in a CRC.
 *
 * | offset | size     | field      | meaning                                                                |
 * |--------|----------|------------|------------------------------------------------------------------------|
 * | 0      | 1        | magic      | 0x74, `t`                                                              |
 * | 1      | 1        | type_ver   | bit 7 poll, bits 4 to 6 type, low nibble version (2)                   |
 * | 2      | 2        | session_id | random nonce of the contact; 0 in a beacon                             |
 * | 4      | 2        | seq_frag   | high 12 bits message sequence, low 4 bits fragment index               |
 * | 6      | 8        | short_id   | names the message: a Drop's ShortId, the digest of another message     |
 * | 14     | n        | payload    | at most 210 bytes, or 1,454 where both ends take ESP-NOW v2 bodies     |
 * | 14 + n | 2        | crc16      | over bytes 0 .. 14+n-1                                                 |
 *
 * Little-endian. A frame is built in place: write the payload at FRAME_HEADER_BYTES, then call `sealFrame`.
 *
 * Decoding copies nothing, and allocates nothing as long as the radio uses the same buffer: `Frame.bytes` is that
 * buffer and is only valid during the call.
 *
 * A malformed frame is everyday noise: `decodeFrame` never throws, and the caller counts the frame under the reason
 * that it names.
 */
import { crc16 } from "./crc16.ts";
import { BEACON, FRAME_TYPES, type FrameType } from "./frame-type.ts";

/** The first byte of every frame: `t`. */
export const FRAME_MAGIC = 0x74;
/** The low nibble of the second byte. Frames of another version are refused. */
export const FRAME_VERSION = 2;
/** The size of a header: everything before the payload. */
export const FRAME_HEADER_BYTES = 14;
/** The size of a trailer: the CRC after the payload. */
export const FRAME_TRAILER_BYTES = 2;
/**
 * A full payload in an ESP-NOW v1 body: with header and trailer 226 bytes of the body's 250. A Drop of 2,048 bytes is
 * then 10 frames.
 */
export const PAYLOAD_BYTES_V1 = 210;
/** A full payload in an ESP-NOW v2 body of 1,470 bytes. A Drop of 2,048 bytes is then 2 frames. */
export const PAYLOAD_BYTES_V2 = 1_454;
/** A frame with a full payload, 226 bytes. A radio for ESP-NOW v1 bodies takes 250. */
export const FRAME_SIZE_BYTES_V1 = FRAME_HEADER_BYTES + PAYLOAD_BYTES_V1 + FRAME_TRAILER_BYTES;
/** A frame with a full payload, 1,470 bytes: all that ESP-NOW v2 takes. No frame is larger. */
export const FRAME_SIZE_BYTES_V2 = FRAME_HEADER_BYTES + PAYLOAD_BYTES_V2 + FRAME_TRAILER_BYTES;
/** A message has at most so many fragments: a fragment index has 4 bits. */
export const FRAGMENTS_MAX = 16;
/** Sequence numbers wrap at 12 bits. */
export const SEQUENCE_COUNT = 4096;

const TYPE_MASK = 7;
const POLL = 0x80;

/**
 * Why bytes are not a frame. short: they are fewer than header and trailer. long: they are more than
 * FRAME_SIZE_BYTES_V2. magic: the first byte is another. version: the version is another. crc: the CRC does not match.
 * type: there is no such type.
 */
export type FrameRefusal = "short" | "long" | "magic" | "version" | "crc" | "type";

/** The fields of a header except magic and version, and the length of the payload. A record that is reused. */
export class FrameHeader {
  /** One of the types in frame-type.ts. */
  type: FrameType = BEACON;
  /** The sender asks for an ACK at once: a sender knows when it will run out of frames, a receiver does not. */
  poll = false;
  /** 16 bits, unsigned. */
  sessionId = 0;
  /** The number of the message in its session: 0 .. SEQUENCE_COUNT - 1. */
  sequence = 0;
  /** The index of the fragment in its message: 0 .. FRAGMENTS_MAX - 1. */
  fragment = 0;
  /** The low word of the message's short_id, unsigned. */
  shortIdLow = 0;
  /** The high word of the message's short_id, unsigned. */
  shortIdHigh = 0;
  /** How many bytes stand between header and trailer. */
  payloadBytes = 0;
}

/** A frame that was heard, for `decodeFrame` to fill in. A record that is reused. */
export class Frame extends FrameHeader {
  /** The radio's buffer. The frame begins at its first byte. Valid only during the call that decoded the frame. */
  bytes: Uint8Array = new Uint8Array(0);
  /** A full payload of ESP-NOW v1 in `bytes`, to copy at the engine's speed. Made once for each buffer of the radio. */
  payloadV1: Uint8Array = this.bytes;
  /** A full payload of ESP-NOW v2 in `bytes`, made in the same way. */
  payloadV2: Uint8Array = this.bytes;
}

/** A frame of one of these types. A switch over its `type` narrows it. */
export type FrameOf<T extends FrameType> = T extends FrameType ? Frame & { type: T } : never;
/** A header of one of these types. A switch over its `type` narrows it. */
export type HeaderOf<T extends FrameType> = T extends FrameType ? FrameHeader & { type: T } : never;

/**
 * Write header and trailer around a payload that is already in `out` from FRAME_HEADER_BYTES on (docs/protocol.md,
 * "Frames"). Returns the frame's length in bytes. Throws an Error when a field does not fit: a bug of the caller.
 */
export function sealFrame(out: Uint8Array, header: Readonly<FrameHeader>): number {
  // Plain reads, here and in the sender: on XS destructuring costs more.
  const sequence = header.sequence;
  const fragment = header.fragment;
  const payloadBytes = header.payloadBytes;
  if (payloadBytes > PAYLOAD_BYTES_V2 || sequence >= SEQUENCE_COUNT || fragment >= FRAGMENTS_MAX) {
    throw new Error("glacier: the payload size, sequence number or fragment index of a frame is out of range");
  }
  const sessionId = header.sessionId;
  const typeVersion = (header.type << 4) | FRAME_VERSION;
  out[0] = FRAME_MAGIC;
  out[1] = header.poll ? typeVersion | POLL : typeVersion;
  out[2] = sessionId;
  out[3] = sessionId >>> 8;
  out[4] = (sequence << 4) | fragment;
  out[5] = sequence >>> 4;
  writeU32(out, 6, header.shortIdLow);
  writeU32(out, 10, header.shortIdHigh);
  const end = FRAME_HEADER_BYTES + payloadBytes;
  const crc = crc16(out, end);
  out[end] = crc;
  out[end + 1] = crc >>> 8;
  return end + FRAME_TRAILER_BYTES;
}

/**
 * Read `bytes[0 .. lengthBytes)` into `frame`, which then refers to `bytes` (docs/protocol.md, "Frames"). Undefined
 * when the bytes are a frame; otherwise the first reason why they are not. Never throws.
 */
export function decodeFrame(bytes: Uint8Array, lengthBytes: number, frame: Frame): FrameRefusal | undefined {
  if (lengthBytes < FRAME_HEADER_BYTES + FRAME_TRAILER_BYTES) return "short";
  if (lengthBytes > FRAME_SIZE_BYTES_V2) return "long";
  if (bytes[0] !== FRAME_MAGIC) return "magic";
  const typeVersion = bytes[1]!;
  if ((typeVersion & 0x0f) !== FRAME_VERSION) return "version";
  const end = lengthBytes - FRAME_TRAILER_BYTES;
  if (crc16(bytes, end) !== (bytes[end]! | (bytes[end + 1]! << 8))) return "crc";
  const type = FRAME_TYPES[(typeVersion >>> 4) & TYPE_MASK];
  if (type === undefined) return "type";
  frame.type = type.code;
  frame.poll = typeVersion >= POLL;
  frame.sessionId = bytes[2]! | (bytes[3]! << 8);
  frame.fragment = bytes[4]! & 0x0f;
  frame.sequence = (bytes[4]! >>> 4) | (bytes[5]! << 4);
  frame.shortIdLow = readU32(bytes, 6);
  frame.shortIdHigh = readU32(bytes, 10);
  frame.payloadBytes = end - FRAME_HEADER_BYTES;
  if (frame.bytes !== bytes) {
    frame.bytes = bytes;
    frame.payloadV1 = bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + PAYLOAD_BYTES_V1);
    frame.payloadV2 = bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + PAYLOAD_BYTES_V2);
  }
  return undefined;
}

/** The type that these bytes name, if they are a frame. Undefined when there is no such type. */
export function frameType(bytes: Uint8Array): FrameType | undefined {
  return FRAME_TYPES[(bytes[1]! >>> 4) & TYPE_MASK]?.code;
}

/** The unsigned little-endian word at byte `at`. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Write a little-endian word at byte `at`; the value may be signed or not. */
function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
