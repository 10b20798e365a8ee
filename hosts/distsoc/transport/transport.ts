/**
 * The transport port: what the overlay node needs of a network, and no more (design section 9; docs/distsoc.md,
 * "Connections and streams").
 *
 * A transport carries whole messages between nodes whose NodeIds it has proven. A message and its answer share one
 * bidirectional stream: the asker sends the message and ends its side, the other sends the answer and ends its own.
 * To refuse, the other resets the stream with a code of `ERROR_CODES`; the connection lives on. What the bytes mean is
 * the wire's business (wire/messages.ts); the transport looks at none of them. How long a message or an answer may be
 * follows from what it means, so the owner of a transport says so when it opens one.
 *
 * Invariant: `iroh-transport.ts` (QUIC) and `memory-transport.ts` (one process) pass one contract suite
 * (test/transport-contract.ts), so what is tried on the second holds on the first.
 *
 * Failures have two types. A ProtocolError is the other node's answer; it heard us. A TransportError means that we do
 * not know: the request may or may not have been acted on, so messages are made to be sent again.
 *
 * Buffers: the transport copies what it is given, and what it hands out is the receiver's own.
 */
import type { Timer, Timers } from "../../retry/timers.ts";
import type { NodeAddress, NodeId } from "../node-id.ts";
import { ERROR_CODES, type ErrorName, errorName } from "../wire/error-codes.ts";

/** One protocol, one handshake a peer. */
export const ALPN = "distsoc/2";
/** Inbound streams that a connection has served at once; further ones wait unread, which slows their sender down. */
export const INBOUND_STREAMS_MAX = 32;
/** Connections that others opened to us, of the 101 that a desktop node holds (design section 9); more are turned away. */
export const INBOUND_CONNECTIONS_MAX = 101;
/** A handshake that takes longer gives its place back. */
export const INBOUND_HANDSHAKE_DEADLINE_MS = 5000;
/** A message that has not arrived whole by then comes from a peer that is gone, or that holds the stream on purpose. */
export const INBOUND_MESSAGE_DEADLINE_MS = 5000;
/** How long `close` may take, whatever the library does. */
export const CLOSE_DEADLINE_MS = 2000;

/** The other node refused one message. Thrown by a message handler, it is sent; received, it is thrown by `request`. */
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
 * unreachable: no connection was made. deadline: no answer in time. closed: the connection or the transport is gone.
 * too-large: the message, or what came for an answer, is beyond its bound. address: cannot listen there.
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

/** The most bytes that a transport sends or reads: of a message that opens a stream, and of an answer. */
export interface MessageBounds {
  readonly requestSizeBytesMax: number;
  readonly answerSizeBytesMax: number;
}

export interface RequestOptions {
  deadlineMs: number;
}

export interface Connection {
  readonly peer: NodeId;
  /** Whether this side opened it. */
  readonly dialled: boolean;
  /** Resolves, and never rejects, when the connection is gone: with the code that it was closed with, if one is known. */
  readonly closed: Promise<number | undefined>;
  /** One message out, its answer back. Rejects with a ProtocolError or a TransportError. */
  request(message: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  /** At once; what is under way fails. Repeating it does nothing. */
  close(code: ErrorName): void;
}

/** Answers one message, or throws a ProtocolError; anything else that it throws is answered `internal`. */
export type MessageHandler = (from: NodeId, message: Uint8Array) => Promise<Uint8Array>;

export interface Transport {
  readonly self: NodeId;
  /** Where others reach this node; as bound, so an unspecified address is given as such. */
  readonly addresses: readonly string[];
  /** Rejects with a TransportError. */
  connect(peer: NodeAddress, options: RequestOptions): Promise<Connection>;
  /** One handler; to be set before the transport is announced. A message that comes before it is answered `busy`. */
  onMessage(handler: MessageHandler): void;
  /** One handler, for connections that others opened. */
  onConnection(handler: (connection: Connection) => void): void;
  /** Closes all connections with `done`; resolves within CLOSE_DEADLINE_MS and a little. */
  close(): Promise<void>;
}

/** `work`, or a TransportError when it takes longer. The work itself goes on; its late failure is swallowed. */
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

/** Calls a message handler; what it throws becomes a code. An answer beyond the bound is our own fault, not the asker's. */
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
