/**
 * Asks the node of a store: the node that has the store open, or else one that this process opens for the moment. The
 * kernel's lock on the file decides which (docs/control.md).
 *
 * The answer of a running node can get lost. Then this file begins again, because each request may be repeated without
 * harm. Refuses to guess when the node stays silent.
 */
import { askNode } from "../control/client.ts";
import type { ControlAnswer, ControlHandlers, ControlRequest } from "../control/requests.ts";
import { stopRequests } from "../machine/stop.ts";
import { HostNode } from "../node/host-node.ts";

/** What a node does for the commands, whoever opened its store. */
export function storeHandlers(node: HostNode): Pick<ControlHandlers, "publish" | "remove"> {
  return {
    publish: ({ drop }) => ({ outcome: node.publish(drop, "own"), held: node.held, gaveWay: node.gaveWay }),
    remove: ({ shortId }) => ({ removed: node.remove(shortId), held: node.held }),
  };
}

interface Question<N extends "publish" | "remove"> {
  name: N;
  request: ControlRequest<N>;
  /** What is not known, and what to do, when the node does not answer. */
  ifSilent: string;
}

/** Resolves to the answer. Rejects with an Error of one sentence, or with a StopRequest. */
export async function askStore<N extends "publish" | "remove">(
  storePath: string,
  question: Question<N>,
): Promise<ControlAnswer<N>> {
  let answer: ControlAnswer<N> | undefined;
  const signal = stopRequests();
  const whileHeld = async (): Promise<void> => {
    answer = await askHolder(storePath, question, signal);
    if (answer !== undefined) throw new Error("the node that has the store open answered");
  };
  try {
    const node = await HostNode.open({ storePath, signal, whileHeld });
    try {
      return (storeHandlers(node) as ControlHandlers)[question.name](question.request);
    } finally {
      node.close();
    }
  } catch (error) {
    if (answer === undefined) throw error;
    return answer;
  }
}

/** Undefined: nobody answered. The store may be free soon, or the next try may find the node. */
async function askHolder<N extends "publish" | "remove">(
  storePath: string,
  { name, request, ifSilent }: Question<N>,
  signal: AbortSignal,
): Promise<ControlAnswer<N> | undefined> {
  const answer = await askNode(storePath, name, request, { signal });
  if (typeof answer === "object") return answer;
  if (answer === "unknown") {
    throw new Error(
      `The program that has ${storePath} open is of another version: stop it, and start it again with this version.`,
    );
  }
  if (answer === "silent") throw new Error(`The program that has ${storePath} open does not answer, so ${ifSilent}.`);
  return undefined;
}
