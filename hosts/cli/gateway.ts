/** `throwie gateway`: run one until it is told to stop. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import pino from "pino";
import { loadIdentity } from "../distsoc/identity.ts";
import { openIrohTransport } from "../distsoc/iroh-transport.ts";
import { parseNodeAddress } from "../distsoc/node-id.ts";
import { Gateway } from "../gateway/gateway.ts";
import { RadioAir, radioAddress } from "../gateway/radio-air.ts";
import { parseAirAddress, UdpRadio } from "../radio/udp-radio.ts";

export const IDENTITY_FILE = "identity.key";
const DROPS_FILE = "drops.flash";
/** Several beacons: an air that is there has answered one by then. */
const AIR_SILENT_MS = 5_000;

export interface GatewayOptions {
  data: string;
  listen: string;
  air: string;
  follow: string[];
  audience: string[];
}

export async function gateway(options: GatewayOptions): Promise<void> {
  const follow = options.follow.map(parseNodeAddress);
  const audience = options.audience.map(parseNodeAddress);
  const airAddress = parseAirAddress(options.air);
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  const identity = loadIdentity(join(options.data, IDENTITY_FILE));
  const logger = pino({ base: null }, pino.destination({ dest: 1, sync: true }));
  const address = radioAddress(identity.publicKey);
  const transport = await openIrohTransport({ identity, listen: options.listen });
  const air = await openAir().catch(async (error) => {
    await transport.close();
    throw error;
  });
  const running = new Gateway({ dataPath: options.data, identity, transport, air, follow, audience, logger });
  running.start();
  const stop = async (): Promise<void> => {
    await running.stop();
    air.close();
    process.exit(0);
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);

  function openAir(): Promise<RadioAir> {
    return RadioAir.open(join(options.data, DROPS_FILE), async (handlers) => {
      const radio = await UdpRadio.open(airAddress, address, handlers);
      setTimeout(() => {
        if (!radio.answered) logger.warn({ event: "air-silent", air: options.air });
      }, AIR_SILENT_MS).unref();
      return radio;
    });
  }
}
