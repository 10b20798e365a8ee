/** Replaces modules/board/board-bytes.c. */
import { crc32 } from "../../../modules/store/crc32.ts";

/** Each binding in C checks a range in a buffer like this before it touches the bytes. */
export function within(bytes: Uint8Array, at: number, lengthBytes: number, refusal: string): void {
  if (!(at >= 0 && lengthBytes >= 0 && at + lengthBytes <= bytes.length)) throw new RangeError(refusal);
}

const OUTSIDE = "outside the buffer";

export const BYTES = {
  xs_crc32(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    within(bytes, offset, lengthBytes, OUTSIDE);
    return crc32(bytes, offset, lengthBytes) | 0;
  },

  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  xs_copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, lengthBytes: number): void {
    within(from, fromAt, lengthBytes, OUTSIDE);
    within(to, toAt, lengthBytes, OUTSIDE);
    to.set(from.subarray(fromAt, fromAt + lengthBytes), toAt);
  },
};
