/**
 * What a link asks of its owner (docs/protocol.md, "How a link works"): a source of messages to send, and a sink for
 * those that come. A contact of the node is both (modules/throwie/contact.ts); another policy brings its own.
 *
 * The link calls them inside its own calls, and they must not call the link. They may not fail: a source gives the
 * bytes of every message that it named, until `finished` or `abandoned`, and a sink says "again" for a message that it
 * cannot keep now. Nothing here allocates memory for a frame.
 */
import type { Assembly } from "./assembly.ts";
import type { FrameOf } from "./frame.ts";
import { DROP, type MessageType } from "./frame-type.ts";

/** A message under way, as its source and the sender speak of it. The sender owns the record, and uses it again. */
export class Outgoing {
  /** OPEN, RECONCILE or DROP. */
  type: MessageType = DROP;
  /** The low word of the message's short_id, unsigned. */
  shortIdLow = 0;
  /** The high word of the message's short_id, unsigned. */
  shortIdHigh = 0;
  /** Bytes of the body: 1 to MESSAGE_BODY_BYTES_MAX. */
  bodyBytes = 0;
  /** The claim byte of a DROP (docs/temperature.md); 0 in other messages. */
  claim = 0;
  /**
   * The source's own name for the message, 16 bits: of a DROP its slot in the store, else the number of the
   * reconciliation message.
   */
  handle = 0;
}

/** Where a link takes its messages from. */
export interface MessageSource {
  /** Whether `next` may well have a message; wrong costs a probe at worst. */
  readonly waiting: boolean;
  /** Fill in the next message, all fields. False: none now. */
  next(message: Outgoing): boolean;
  /** Copy `lengthBytes` bytes of the body from `from` on to `into[offset ..]`. */
  read(message: Outgoing, from: number, into: Uint8Array, offset: number, lengthBytes: number): void;
  /** The receiver needs no more of the message. `kept`: it stores the message; otherwise the message is unwanted. */
  finished(message: Outgoing, kept: boolean): void;
  /** The link was given up with the message under way. */
  abandoned(message: Outgoing): void;
}

/**
 * What became of a message. "kept": it is stored. "unwanted": it is of no use. "again": it is not what its short_id
 * says, or cannot be stored now, so it is not finished, and the sender sends it again.
 */
export type Completion = "kept" | "unwanted" | "again";

/** Where a link brings the messages that come. */
export interface MessageSink {
  /** Whether the message is wanted at all. If it is not, it is finished without a buffer. */
  wants(frame: FrameOf<MessageType>, now: number): boolean;
  /** A buffer for the message of this frame, begun or taken up again; undefined when there is no room. */
  assembly(frame: FrameOf<MessageType>, now: number): Assembly | undefined;
  /** Whether a buffer that was lent to the link is still the link's. */
  owns(assembly: Assembly): boolean;
  /** All of the message is here, and its buffer is the sink's again. */
  complete(type: MessageType, assembly: Assembly): Completion;
  /** Messages of several fragments there is room for, those begun on this link included. */
  readonly credit: number;
  /** Frames that the peer may have in flight, 1 to 255. */
  readonly window: number;
}
