/**
 * What a Mule and a gateway have in common: each carries a store until it is stopped, and answers other commands
 * meanwhile (docs/control.md).
 *
 * A store has one carrier. A second one says so at once, and does not wait as it waits for a short command.
 */
import { askNode } from "../control/client.ts";
import type { Carrier } from "../control/requests.ts";
import { ControlServer } from "../control/server.ts";
import type { HostNode } from "../node/host-node.ts";
import { storeHandlers } from "./ask-store.ts";

const NAMES: Record<Carrier, string> = { mule: "A Mule", gateway: "A gateway" };
/** A carrier that is alive answers at once. One that does not is found by the lock that it holds. */
const WHO_DEADLINE_MS = 2_000;

/** Rejects with an Error of one sentence when a Mule or a gateway carries this store already. */
export async function refuseCarried(storePath: string, signal: AbortSignal): Promise<void> {
  const answer = await askNode(storePath, "who", {}, { deadlineMs: WHO_DEADLINE_MS, signal });
  signal.throwIfAborted();
  if (typeof answer === "string" && answer !== "unknown") return;
  const name = typeof answer === "object" ? NAMES[answer.carrier] : "A program of another version";
  throw new Error(`${name} already carries ${storePath}: stop that program first, or use another store.`);
}

/** Answers other commands for the node of this store. */
export function openControl(storePath: string, node: HostNode, carrier: Carrier): Promise<ControlServer> {
  return ControlServer.open(storePath, {
    ...storeHandlers(node),
    who: () => ({ carrier }),
  });
}
