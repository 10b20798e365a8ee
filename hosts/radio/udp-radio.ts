/**
 * A radio for development: frames go over UDP to an air on this machine, for example to a simulated town.
 *
 * Keeps the promises of the Radio port as ESP-NOW does: a queue of QUEUE_FRAMES, `send` false when the queue is full,
 * `onRoom` when a place becomes free. Uses loopback addresses only, because a frame on a real network would be neither
 * a radio frame nor protected like one.
 */
import { createSocket, type Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { checkFrame, type MacAddress, type RadioHandlers } from "../../modules/throwie/ports.ts";
import { decodeDatagram, encodeFrameDatagram, isFor } from "./air-datagram.ts";
import type { HostRadio } from "./host-radio.ts";

/** The size of an ESP-NOW v1 body, as the simulated town's air takes it. */
const FRAME_BYTES_MAX = 250;
const QUEUE_FRAMES = 4;
/** A Linux socket's default buffer holds about 250 of these datagrams. */
const RECEIVE_QUEUE_FRAMES = 64;
/**
 * An air that is gone answers nothing. After this time a queued frame counts as sent, as on a real radio without
 * listeners.
 */
const SENT_TIMEOUT_MS = 250;

/** `host:port` of the air. Throws a RangeError that says what is expected. */
export function parseAirAddress(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon);
  const digits = text.slice(colon + 1);
  const port = Number(digits);
  if (!isIPv4(host) || !host.startsWith("127.") || !/^\d{1,5}$/.test(digits) || port < 1 || port > 65_535) {
    throw new RangeError(
      `${text} is not the address of an air: give a loopback address and a port, like 127.0.0.1:7400.`,
    );
  }
  return { host, port };
}

export class UdpRadio implements HostRadio {
  readonly address: MacAddress;
  readonly frameSizeBytesMax = FRAME_BYTES_MAX;
  readonly receiveQueueFrames = RECEIVE_QUEUE_FRAMES;
  readonly #socket: Socket;
  readonly #handlers: RadioHandlers;
  /** Whether an air has ever confirmed a frame. */
  answered = false;
  #closed = false;
  #queued = 0;
  #timeout: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, address: MacAddress, handlers: RadioHandlers) {
    this.#socket = socket;
    this.address = address;
    this.#handlers = handlers;
    socket.on("message", (datagram) => this.#take(datagram));
    // A refused datagram means that no air listens now. The air may come back.
    socket.on("error", () => {});
  }

  static async open(
    air: { host: string; port: number },
    address: MacAddress,
    handlers: RadioHandlers,
  ): Promise<UdpRadio> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(air.port, air.host, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    return new UdpRadio(socket, address, handlers);
  }

  get full(): boolean {
    return this.#closed || this.#queued >= QUEUE_FRAMES;
  }

  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    checkFrame(this, frame, lengthBytes);
    if (this.full) return false;
    this.#queued++;
    this.#timeout ??= setTimeout(() => this.#drain(this.#queued), SENT_TIMEOUT_MS);
    this.#socket.send(encodeFrameDatagram({ from: this.address, to, frame: frame.subarray(0, lengthBytes) }), () => {});
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timeout);
    this.#socket.close();
  }

  #take(datagram: Uint8Array): void {
    const decoded = decodeDatagram(datagram);
    if (decoded === "sent") {
      this.answered = true;
      this.#drain(1);
    } else if (decoded !== undefined && decoded.frame.length <= FRAME_BYTES_MAX && isFor(decoded, this.address)) {
      this.#handlers.onFrame(decoded.frame, decoded.frame.length, decoded.from);
    }
  }

  #drain(frames: number): void {
    clearTimeout(this.#timeout);
    this.#queued = Math.max(0, this.#queued - frames);
    this.#timeout = this.#queued > 0 ? setTimeout(() => this.#drain(this.#queued), SENT_TIMEOUT_MS) : undefined;
    this.#handlers.onRoom();
  }
}
