/**
 * A gateway's air for real: the node of hosts/node, which hears the town by radio (design section 10).
 *
 * Refuses nothing and decides nothing: what the node answers is what the gateway hears.
 */
import type { HostNode } from "../node/host-node.ts";
import type { Air } from "./bridge.ts";

export function radioAir(node: HostNode): Air {
  return {
    heardDrops: () => node.drops(),
    offer: (drop) => node.publish(drop, "wire"),
    onHeard: (handler) => node.onDrop(handler),
  };
}
