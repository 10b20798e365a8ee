/**
 * A Throwie on a host: the same node that the boards run, with its Drops in a file.
 *
 * The node touches no timer and no socket, so it needs a host. This class calls `turn` at the time that the node asks
 * for, after each frame, and when the radio has room. It passes the node's events on only after the node's own call has
 * returned. A gateway, a Mule, `throwie write` and the rehearsal of the firmware all use this class. So a person's
 * message has one way in: `publish`.
 *
 * Without a radio the node stores Drops and sends nothing.
 */
import { randomFillSync } from "node:crypto";
import { shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import { type NodeEvents, SILENT } from "../../modules/throwie/events.ts";
import { ADDRESS_BYTES, type MacAddress, type Radio, type RadioHandlers } from "../../modules/throwie/ports.ts";
import { type PublishOutcome, Throwie } from "../../modules/throwie/throwie.ts";
import type { HostRadio } from "../radio/host-radio.ts";
import { type DropStore, dropAt, openDropStore } from "../store/drop-store.ts";

const FRAME_BYTES_V1 = 250;

export interface HostNodeOptions {
  /** The path of the file that holds the Drops. The file is created if it does not exist; its folder is not. */
  storePath: string;
  /** How long to wait while another program holds the file and does not change it. */
  patienceMs?: number | undefined;
  /**
   * Opens a radio that calls these handlers; what they are told before this resolves is lost. Without it the node has
   * no radio.
   */
  openRadio?: (handlers: RadioHandlers) => Promise<HostRadio>;
  /** Ends the opening: `open` rejects with the reason of the abort. Later an abort has no effect. */
  signal?: AbortSignal;
  /** Called again and again while another program holds the file. When it rejects, `open` rejects with that error. */
  whileHeld?: () => Promise<void>;
  events?: Partial<Omit<NodeEvents, "dropVerified" | "dropGaveWay">>;
}

export class HostNode {
  readonly #file: DropStore;
  readonly #radio: HostRadio;
  readonly #node: Throwie;
  #onDrop: (drop: Uint8Array) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #gaveWay: number[] = [];

  private constructor(file: DropStore, radio: HostRadio, events: HostNodeOptions["events"]) {
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
        dropGaveWay: (low, high) => this.#gaveWay.push(low, high),
        dropVerified: (slot) => {
          const drop = dropAt(file.store, slot);
          setImmediate(() => this.#onDrop(drop));
        },
      },
    });
    this.#turn();
  }

  /** Rejects with an Error of one sentence when the store or the radio cannot be used. Nothing stays open then. */
  static async open(options: HostNodeOptions): Promise<HostNode> {
    const { storePath, openRadio = noRadio, signal, events } = options;
    let node: HostNode | undefined;
    const file = await openDropStore(storePath, options);
    try {
      const opening = openRadio({
        onFrame: (bytes, lengthBytes, from) => {
          if (node !== undefined) node.#receive(bytes, lengthBytes, from);
        },
        onRoom: () => {
          if (node !== undefined) node.#turn();
        },
      });
      const radio = await unlessAborted(opening, signal);
      node = new HostNode(file, radio, events);
      return node;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** How many Drops the store holds. */
  get held(): number {
    return this.#file.store.count;
  }

  /** Copies of all Drops that are whole and verified, from whatever origin. */
  *drops(): Iterable<Uint8Array> {
    const { store } = this.#file;
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot) && store.verified(slot)) yield dropAt(store, slot);
    }
  }

  /** Calls the handler with a copy of each Drop that is verified from now on. A new handler replaces the old one. */
  onDrop(handler: (drop: Uint8Array) => void): void {
    this.#onDrop = handler;
  }

  /** Put a Drop that did not come by air into the store: a person's Drop ("own"), or a Drop from the wire ("wire"). */
  publish(drop: Uint8Array, origin: "own" | "wire"): PublishOutcome {
    if (this.#closed) throw new Error("host-node: publish after close");
    this.#gaveWay = [];
    const outcome = this.#node.publish(drop, origin);
    this.#turn();
    return outcome;
  }

  /** The ShortIds, one after another, of the person's Drops that gave way in the last `publish`. */
  get gaveWay(): Uint8Array {
    return new Uint8Array(Uint32Array.from(this.#gaveWay).buffer);
  }

  /** Take the Drop with this ShortId out of the store. False: there is no such Drop. */
  remove(shortId: Uint8Array): boolean {
    if (this.#closed) throw new Error("host-node: remove after close");
    const removed = this.#node.remove(shortIdLow(shortId), shortIdHigh(shortId));
    this.#turn();
    return removed;
  }

  /** Write the heat that is only in memory, and release the radio and the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#node.checkpoint();
    this.#radio.close();
    this.#file.close();
  }

  #receive(bytes: Uint8Array, lengthBytes: number, from: MacAddress): void {
    if (this.#closed) return;
    this.#node.receive(bytes, lengthBytes, from);
    this.#turn();
  }

  #turn(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const dueMs = this.#node.turn();
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, dueMs - performance.now()));
  }
}

/** Resolves as the opening does, or rejects when the signal is aborted. Then a radio that opens later is closed. */
function unlessAborted(opening: Promise<HostRadio>, signal: AbortSignal | undefined): Promise<HostRadio> {
  if (signal === undefined) return opening;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    opening
      .then((radio) => (signal.aborted ? radio.close() : resolve(radio)), reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}

/** A radio address that is made of these bytes: locally administered, unicast. */
export function radioAddress(bytes: Uint8Array): MacAddress {
  const address = Uint8Array.from(bytes.subarray(0, ADDRESS_BYTES));
  address[0] = (address[0]! & 0xfc) | 0x02;
  return address;
}

/** A radio that is always full, so that the node never builds a frame. */
async function noRadio(): Promise<HostRadio> {
  const radio: Radio = {
    address: new Uint8Array(ADDRESS_BYTES),
    frameSizeBytesMax: FRAME_BYTES_V1,
    receiveQueueFrames: 1,
    full: true,
    send: () => false,
  };
  return { ...radio, close: () => {} };
}
