/**
 * The codec of one message: how the body of the message is written and read. Each layer has a file of codecs: files.ts
 * and social.ts.
 *
 * A body is a map from small unsigned integers to values (cbor.ts). messages.ts puts the type byte before the body. It
 * also checks the size, the encoding, and that every key of the map was read. A codec does the rest.
 *
 * Invariant: `encode` gives back, key for key, all that `decode` accepts. `decode` refuses a map by returning undefined
 * and never throws.
 */
import type { ProtocolMap } from "./cbor.ts";

/**
 * The most bytes of a message that holds at most one post. The largest such message is a PushPost of 2,175 bytes. The
 * rest is spare room, so that a larger message of a newer version is refused for the right reason and not as
 * "too-large".
 */
export const ONE_POST_SIZE_BYTES_MAX = 4096;

export interface Codec<M> {
  /** The most bytes of a message of this type, including the type byte. A longer message is refused as "too-large". */
  readonly sizeBytesMax: number;
  /** Returns the entries of the map, in any order. */
  readonly encode: (message: M) => [key: number, value: unknown][];
  /** Returns the message, whose arrays are copies, or undefined when a field is absent or out of range. */
  readonly decode: (map: ProtocolMap) => M | undefined;
}
