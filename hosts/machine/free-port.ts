/**
 * A UDP port on loopback that was free a moment ago. The demo needs it: its gateways keep their port across restarts.
 */
import { createSocket } from "node:dgram";

export async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
