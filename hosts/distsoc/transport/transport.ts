/**
 * The transport port: the part of a network that the overlay node needs (docs/distsoc.md, "Connections and streams").
 *
 * A transport carries complete messages between nodes whose NodeIds it has proven. A message and its answer share one
 * bidirectional stream. The asking side sends the message and ends its half of the stream. The answering side sends the
 * answer and ends the other half. To refuse a message, the answering side resets the stream with a code of
 * `ERROR_CODES`. The connection remains open.
 *
 * The transport does not read the bytes of a message: their meaning belongs to wire/messages.ts. The largest size of a
 * message or an answer follows from that meaning, so the owner of a transport states the sizes when it opens the
 * transport.
 *
 * Invariant: `iroh-transport.ts` (QUIC) and `memory-transport.ts` (one process) pass one contract suite
 * (test/transport-contract.ts), so a test on the second also counts for the first.
 *
 * Failures have two types. A ProtocolError is an answer of the other node, so the other node has received the message.
 * A TransportError leaves open whether the other node has acted on the request. So messages are designed to be sent
 * again.
 *
 * Buffers: the transport copies the bytes that it is given. The bytes that it hands out belong to the receiver.
 */
import type { Timer, Timers } from "../../retry/timers.ts";
import type { NodeAddress, NodeId } from "../node-id.ts";
import { ERROR_CODES, type ErrorName, errorName } from "../wire/error-codes.ts";

/** There is one protocol, and so one handshake with each peer. */
export const ALPN = "distsoc/2";
/**
 * The most inbound streams of one connection that are served at a time. Further streams wait, which slows their sender.
 */
export const INBOUND_STREAMS_MAX = 32;
/**
 * The most connections that other nodes may open to this node, with the handshakes that are under way. The owner of a
 * transport keeps their number lower (connections/peers.ts), so that the next node finds a place until its handshake
 * has told who it is.
 */
export const INBOUND_CONNECTIONS_MAX = 128;
/** An inbound handshake that takes longer is given up, and its place is free again. */
export const INBOUND_HANDSHAKE_DEADLINE_MS = 5000;
/** When a message is still incomplete after this time, its sender is gone or holds the stream open on purpose. */
export const INBOUND_MESSAGE_DEADLINE_MS = 5000;
/** The longest time that `close` may take, no matter what the library does. */
export const CLOSE_DEADLINE_MS = 2000;

/**
 * A refusal of one message. A message handler throws a ProtocolError to send a refusal, and `request` throws a
 * ProtocolError when it receives one.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: number;

  constructor(code: ErrorName | number) {
    const value = typeof code === "number" ? code : ERROR_CODES[code];
    super(`refused by the other node: ${errorName(value)}`);
    this.code = value;
  }
}

/**
 * - unreachable: no connection was made.
 * - deadline: no answer came in time.
 * - closed: the connection or the transport is closed.
 * - too-large: the message or the answer is larger than its bound.
 * - address: the transport cannot listen on the address.
 */
export type TransportFailure = "unreachable" | "deadline" | "closed" | "too-large" | "address";

export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly failure: TransportFailure;

  constructor(failure: TransportFailure, detail?: string) {
    super(detail === undefined ? failure : `${failure}: ${detail}`);
    this.failure = failure;
  }
}

/** The most bytes that a transport sends or reads: for a message that opens a stream, and for an answer. */
export interface MessageBounds {
  readonly requestSizeBytesMax: number;
  readonly answerSizeBytesMax: number;
}

export interface RequestOptions {
  deadlineMs: number;
}

export interface Connection {
  readonly peer: NodeId;
  /** Whether this side opened the connection. */
  readonly dialled: boolean;
  /** Resolves when the connection is lost or closed, to the code of the close if a code is known. It never rejects. */
  readonly closed: Promise<number | undefined>;
  /** Sends one message and resolves to its answer. Rejects with a ProtocolError or a TransportError. */
  request(message: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  /** Closes the connection immediately. Requests that are under way fail. A repeated call does nothing. */
  close(code: ErrorName): void;
}

/** Answers one message, or throws a ProtocolError. Any other error is answered with the code `internal`. */
export type MessageHandler = (from: NodeId, message: Uint8Array) => Promise<Uint8Array>;

export interface Transport {
  readonly self: NodeId;
  /** The addresses that the transport is bound to. An unspecified address such as 0.0.0.0 appears unchanged. */
  readonly addresses: readonly string[];
  /** Rejects with a TransportError. */
  connect(peer: NodeAddress, options: RequestOptions): Promise<Connection>;
  /**
   * Sets the one message handler. Set it before other nodes learn the address: a message that comes before it is
   * answered `busy`.
   */
  onMessage(handler: MessageHandler): void;
  /** Sets the one handler for connections that other nodes opened. */
  onConnection(handler: (connection: Connection) => void): void;
  /**
   * Names the peers that must reach this node however many others dial. A transport without a gate (gate.ts) needs no
   * such names.
   */
  prefer?(peers: readonly NodeAddress[]): void;
  /** Closes all connections with `done`. Resolves after little more than CLOSE_DEADLINE_MS at the latest. */
  close(): Promise<void>;
}

/**
 * Resolves as `work` does, or rejects with a TransportError "deadline" when the work takes longer. Then the work itself
 * continues, and a later failure of the work is ignored.
 */
export async function within<T>(timers: Timers, deadlineMs: number, work: Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  work.catch(() => {});
  const late = new Promise<never>((_, reject) => {
    timer = timers.after(deadlineMs, () => reject(new TransportError("deadline")));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer?.cancel();
  }
}

/**
 * Calls a message handler and turns its errors into codes. An answer that is larger than its bound is an error of this
 * node, so the code is `internal`.
 */
export async function answerTo(
  handler: MessageHandler | undefined,
  from: NodeId,
  message: Uint8Array,
  { answerSizeBytesMax }: MessageBounds,
): Promise<Uint8Array | ProtocolError> {
  if (handler === undefined) return new ProtocolError("busy");
  try {
    const answer = await handler(from, message);
    return answer.length > answerSizeBytesMax ? new ProtocolError("internal") : answer;
  } catch (error) {
    return error instanceof ProtocolError ? error : new ProtocolError("internal");
  }
}
