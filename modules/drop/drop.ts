/**
 * What a Drop is: an immutable message of 1 to 2,048 bytes (design sections 2 and 4; docs/protocol.md, "Drops").
 *
 * | name    | size        | definition                                                        |
 * |---------|-------------|-------------------------------------------------------------------|
 * | Drop    | 1 .. 2048   | any bytes; usually sealed (seal.ts), but no Throwie can tell       |
 * | DropId  | 32          | BLAKE3-256 of the Drop's bytes                                    |
 * | ShortId | 8           | the first 8 bytes of the DropId                                   |
 *
 * Invariant: the name follows from the bytes alone, so two nodes that never met name a Drop alike, and nobody can
 * change a Drop and keep its name. That holds for the DropId. A ShortId is 64 bits: fit to tell 750 Drops apart, too
 * short to prove anything to an adversary (two Drops of one ShortId cost about 2^32 hashes). So a Drop is served
 * onward only after its whole hash was checked against the id that was asked for, and hosts name Drops by DropId.
 *
 * Modules hold a ShortId as two unsigned 32-bit integers, because XS has 32-bit integers that cost no heap:
 * `low` is the little-endian word of bytes 0..3, `high` that of bytes 4..7.
 *
 * Refuses to: look inside a Drop, know a time, a sender or a type. There is no header; all of it is content.
 */
import { blake3 } from "@noble/hashes/blake3.js";

/** Ten Glacier frames of 210 bytes; at 750 of them 1.5 MB, which is what a board's flash partition holds. */
export const DROP_SIZE_BYTES_MAX = 2048;
/** An empty message says nothing, and its id is known to everyone. */
export const DROP_SIZE_BYTES_MIN = 1;
export const DROP_ID_BYTES = 32;
export const SHORT_ID_BYTES = 8;

export type DropRefusal = "empty" | "long";

/** Undefined when so many bytes can be a Drop, otherwise the reason they cannot. */
export function refuseDropSize(lengthBytes: number): DropRefusal | undefined {
  if (lengthBytes < DROP_SIZE_BYTES_MIN) return "empty";
  if (lengthBytes > DROP_SIZE_BYTES_MAX) return "long";
  return undefined;
}

/** The DropId of a whole Drop. Allocates; boards check what they receive with a DropHasher. */
export function dropId(bytes: Uint8Array): Uint8Array {
  if (refuseDropSize(bytes.length) !== undefined) throw new Error("drop: a Drop is 1 to 2,048 bytes");
  return blake3(bytes);
}

/** The low word of the ShortId (or of the DropId, which begins with it) that stands at `offset`. */
export function shortIdLow(id: Uint8Array, offset = 0): number {
  return (id[offset]! | (id[offset + 1]! << 8) | (id[offset + 2]! << 16) | (id[offset + 3]! << 24)) >>> 0;
}

/** The high word of the ShortId (or of the DropId, which begins with it) that stands at `offset`. */
export function shortIdHigh(id: Uint8Array, offset = 0): number {
  return shortIdLow(id, offset + 4);
}

/**
 * The DropId of a Drop that is read in slices, because hashing 2,048 bytes takes an ESP32 about a quarter of a second
 * and the radio must be served meanwhile: `begin`, then `update` in order, then `finish`; `begin` also abandons.
 *
 * Best slices are a multiple of 64 bytes at a multiple of 4 in their buffer: noble then makes at most two views a slice,
 * otherwise one for each 64 bytes. Garbage is noble's alone and goes with the Drop, not with the frame: one object of
 * 16 numbers for each 64 bytes (34 for a full Drop, about 9 KB on XS), and about 400 bytes of state at `begin`.
 *
 * One hasher hashes one Drop at a time; calls out of order, or more bytes than a Drop has, are the caller's bug.
 */
export class DropHasher {
  #state: ReturnType<typeof blake3.create> | undefined = undefined;
  #lengthBytes = 0;

  /** Bytes taken since `begin`. */
  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** Start a Drop, forgetting one that was not finished. */
  begin(): void {
    this.#state = blake3.create();
    this.#lengthBytes = 0;
  }

  /** Take the next bytes: `bytes[0 .. lengthBytes)`. They are not kept. */
  update(bytes: Uint8Array, lengthBytes: number = bytes.length): void {
    const state = this.#state;
    if (state === undefined) throw new Error("drop: update before begin");
    if (lengthBytes > bytes.length) throw new Error("drop: a slice is longer than its buffer");
    this.#lengthBytes += lengthBytes;
    if (this.#lengthBytes > DROP_SIZE_BYTES_MAX) throw new Error("drop: more than 2,048 bytes in a Drop");
    state.update(lengthBytes === bytes.length ? bytes : bytes.subarray(0, lengthBytes));
  }

  /** Write the 32-byte DropId to the start of `into`. */
  finish(into: Uint8Array): void {
    const state = this.#state;
    if (state === undefined) throw new Error("drop: finish before begin");
    if (this.#lengthBytes < DROP_SIZE_BYTES_MIN) throw new Error("drop: an empty Drop");
    state.digestInto(into);
    this.#state = undefined;
  }
}
