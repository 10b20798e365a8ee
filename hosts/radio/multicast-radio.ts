/**
 * A radio for development: an air between the programs of this machine, over UDP multicast on the loopback interface.
 *
 * The firmware built for Linux is on the same air (modules/espnow/espnow-lin.c), so a Mule on this machine meets a
 * board on a desk. A channel is a port. No program manages the air: every datagram reaches all members of the group,
 * and each radio drops the frames that are not for it. A sent frame occupies its sender for as long as it would take at
 * 1 Mbit/s, and occupies no other radio.
 *
 * Refuses datagrams that do not come from a loopback address. Sends with a time to live of 0, which no machine
 * forwards.
 */
import { createSocket, type Socket } from "node:dgram";
import { checkFrame, type MacAddress, type RadioHandlers } from "../../modules/throwie/ports.ts";
import { AIR_FRAME_BYTES_MAX, decodeDatagram, encodeFrameDatagram, isFor } from "./air-datagram.ts";
import type { HostRadio } from "./host-radio.ts";

/** The same values as in espnow-lin.c; test/espnow.test.ts compares them. */
export const AIR_GROUP = "239.255.84.104";
export const AIR_PORT_BASE = 47_000;
const CHANNEL_MAX = 11;
const LOOPBACK = "127.0.0.1";

/** The queue of a board (modules/espnow/sender.h), with the frame that is on its way. */
const QUEUE_FRAMES = 2;
/** A Linux socket's default buffer holds about 100 of the largest datagrams. */
const RECEIVE_QUEUE_FRAMES = 64;
/**
 * From docs/simulator.md, "Airtime": preamble and mean wait for the channel; then header, element and check sequence.
 */
const AIR_ACCESS_MS = 0.552;
const AIR_OVERHEAD_BYTES = 43;
const AIR_BYTES_PER_MS = 125;

export class MulticastRadio implements HostRadio {
  readonly address: MacAddress;
  readonly frameSizeBytesMax = AIR_FRAME_BYTES_MAX;
  readonly receiveQueueFrames = RECEIVE_QUEUE_FRAMES;
  readonly #socket: Socket;
  readonly #port: number;
  readonly #handlers: RadioHandlers;
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;
  #queued = 0;
  /** When the last queued frame will have left, on the clock of performance.now(). */
  #busyUntilMs = 0;

  private constructor(socket: Socket, port: number, address: MacAddress, handlers: RadioHandlers) {
    this.#socket = socket;
    this.#port = port;
    this.address = address;
    this.#handlers = handlers;
    socket.on("message", (datagram, { address: from }) => {
      if (from.startsWith("127.")) this.#take(datagram);
    });
    // A full socket loses the frame. The link above repeats it.
    socket.on("error", () => {});
  }

  /** Rejects when the group cannot be joined. Nothing stays open then. */
  static async open(channel: number, address: MacAddress, handlers: RadioHandlers): Promise<MulticastRadio> {
    if (!(Number.isInteger(channel) && channel >= 1 && channel <= CHANNEL_MAX)) {
      throw new RangeError(`Channel ${channel} is not 1 to ${CHANNEL_MAX}.`);
    }
    const port = AIR_PORT_BASE + channel;
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind({ port, address: AIR_GROUP }, () => {
          socket.off("error", reject);
          resolve();
        });
      });
      socket.setMulticastInterface(LOOPBACK);
      socket.setMulticastLoopback(true);
      socket.setMulticastTTL(0);
      socket.addMembership(AIR_GROUP, LOOPBACK);
    } catch (error) {
      socket.close();
      throw error;
    }
    return new MulticastRadio(socket, port, address, handlers);
  }

  get full(): boolean {
    return this.#closed || this.#queued >= QUEUE_FRAMES;
  }

  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    checkFrame(this, frame, lengthBytes);
    if (this.full) return false;
    this.#queued++;
    const datagram = encodeFrameDatagram({ from: this.address, to, frame: frame.subarray(0, lengthBytes) });
    this.#socket.send(datagram, this.#port, AIR_GROUP, () => {});
    const now = performance.now();
    const occupiedMs = AIR_ACCESS_MS + (lengthBytes + AIR_OVERHEAD_BYTES) / AIR_BYTES_PER_MS;
    this.#busyUntilMs = Math.max(now, this.#busyUntilMs) + occupiedMs;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#queued--;
      this.#handlers.onRoom();
    }, this.#busyUntilMs - now);
    this.#timers.add(timer);
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket.close();
  }

  #take(datagram: Uint8Array): void {
    const decoded = decodeDatagram(datagram);
    if (decoded === undefined || decoded === "sent" || !isFor(decoded, this.address)) return;
    this.#handlers.onFrame(decoded.frame, decoded.frame.length, decoded.from);
  }
}
