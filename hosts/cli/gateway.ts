/** `throwie gateway`: run a gateway until a signal stops it. */
import { join } from "node:path";
import process from "node:process";
import { loadIdentity } from "../distsoc/identity.ts";
import { parseNodeAddress } from "../distsoc/node-id.ts";
import { openIrohTransport } from "../distsoc/transport/iroh-transport.ts";
import { MESSAGE_BOUNDS } from "../distsoc/wire/messages.ts";
import { DROPS_FILE, Gateway, IDENTITY_FILE } from "../gateway/gateway.ts";
import { openLog } from "../gateway/log.ts";
import { radioAir } from "../gateway/radio-air.ts";
import { makeFolders } from "../machine/folders.ts";
import { aborted, stopRequests } from "../machine/stop.ts";
import { HostNode, radioAddress } from "../node/host-node.ts";
import { openControl, refuseCarried } from "./carry.ts";
import { type RadioOptions, radioOf } from "./radio-options.ts";

/** The other news of a radio are warnings. */
const GOOD_NEWS = ["dongle-found", "dongle-firmware"];

interface CommandOptions extends RadioOptions {
  data: string;
  listen: string;
  follow: string[];
  audience: string[];
}

export async function gateway(options: CommandOptions): Promise<void> {
  if (options.data === "") throw new RangeError("--data is empty: name the folder for the gateway's data.");
  const follow = options.follow.map(parseNodeAddress);
  const audience = options.audience.map(parseNodeAddress);
  const { logger, close } = openLog(1);
  const openRadio = radioOf(options, (news) => logger[GOOD_NEWS.includes(news.event) ? "info" : "warn"](news));
  const stop = stopRequests();
  const storePath = join(options.data, DROPS_FILE);
  // The other gateway most likely has the UDP address too, and that address is not what has to change.
  await refuseCarried(storePath, stop);
  makeFolders(options.data);
  const identity = loadIdentity(join(options.data, IDENTITY_FILE));
  const address = radioAddress(identity.publicKey);
  const transport = await openIrohTransport({ identity, listen: options.listen, bounds: MESSAGE_BOUNDS });
  const node = await HostNode.open({
    storePath,
    signal: stop,
    whileHeld: () => refuseCarried(storePath, stop),
    openRadio: (handlers) => openRadio(handlers, address),
  }).catch(async (error) => {
    await transport.close();
    throw error;
  });
  const air = radioAir(node);
  const running = new Gateway({ dataPath: options.data, identity, transport, air, follow, audience, logger });
  const control = await openControl(storePath, node, "gateway");
  if (!control.serves) logger.warn({ event: "no-socket", store: storePath });
  running.start();
  await aborted(stop);
  control.close();
  try {
    await running.stop();
  } finally {
    node.close();
  }
  await close();
  process.exit(0);
}
