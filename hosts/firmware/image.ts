/**
 * An image as `esptool` makes it and the boot loader checks it ("Firmware Image Format" in esptool's documentation): a
 * header of 24 bytes, segments with 8 bytes of header each, a checksum byte that ends a block of 16, and a SHA-256 over
 * all of that. Integers are little-endian.
 *
 * | offset | size | field         |                                              |
 * |--------|------|---------------|----------------------------------------------|
 * | 0      | 1    | magic         | 0xe9                                         |
 * | 1      | 1    | segments      |                                              |
 * | 12     | 2    | chip          | which chip's ROM and loader start the image  |
 * | 23     | 1    | hash_appended | 1: the SHA-256 is there                      |
 *
 * Refuses, with an Error of one sentence, whatever a boot loader would not start.
 */
import { createHash } from "node:crypto";

const MAGIC = 0xe9;
const HEADER_BYTES = 24;
const CHIP_AT = 12;
const HASH_APPENDED_AT = 23;
const SEGMENT_HEADER_BYTES = 8;
const BLOCK_BYTES = 16;
const DIGEST_BYTES = 32;

/** The numbers of the chips of targets/ in an image's header, by the names of their boards. */
const CHIPS: Record<string, number> = { esp32: 0, esp32c3: 5, esp32s3: 9 };

export interface FirmwareImage {
  /** The chip's number. */
  chip: number;
  /** Of the part that is written: without what a file may have after it. */
  sizeBytes: number;
  /** The SHA-256 at the end, by which a boot loader checks the rest. */
  digest: Uint8Array;
}

/** Undefined: there is no such board in targets/. */
export function chipNumber(board: string): number | undefined {
  return CHIPS[board];
}

/** `name` is how a sentence names the file. */
export function readImage(bytes: Uint8Array, name: string): FirmwareImage {
  const refused = (why: string): Error => new Error(`${name} is no whole image (${why}): build it again.`);
  if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) throw refused("it does not begin like one");
  if (bytes[HASH_APPENDED_AT] !== 1) throw refused("it has no SHA-256");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = HEADER_BYTES;
  for (let segment = 0; segment < bytes[1]!; segment++) {
    if (at + SEGMENT_HEADER_BYTES > bytes.length) throw refused("it is cut short");
    at += SEGMENT_HEADER_BYTES + view.getUint32(at + 4, true);
  }
  const hashed = Math.floor(at / BLOCK_BYTES) * BLOCK_BYTES + BLOCK_BYTES;
  const sizeBytes = hashed + DIGEST_BYTES;
  if (sizeBytes > bytes.length) throw refused("it is cut short");
  const digest = bytes.slice(hashed, sizeBytes);
  if (!createHash("sha256").update(bytes.subarray(0, hashed)).digest().equals(digest)) {
    throw refused("its SHA-256 is wrong");
  }
  return { chip: view.getUint16(CHIP_AT, true), sizeBytes, digest };
}
