/**
 * What a link asks of its owner (docs/protocol.md, "How a link works"): a source of messages to send, and a sink for
 * messages that come.
 *
 * A link knows nothing of stores, Drops or policy, and holds no message itself. So it asks these two ports. A contact
 * of the node implements both (modules/throwie/contact.ts). Another policy brings its own.
 *
 * The link calls a port inside its own calls, and a port must not call the link. A port may not fail: a source gives
 * the bytes of every message that it named, until `finished` or `abandoned`, and a sink says "again" for a message that
 * it cannot keep now. A port allocates no memory for a frame.
 */
import type { Assembly } from "./assembly.ts";
import type { FrameOf } from "./frame.ts";
import { DROP, type MessageType } from "./frame-type.ts";

/** A message under way, as its source and the sender name it. The sender owns the record and reuses it. */
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
   * The source's own name for the message, 16 bits: its slot in the store for a DROP, else the number of the
   * reconciliation message.
   */
  handle = 0;
  /** The fragments of this message that other links of the same radio have sent by broadcast just now, as a mask. */
  aired = 0;
}

/** The source of the messages that a link sends. */
export interface MessageSource {
  /** Whether `next` probably has a message. A wrong answer costs a probe at worst. */
  readonly waiting: boolean;
  /** Whether the next message is no Drop: the peer has a buffer for such a message, whatever its credit. */
  readonly needsNoRoom?: boolean;
  /** Fill in all fields of the next message, `aired` included. False when there is none now. */
  next(message: Outgoing): boolean;
  /** Copy `lengthBytes` bytes of the body, starting at byte `from`, to `into[offset ..]`. */
  read(message: Outgoing, from: number, into: Uint8Array, offset: number, lengthBytes: number): void;
  /**
   * The receiver needs no more of the message. `kept`: it stores the message; otherwise the message is unwanted.
   * `whole`: all fragments of the message went out before.
   */
  finished(message: Outgoing, kept: boolean, whole: boolean): void;
  /** The link was given up while the message was under way. */
  abandoned(message: Outgoing): void;
}

/**
 * What became of a message. "kept": it is stored. "unwanted": it is of no use. "again": it is not what its short_id
 * says, or cannot be stored now. Such a message is not finished, and its sender sends it again.
 */
export type Completion = "kept" | "unwanted" | "again";

/** The sink of the messages that a link receives. */
export interface MessageSink {
  /** Whether the message is wanted. A message that is not wanted is finished without a buffer. */
  wants(frame: FrameOf<MessageType>, now: number): boolean;
  /** A buffer for the message of this frame, begun or taken up again. Undefined when there is no room. */
  assembly(frame: FrameOf<MessageType>, now: number): Assembly | undefined;
  /** Whether the buffer is still lent to this link. */
  owns(assembly: Assembly): boolean;
  /** The link fills this buffer no more. A sink that keeps half a message for later needs to know. */
  shelve?(assembly: Assembly): void;
  /** The message is complete. Its buffer belongs to the sink again. */
  complete(type: MessageType, assembly: Assembly): Completion;
  /** How many messages of several fragments there is room for, those begun on this link included. */
  readonly credit: number;
  /** How many frames the peer may have in flight, 1 to 255. */
  readonly window: number;
}
