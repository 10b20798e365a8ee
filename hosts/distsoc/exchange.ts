/**
 * One message and its answer over a connection, as values instead of bytes: `ask` on one side, `answer` on the other.
 *
 * Invariant: the compiler knows which answer belongs to which request, on both sides, by the table of wire/messages.ts.
 * A message that gets a codec there is an error here until a node has a handler for it.
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

/** What a node does with each message that opens a stream. A handler refuses by throwing a ProtocolError. */
export type Handlers = {
  readonly [N in RequestName]: (from: NodeId, request: Request<N>) => AnswerOf<N> | Promise<AnswerOf<N>>;
};

/** The answer of the one handler that is for this request. */
export function answer<N extends RequestName>(
  handlers: Handlers,
  from: NodeId,
  request: Request<N>,
): AnswerOf<N> | Promise<AnswerOf<N>> {
  return handlers[request.type](from, request);
}

/** What came back for this request: its answer, or why the bytes are none. Rejects as `Connection.request` does. */
export async function ask<N extends RequestName>(
  connection: Connection,
  request: Request<N>,
  options: RequestOptions,
): Promise<AnswerOf<N> | WireRefusal> {
  return decodeAnswer(request.type, await connection.request(encodeRequest(request), options));
}
