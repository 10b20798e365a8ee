/**
 * Messages: what the fragments of one sequence number add up to (docs/protocol.md, "Messages").
 *
 * | offset | size | field  | meaning                                                                      |
 * |--------|------|--------|------------------------------------------------------------------------------|
 * | 0      | 2    | length | bytes of body                                                                |
 * | 2      | 1    | claim  | the sender's word for a Drop's heat (docs/temperature.md); 0 in other messages |
 * | 3      | n    | body   | a Drop, or a reconciliation message                                          |
 *
 * The stream is cut every 210 bytes, or every 1,454 where both ends of a session take ESP-NOW v2 bodies (an OPEN, which
 * agrees on that, always every 210); all fragments but the last are full, so a fragment's place follows from its index
 * alone and fragments may come in any order. No body is larger than a Drop, so one kind of buffer serves all. Length
 * leads because the frame header has no room for it: fragment 0 says where the message ends.
 *
 * A Drop's short_id is the head of its BLAKE3 hash. BLAKE3 of a reconciliation message would cost a board more time
 * than its whole airtime, and the message is used up at once and by nobody else, so its short_id is `digest`, which
 * finds a mix-up of fragments and claims no more.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";

/** Length and claim, which stand before the body. */
export const MESSAGE_PREFIX_BYTES = 3;
/** No body is larger than a Drop. */
export const MESSAGE_BODY_BYTES_MAX = DROP_SIZE_BYTES_MAX;

/** Fragments of a message whose body has so many bytes, cut every `fragmentBytes`. */
export function fragmentCount(bodyBytes: number, fragmentBytes: number): number {
  return ((MESSAGE_PREFIX_BYTES + bodyBytes + fragmentBytes - 1) / fragmentBytes) | 0;
}

/** The mask of `count` fragments: bit i is fragment i. */
export function fragmentMask(count: number): number {
  return (1 << count) - 1;
}

/** Two FNV-1a lanes of 32 bits over `bytes[offset .. offset + lengthBytes)`, written to `into` as low and high. */
export function digest(bytes: Uint8Array, offset: number, lengthBytes: number, into: Uint32Array): void {
  let low = 0x811c9dc5;
  let high = 0x050c5d1f;
  for (let i = offset; i < offset + lengthBytes; i++) {
    low = Math.imul(low ^ bytes[i]!, 0x01000193);
    high = Math.imul(high ^ bytes[i]!, 0x01000193);
  }
  into[0] = low;
  into[1] = high;
}
