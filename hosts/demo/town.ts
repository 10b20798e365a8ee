/**
 * A simulated town in compressed real time, with a station on its air for a real gateway process
 * (hosts/radio/udp-radio.ts).
 *
 * The gateway runs in real time, and the town runs COMPRESSION times faster. While the gateway is in a contact the town
 * slows down to real time, so that neither side is too fast or too slow for the other. The two share no clock, as real
 * nodes do not.
 *
 * On a busy machine the gateway acts late, and then the town must not run ahead of it. So one turn of the demo is never
 * more than a short time for the town, however late the turn comes, and a contact lasts turns and not milliseconds.
 */
import { createSocket, type Socket } from "node:dgram";
import { frameType } from "../../modules/glacier/frame.ts";
import { BEACON } from "../../modules/glacier/frame-type.ts";
import type { MacAddress } from "../../modules/throwie/ports.ts";
import type { Fixed } from "../../sim/mobility.ts";
import type { SimObserver } from "../../sim/node.ts";
import type { Scenario } from "../../sim/scenario.ts";
import type { Station } from "../../sim/station.ts";
import { World } from "../../sim/world.ts";
import { decodeDatagram, encodeFrameDatagram, SENT_DATAGRAM } from "../radio/air-datagram.ts";

export const COMPRESSION = 40;
/** The most real time that one turn stands for, in a contact with the gateway and outside of one. */
const SLOW_TURN_MS_MAX = 250;
const FAST_TURN_MS_MAX = 20;
/** The turns that the town stays slow after the last frame between it and the gateway: 0.3 s on an idle machine. */
const SLOW_TURNS = 60;
/** The simulated time between two checks whether a contact with the gateway has begun. */
const STEP_S = 0.01;

export class Town {
  readonly world: World;
  /** The gateway's station on the air. Undefined until the gateway sends its first frame. */
  gateway: Station | undefined;
  readonly #gatewayAt: Fixed;
  readonly #socket: Socket;
  #gatewayPort = 0;
  #nowS = 0;
  #slowTurns = 0;

  private constructor(world: World, gatewayAt: Fixed, socket: Socket) {
    this.world = world;
    this.#gatewayAt = gatewayAt;
    this.#socket = socket;
    socket.on("message", (datagram, { port }) => this.#take(datagram, port));
    // An error means that the gateway is down. It comes back with another port.
    socket.on("error", () => {});
  }

  static async open(scenario: Scenario, seed: number, gatewayAt: Fixed, observer: SimObserver): Promise<Town> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, "127.0.0.1", () => {
        socket.off("error", reject);
        resolve();
      });
    });
    return new Town(new World(scenario, seed, observer), gatewayAt, socket);
  }

  /** The address at which a gateway finds this town's air. */
  get air(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  /** One turn: lets `elapsedMs` of real time pass, or less if the turn comes late. */
  advance(elapsedMs: number): void {
    const slow = this.#slowTurns > 0;
    if (slow) this.#slowTurns--;
    const passMs = slow ? Math.min(elapsedMs, SLOW_TURN_MS_MAX) : COMPRESSION * Math.min(elapsedMs, FAST_TURN_MS_MAX);
    const untilS = this.#nowS + passMs / 1_000;
    while (this.#nowS < untilS) {
      this.#nowS = Math.min(untilS, this.#nowS + STEP_S);
      this.world.run(this.#nowS);
      if (!slow && this.#slowTurns > 0) return;
    }
  }

  close(): void {
    this.#socket.close();
  }

  #take(datagram: Uint8Array, port: number): void {
    const decoded = decodeDatagram(datagram);
    if (decoded === undefined || decoded === "sent") return;
    this.#gatewayPort = port;
    this.gateway ??= this.#plugIn(decoded.from);
    this.#slowDown(decoded.frame);
    this.gateway.send(decoded.frame, decoded.frame.length, decoded.to);
  }

  #plugIn(address: MacAddress): Station {
    const station = this.world.medium.add(this.#gatewayAt, address);
    station.handlers = {
      onFrame: (bytes, lengthBytes, from) => {
        const frame = bytes.subarray(0, lengthBytes);
        this.#slowDown(frame);
        this.#socket.send(encodeFrameDatagram({ from, to: address, frame }), this.#gatewayPort, "127.0.0.1");
      },
      onRoom: () => this.#socket.send(SENT_DATAGRAM, this.#gatewayPort, "127.0.0.1"),
    };
    return station;
  }

  /** Every frame but a beacon belongs to a contact, so the town slows down. */
  #slowDown(frame: Uint8Array): void {
    if (frameType(frame) !== BEACON) this.#slowTurns = SLOW_TURNS;
  }
}
