/**
 * A gateway's air for real: a node over a radio, with its Drops in a file (design section 10).
 *
 * The node is the very one that the boards run. This is its host: it calls `turn` when the node wants, after each
 * frame and when the radio has room, and it carries what the node tells out of the node's own call before it acts on it.
 */
import { randomFillSync } from "node:crypto";
import { type NodeEvents, SILENT } from "../../modules/throwie/events.ts";
import { ADDRESS_BYTES, type MacAddress } from "../../modules/throwie/ports.ts";
import { Throwie } from "../../modules/throwie/throwie.ts";
import type { Air } from "../gateway/gateway.ts";
import type { AirOutcome } from "../gateway/overlay.ts";
import type { HostRadio, RadioHandlers } from "../radio/host-radio.ts";
import { type DropStore, dropAt, openDropStore } from "../store/drop-store.ts";

export class RadioAir implements Air {
  readonly #file: DropStore;
  readonly #radio: HostRadio;
  readonly #node: Throwie;
  #onHeard: (drop: Uint8Array) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(file: DropStore, radio: HostRadio, events: Partial<Omit<NodeEvents, "dropVerified">>) {
    this.#file = file;
    this.#radio = radio;
    this.#node = new Throwie({
      radio,
      clock: { now: () => Math.floor(performance.now()) },
      random: { fill: (bytes) => void randomFillSync(bytes) },
      store: file.store,
      events: {
        ...SILENT,
        ...events,
        dropVerified: (slot) => {
          const drop = dropAt(file.store, slot);
          setImmediate(() => this.#onHeard(drop));
        },
      },
    });
    this.turn();
  }

  /** `openRadio` is given the handlers that its radio has to call; frames before it returns are dropped. */
  static async open(
    storePath: string,
    openRadio: (handlers: RadioHandlers) => Promise<HostRadio>,
    events: Partial<Omit<NodeEvents, "dropVerified">> = {},
  ): Promise<RadioAir> {
    let air: RadioAir | undefined;
    const file = openDropStore(storePath);
    try {
      const radio = await openRadio({
        onFrame: (frame, from) => air?.receive(frame, from),
        onRoom: () => air?.turn(),
      });
      air = new RadioAir(file, radio, events);
      return air;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Drops in the store. */
  get held(): number {
    return this.#file.store.count;
  }

  *heardDrops(): Iterable<Uint8Array> {
    const { store } = this.#file;
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot) && store.verified(slot)) yield dropAt(store, slot);
    }
  }

  offer(drop: Uint8Array): AirOutcome {
    if (this.#closed) return "busy";
    const outcome = this.#node.publish(drop, "wire");
    this.turn();
    if (outcome === "flash") return "busy";
    return outcome === "colder" ? "full" : outcome;
  }

  onHeard(handler: (drop: Uint8Array) => void): void {
    this.#onHeard = handler;
  }

  receive(frame: Uint8Array, from: MacAddress): void {
    if (this.#closed) return;
    this.#node.receive(frame, frame.length, from);
    this.turn();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#node.checkpoint();
    this.#radio.close();
    this.#file.close();
  }

  turn(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const dueMs = this.#node.turn();
    this.#timer = setTimeout(() => this.turn(), Math.max(0, dueMs - performance.now()));
  }
}

/** The address of a node's radio, from its public key: locally administered, unicast. */
export function radioAddress(publicKey: Uint8Array): MacAddress {
  const address = publicKey.slice(0, ADDRESS_BYTES);
  address[0] = (address[0]! & 0xfc) | 0x02;
  return address;
}
