/**
 * A UDP port on loopback that was free a moment ago. The demo needs it: its gateways keep their port across restarts.
 *
 * The system gives ports from 32,768 on to sockets that ask for any port. While a gateway is down, such a socket could
 * take its port. So the port comes from below.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";

const PORT_FROM = 20_000;
const PORT_END = 32_768;
const TRIES_MAX = 100;

export async function freeUdpPort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = randomInt(PORT_FROM, PORT_END);
    const socket = createSocket("udp4");
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind(port, "127.0.0.1", resolve);
      });
      return port;
    } catch (error) {
      if (tries === TRIES_MAX) throw error;
    } finally {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    }
  }
}
