/**
 * What a Drop is: an immutable message of 1 to 2,048 bytes (docs/protocol.md, "Drops").
 *
 * | name    | size        | definition                                                        |
 * |---------|-------------|-------------------------------------------------------------------|
 * | Drop    | 1 .. 2048   | any bytes; usually sealed (seal.ts), but no Throwie can tell       |
 * | DropId  | 32          | BLAKE3-256 of the Drop's bytes                                    |
 * | ShortId | 8           | the first 8 bytes of the DropId                                   |
 *
 * Invariant: the name follows from the bytes alone. Two nodes that never met give a Drop the same name, and nobody can
 * change a Drop and keep its DropId.
 *
 * A ShortId has 64 bits. That is enough to tell 750 Drops apart, but it proves nothing against an adversary: two Drops
 * of one ShortId cost about 2^32 hashes. So a node serves a Drop onward only after it has checked the whole hash
 * against the id that was asked for, and hosts name Drops by DropId.
 *
 * Modules hold a ShortId as two unsigned 32-bit integers, because a 32-bit integer costs no heap on XS. `low` is the
 * little-endian word of bytes 0..3, `high` that of bytes 4..7.
 *
 * This module does not look inside a Drop. A Drop has no header: no time, no sender, no type.
 */
import { _BLAKE3, blake3 } from "@noble/hashes/blake3.js";
import { swap32IfBE } from "@noble/hashes/utils.js";

/** Ten Glacier frames of 210 bytes. 750 Drops of this size are 1.5 MB, which fit into a board's flash partition. */
export const DROP_SIZE_BYTES_MAX = 2048;
/** An empty message says nothing, and its id is known to everyone. */
export const DROP_SIZE_BYTES_MIN = 1;
/** A BLAKE3-256 hash. */
export const DROP_ID_BYTES = 32;
/** The first bytes of a DropId. */
export const SHORT_ID_BYTES = 8;

/** Why some bytes cannot be a Drop: there are none, or more than DROP_SIZE_BYTES_MAX. */
export type DropRefusal = "empty" | "long";

/** Undefined when a Drop can have this many bytes, otherwise the reason why it cannot. */
export function refuseDropSize(lengthBytes: number): DropRefusal | undefined {
  if (lengthBytes < DROP_SIZE_BYTES_MIN) return "empty";
  if (lengthBytes > DROP_SIZE_BYTES_MAX) return "long";
  return undefined;
}

/**
 * The DropId of a whole Drop, as 32 new bytes (docs/protocol.md, "Drop, DropId, ShortId"). Throws an Error when the
 * Drop is empty or longer than 2,048 bytes. This function allocates memory, so boards use a DropHasher for the Drops
 * that they receive.
 */
export function dropId(bytes: Uint8Array): Uint8Array {
  if (refuseDropSize(bytes.length) !== undefined) throw new Error("drop: a Drop is 1 to 2,048 bytes");
  return blake3(bytes);
}

/** The unsigned low word of the ShortId at byte `offset`. A DropId begins with its ShortId, so it can be given too. */
export function shortIdLow(id: Uint8Array, offset = 0): number {
  return (id[offset]! | (id[offset + 1]! << 8) | (id[offset + 2]! << 16) | (id[offset + 3]! << 24)) >>> 0;
}

/** The unsigned high word of the ShortId at byte `offset`. A DropId begins with its ShortId, so it can be given too. */
export function shortIdHigh(id: Uint8Array, offset = 0): number {
  return shortIdLow(id, offset + 4);
}

/** What noble keeps to itself, and `SteppedBlake3` needs. */
interface Tree {
  stack: Uint32Array[];
  b2CompressOut(): void;
  flags: number;
}

const PARENT_AND_ROOT = 4 | 8;

/**
 * noble's BLAKE3, for a Drop, with an end in two steps.
 *
 * A Drop has one or two chunks of 1,024 bytes. At the end of two, noble compresses three times in one call: the last
 * block, the parent of both chunks, and the same parent once more as the root. Only two of the three are needed, and a
 * board takes 11 ms for each.
 */
class SteppedBlake3 extends _BLAKE3 {
  /** Only the root is left. */
  closed = false;

  /** Compress the last block of a second chunk. Then only the root is left for the digest. False: there is none. */
  closeChunk(): boolean {
    const { stack } = this as unknown as Tree;
    const words = this.buffer32;
    const first = stack.pop();
    if (first === undefined) return false;
    this.buffer.fill(0, this.pos);
    swap32IfBE(words);
    this.compress(words, 0, true);
    words.set(first, 0);
    words.set(stack.pop()!, first.length);
    swap32IfBE(words);
    this.pos = this.blockLen;
    this.closed = true;
    return true;
  }

  protected override finish(): void {
    if (!this.closed) {
      super.finish();
      return;
    }
    const tree = this as unknown as Tree;
    this.finished = true;
    tree.flags = PARENT_AND_ROOT;
    tree.b2CompressOut();
  }
}

/**
 * The DropId of a Drop that is read in slices (docs/protocol.md, "Drop, DropId, ShortId"). Hashing 2,048 bytes takes an
 * ESP32 about a third of a second, and the radio must be served meanwhile. Call `begin`, then `update` for each slice
 * in order, then `finish`. A new `begin` abandons a Drop that was not finished.
 *
 * The best slice is a multiple of 64 bytes long and starts at a multiple of 4 in its buffer. The noble library then
 * makes at most two views for each slice, otherwise one view for each 64 bytes. Only noble makes garbage, for each Drop
 * and not for each frame: one object of 16 numbers for each 64 bytes (34 for a full Drop, about 9 KB on XS), and about
 * 400 bytes of state at `begin`.
 *
 * One hasher hashes one Drop at a time. A call out of order, or more bytes than a Drop may have, is a bug of the caller
 * and throws an Error.
 */
export class DropHasher {
  #state: SteppedBlake3 | undefined = undefined;
  #lengthBytes = 0;

  /** Bytes taken since `begin`. */
  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** Start a Drop, and forget a Drop that was not finished. */
  begin(): void {
    this.#state = new SteppedBlake3();
    this.#lengthBytes = 0;
  }

  /** Take the next bytes: `bytes[0 .. lengthBytes)`. The hasher keeps no reference to them. */
  update(bytes: Uint8Array, lengthBytes: number = bytes.length): void {
    const state = this.#state;
    if (state === undefined) throw new Error("drop: update before begin");
    if (state.closed) throw new Error("drop: update after close");
    if (lengthBytes > bytes.length) throw new Error("drop: a slice is longer than its buffer");
    this.#lengthBytes += lengthBytes;
    if (this.#lengthBytes > DROP_SIZE_BYTES_MAX) throw new Error("drop: more than 2,048 bytes in a Drop");
    state.update(lengthBytes === bytes.length ? bytes : bytes.subarray(0, lengthBytes));
  }

  /**
   * All bytes are taken: do the first half of what is left to hash. False: `finish` is only one compression. Whoever
   * has the time calls `finish` alone.
   */
  close(): boolean {
    const state = this.#state;
    if (state === undefined) throw new Error("drop: close before begin");
    return state.closeChunk();
  }

  /** Write the DropId to the first 32 bytes of `into`. */
  finish(into: Uint8Array): void {
    const state = this.#state;
    if (state === undefined) throw new Error("drop: finish before begin");
    if (this.#lengthBytes < DROP_SIZE_BYTES_MIN) throw new Error("drop: an empty Drop");
    state.digestInto(into);
    this.#state = undefined;
  }
}
