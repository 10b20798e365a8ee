/**
 * How the body of one message is written and read. The codecs stand in a file for each layer: files.ts, social.ts.
 *
 * A body is a map from small unsigned integers to values (cbor.ts). messages.ts puts the type byte before it, and checks
 * the bounds, the encoding and that every key of the map was asked for; a codec does the rest.
 *
 * Invariant: what `decode` takes, `encode` gives back key for key. Refuses by answering undefined; nothing is thrown.
 */
import type { ProtocolMap } from "./cbor.ts";

/**
 * Bytes of a message that holds at most one post. The largest is a PushPost of 2,175 bytes; the rest is room, so that
 * what is newer is refused for the right reason.
 */
export const ONE_POST_SIZE_BYTES_MAX = 4096;

export interface Codec<M> {
  /** The longest message of this type, type byte included. A longer one is "too-large", whatever is in it. */
  readonly sizeBytesMax: number;
  /** The entries of the map, in any order. */
  readonly encode: (message: M) => [key: number, value: unknown][];
  /** The message, its arrays its own, or undefined when a field is absent or out of its range. */
  readonly decode: (map: ProtocolMap) => M | undefined;
}
