/**
 * Gives a person's Drop to the node of a store: to the node that has the store open, or else to one that this process
 * opens for the moment. The kernel's lock on the file decides which (docs/control.md).
 *
 * The answer of a running node can get lost. Then this file begins again, because to publish a Drop twice does no harm:
 * the second outcome is "known". Refuses to guess when the node stays silent.
 */
import { askNode } from "../control/client.ts";
import type { ControlAnswer } from "../control/requests.ts";
import { stopRequests } from "../machine/stop.ts";
import { HostNode } from "../node/host-node.ts";
import { leaveMessage } from "../node/message.ts";

/**
 * Resolves to the number of Drops in the store, when the Drop is one of them. Rejects with an Error of one sentence, or
 * with a StopRequest, when the Drop is not in the store or nobody knows.
 */
export async function leaveDrop(storePath: string, drop: Uint8Array): Promise<number> {
  let answer: ControlAnswer<"publish"> | undefined;
  const signal = stopRequests();
  const whileHeld = async (): Promise<void> => {
    answer = await askHolder(storePath, drop, signal);
    if (answer !== undefined) throw new Error("the node that has the store open answered");
  };
  try {
    const node = await HostNode.open({ storePath, signal, whileHeld });
    try {
      leaveMessage(node, drop, storePath);
      return node.held;
    } finally {
      node.close();
    }
  } catch (error) {
    if (answer === undefined) throw error;
    const { outcome, held } = answer;
    leaveMessage({ publish: () => outcome }, drop, storePath);
    return held;
  }
}

/** Undefined: nobody answered. The store may be free soon, or the next try may find the node. */
async function askHolder(
  storePath: string,
  drop: Uint8Array,
  signal: AbortSignal,
): Promise<ControlAnswer<"publish"> | undefined> {
  const answer = await askNode(storePath, "publish", { drop }, { signal });
  if (typeof answer === "object") return answer;
  if (answer === "unknown") {
    throw new Error(
      `The program that has ${storePath} open is of another version: stop it, and start it again with this version.`,
    );
  }
  if (answer === "silent") {
    throw new Error(
      `The program that has ${storePath} open does not answer, so it is not known whether the message is in the store: ` +
        "look for it with throwie read, or stop that program and write again.",
    );
  }
  return undefined;
}
