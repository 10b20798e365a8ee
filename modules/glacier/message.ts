/**
 * Messages: what the fragments of one sequence number add up to (docs/protocol.md, "Messages").
 *
 * A Drop does not fit into a frame, and fragments arrive in any order. So a message is cut into fragments whose place
 * follows from their index alone:
 *
 * | offset | size | field  | meaning                                                                        |
 * |--------|------|--------|--------------------------------------------------------------------------------|
 * | 0      | 2    | length | bytes of body                                                                  |
 * | 2      | 1    | claim  | the sender's word for a Drop's heat (docs/temperature.md); 0 in other messages |
 * | 3      | n    | body   | a Drop, or a reconciliation message                                            |
 *
 * The stream is cut every 210 bytes, or every 1,454 where both ends of a session take ESP-NOW v2 bodies. An OPEN, which
 * agrees on that, is always cut every 210. All fragments except the last are full. No body is larger than a Drop, so
 * one kind of buffer serves all messages. Length leads because the frame header has no room for it: fragment 0 says
 * where the message ends.
 *
 * A Drop's short_id is the head of its BLAKE3 hash. BLAKE3 of a reconciliation message would cost a board more time
 * than the message's whole airtime, and the message is used up at once and never passed on. So its short_id is
 * `digest`, which finds a mix-up of fragments and claims no more.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";

/** Length and claim stand before the body. */
export const MESSAGE_PREFIX_BYTES = 3;
/** No body is larger than a Drop. */
export const MESSAGE_BODY_BYTES_MAX = DROP_SIZE_BYTES_MAX;

/** How many fragments a message has whose body is so many bytes, cut every `fragmentBytes`. */
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
