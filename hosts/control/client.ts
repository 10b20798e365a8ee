/**
 * Asks the node that has a store open (docs/control.md).
 *
 * The answer can get lost: the node may be stopped, killed or replaced while it works. So a caller must be able to
 * repeat its request without harm.
 */
import { connect, type Socket } from "node:net";
import { receiveFrame } from "./connection.ts";
import { placesOf } from "./places.ts";
import {
  type ControlAnswer,
  type ControlRequest,
  decodeControlAnswer,
  type ExchangeName,
  encodeControlRequest,
} from "./requests.ts";

/** Longer than a node needs for any request, also on a slow disk. */
export const ANSWER_DEADLINE_MS = 10_000;

/**
 * - absent: no node of this user, or of the owner of the store, listens.
 * - lost: the connection ended before the answer. The node may have done what the request asks.
 * - silent: the node does not answer in time. The node may have done what the request asks, or may do it later.
 * - unknown: the node is of another version and does not know the request.
 */
export type NoAnswer = "absent" | "lost" | "silent" | "unknown";

interface AskOptions {
  deadlineMs?: number;
  /** Ends the connection. The answer is "lost" then. */
  signal?: AbortSignal;
}

/** Sends this request to the node that has the store open, and resolves to its answer. */
export async function askNode<N extends ExchangeName>(
  storePath: string,
  name: N,
  request: ControlRequest<N>,
  { deadlineMs = ANSWER_DEADLINE_MS, signal }: AskOptions = {},
): Promise<ControlAnswer<N> | NoAnswer> {
  const socket = await connected(storePath);
  if (typeof socket === "string") return socket;
  const abort = (): void => void socket.destroy();
  signal?.addEventListener("abort", abort);
  try {
    socket.end(encodeControlRequest(name, request));
    const frame = await receiveFrame(socket, deadlineMs);
    if (frame === "late") return "silent";
    if (typeof frame === "string") return "lost";
    const answer = decodeControlAnswer(name, frame);
    return answer === "malformed" ? "unknown" : answer;
  } finally {
    signal?.removeEventListener("abort", abort);
    socket.destroy();
  }
}

async function connected(storePath: string): Promise<Socket | "absent" | "lost"> {
  for (const place of placesOf(storePath)) {
    const socket = connect({ path: place.socket, allowHalfOpen: true });
    const refused = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", resolve);
    });
    // From now on an error of the connection only ends it.
    socket.on("error", () => {});
    if (refused === undefined) return socket;
    // EAGAIN: the node has not taken the last connections yet.
    if (refused.code === "EAGAIN") return "lost";
  }
  return "absent";
}
