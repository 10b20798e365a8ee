/**
 * One message and its answer over a connection, as values instead of bytes. The side that asks calls `ask`, and the
 * other side calls `answer`.
 *
 * Invariant: on both sides the compiler knows which answer belongs to which request, from the table in
 * wire/messages.ts. When a message gets a codec in that table, the compiler reports an error until the node has a
 * handler for the message.
 */
import type { NodeId } from "./node-id.ts";
import type { Connection, RequestOptions } from "./transport/transport.ts";
import {
  type AnswerOf,
  decodeAnswer,
  encodeRequest,
  type Request,
  type RequestName,
  type WireRefusal,
} from "./wire/messages.ts";

/** One handler for each message that opens a stream. A handler refuses a message by throwing a ProtocolError. */
export type Handlers = {
  readonly [N in RequestName]: (from: NodeId, request: Request<N>) => AnswerOf<N> | Promise<AnswerOf<N>>;
};

/** Calls the handler for this request and returns the answer of the handler. */
export function answer<N extends RequestName>(
  handlers: Handlers,
  from: NodeId,
  request: Request<N>,
): AnswerOf<N> | Promise<AnswerOf<N>> {
  return handlers[request.type](from, request);
}

/**
 * Sends this request and resolves to its answer, or to the reason why the received bytes are not a valid answer.
 * Rejects with the same errors as `Connection.request`.
 */
export async function ask<N extends RequestName>(
  connection: Connection,
  request: Request<N>,
  options: RequestOptions,
): Promise<AnswerOf<N> | WireRefusal> {
  return decodeAnswer(request.type, await connection.request(encodeRequest(request), options));
}
