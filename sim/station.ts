/**
 * One radio on the medium: the queues between a node and the air, and what its 802.11 hardware remembers.
 *
 * A station is the Radio port of a node (modules/throwie/ports.ts). Outward: `send` copies a frame into a bounded
 * queue, false when it is full, and `onRoom` is called when a place came free. Inward: frames that the hardware decoded
 * wait in a bounded queue, each takes `processingUs` of the node's time, then `onFrame` is called; a frame that finds
 * the queue full is lost, acknowledged by the hardware or not. That is how ESP-NOW's driver behaves
 * (docs/simulator.md).
 *
 * Handlers are called by the kernel. The frame that `onFrame` is given belongs to the medium and is shared with other
 * receivers.
 *
 * What stands under "Contention" is the medium's (radio.ts); a node has no use for it.
 */
import { ADDRESS_BYTES, type MacAddress, type Radio, type RadioHandlers } from "../modules/throwie/ports.ts";
import type { Timer } from "./kernel.ts";
import type { LossCause } from "./loss.ts";
import type { Path } from "./mobility.ts";

/** One frame on its way out. */
export interface Outbound {
  readonly bytes: Uint8Array;
  /** The only station it is for; undefined for everyone. */
  readonly to: MacAddress | undefined;
  /** The hardware's own number, by which a receiver knows a repetition. */
  readonly sequence: number;
  attempts: number;
}

/** One decoded frame that waits for its node. */
export interface Inbound {
  readonly bytes: Uint8Array;
  readonly from: Station;
  /** Which transmission brought it. */
  readonly transmission: number;
}

/** What is on air: a queued frame, or an acknowledgement when `outbound` is undefined. */
export interface Transmission {
  readonly number: number;
  readonly sender: Station;
  readonly outbound: Outbound | undefined;
  /** Whom it is for; undefined for everyone. */
  readonly to: MacAddress | undefined;
  readonly arrivals: Arrival[];
}

/** A transmission as one station gets it. */
export interface Arrival {
  readonly station: Station;
  /** Square of distance over range. */
  readonly squared: number;
  spoiled: LossCause | undefined;
}

/** What a station asks of the medium. */
export interface TransmitQueue {
  isFull(station: Station): boolean;
  /** Take one frame, which is the queue's from here on. False: no room. */
  enqueue(station: Station, frame: Uint8Array, to: MacAddress): boolean;
}

export class Station implements Radio {
  readonly address: MacAddress;
  readonly frameSizeBytesMax: number;
  readonly receiveQueueFrames: number;
  /** Position in the order in which stations were added. */
  readonly index: number;
  readonly path: Path;
  handlers: RadioHandlers = { onFrame() {}, onRoom() {} };
  readonly #queue: TransmitQueue;

  // Queues
  readonly outbound: Outbound[] = [];
  readonly inbound: Inbound[] = [];
  /** Until then the node takes no frame from the queue: it is busy with something else. */
  stalledUntilUs = 0;
  /** The frame that the node is busy with. */
  processing: Timer | undefined = undefined;

  // Contention
  powered = true;
  /** Grows with every loss of power, so that what was under way before can be told. */
  powerCycles = 0;
  transmitting: Transmission | undefined = undefined;
  /** On air since the beginning, acknowledgements included. */
  airtimeUs = 0;
  /** Signals that reach this station now, decodable or not. */
  readonly arrivals: Arrival[] = [];
  /** When the hardware stops waiting for an acknowledgement. */
  patience: Timer | undefined = undefined;
  /** The next attempt, while the air is idle. */
  attempt: Timer | undefined = undefined;
  backOffSlots = 0;
  contentionSlots = 0;
  idleSinceUs = 0;
  sequence = 0;
  /** The last sequence number taken from each sender, by the sender's index. */
  readonly taken = new Map<number, number>();

  constructor(
    queue: TransmitQueue,
    address: MacAddress,
    frameSizeBytesMax: number,
    receiveQueueFrames: number,
    index: number,
    path: Path,
  ) {
    if (address.length !== ADDRESS_BYTES) throw new Error("station: an address is six bytes");
    this.#queue = queue;
    this.address = address.slice();
    this.frameSizeBytesMax = frameSizeBytesMax;
    this.receiveQueueFrames = receiveQueueFrames;
    this.index = index;
    this.path = path;
  }

  get full(): boolean {
    return this.#queue.isFull(this);
  }

  /** Queue one frame: `frame[0 .. lengthBytes)`, copied. False when the queue is full, or the power is off. */
  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    if (!(lengthBytes >= 1 && lengthBytes <= this.frameSizeBytesMax && lengthBytes <= frame.length)) {
      throw new Error("station: a frame is 1 to frameSizeBytesMax bytes");
    }
    return this.#queue.enqueue(this, frame.slice(0, lengthBytes), to);
  }

  /** Whether it can neither begin to send nor decode anything new. */
  get busy(): boolean {
    return this.arrivals.length > 0 || this.transmitting !== undefined || this.patience !== undefined;
  }
}

/** A locally administered address that names the index. */
export function stationAddress(index: number): MacAddress {
  return Uint8Array.of(0x02, 0x74, 0x00, (index >>> 16) & 0xff, (index >>> 8) & 0xff, index & 0xff);
}

export function isBroadcast(address: MacAddress): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (address[i] !== 0xff) return false;
  return true;
}
