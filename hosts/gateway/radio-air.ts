/**
 * The real air of a gateway: the node of hosts/node, which receives the Drops of the town by radio.
 *
 * It refuses nothing and decides nothing. It passes the answers of the node to the gateway unchanged.
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
