/**
 * One radio on the medium: the queues between a node and the air, and the state of its 802.11 hardware.
 *
 * A station is the Radio port of a node (modules/throwie/ports.ts). Outward, `send` copies a frame into a bounded queue
 * and returns false when the queue is full; `onRoom` is called when a place became free. Inward, decoded frames wait in
 * a bounded queue. Each takes `processingUs` of the node's time, and then `onFrame` is called. A frame that finds the
 * queue full is lost, even if the hardware has acknowledged it. ESP-NOW's driver behaves like this (docs/simulator.md).
 *
 * The kernel calls the handlers. The frame that `onFrame` gets belongs to the medium and is shared with other
 * receivers.
 *
 * The fields under "Contention" belong to the medium (radio.ts); a node does not use them.
 */
import {
  ADDRESS_BYTES,
  checkFrame,
  type MacAddress,
  type Radio,
  type RadioHandlers,
} from "../modules/throwie/ports.ts";
import type { Timer } from "./kernel.ts";
import type { LossCause } from "./loss.ts";
import type { Path } from "./mobility.ts";

/** One frame to send. */
export interface Outbound {
  readonly bytes: Uint8Array;
  /** The address of the only station that it is for. Undefined for a broadcast. */
  readonly to: MacAddress | undefined;
  /** The hardware's own number. A receiver recognises a repetition by it. */
  readonly sequence: number;
  attempts: number;
}

/** One decoded frame that waits for its node. */
export interface Inbound {
  readonly bytes: Uint8Array;
  readonly from: Station;
  /** The number of the transmission that brought the frame. */
  readonly transmission: number;
}

/** A signal on air: a queued frame, or an acknowledgement when `outbound` is undefined. */
export interface Transmission {
  readonly number: number;
  readonly sender: Station;
  readonly outbound: Outbound | undefined;
  /** The address of the station that it is for. Undefined for a broadcast. */
  readonly to: MacAddress | undefined;
  readonly arrivals: Arrival[];
}

/** A transmission as one station receives it. */
export interface Arrival {
  readonly station: Station;
  /** The square of distance over range. */
  readonly squared: number;
  spoiled: LossCause | undefined;
}

/** The medium's functions for a station. */
export interface TransmitQueue {
  isFull(station: Station): boolean;
  /** Takes one frame. The frame belongs to the queue from then on. False when there is no room. */
  enqueue(station: Station, frame: Uint8Array, to: MacAddress): boolean;
}

export interface StationOptions {
  queue: TransmitQueue;
  address: MacAddress;
  frameSizeBytesMax: number;
  receiveQueueFrames: number;
  index: number;
  path: Path;
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
  /** Until this time the node takes no frame from the queue, because it is busy with something else. */
  stalledUntilUs = 0;
  /** The frame that the node is busy with. */
  processing: Timer | undefined = undefined;

  // Contention
  powered = true;
  /** Grows with every loss of power, so that events from before a loss can be recognised. */
  powerCycles = 0;
  transmitting: Transmission | undefined = undefined;
  /** The time on air since the beginning, with acknowledgements. */
  airtimeUs = 0;
  /** The signals that reach this station now, decodable or not. */
  readonly arrivals: Arrival[] = [];
  /** Fires when the hardware stops waiting for an acknowledgement. */
  patience: Timer | undefined = undefined;
  /** The next attempt, while the air is idle. */
  attempt: Timer | undefined = undefined;
  backOffSlots = 0;
  contentionSlots = 0;
  idleSinceUs = 0;
  sequence = 0;
  /** The last sequence number taken from each sender, by the sender's index. */
  readonly taken = new Map<number, number>();

  constructor({ queue, address, frameSizeBytesMax, receiveQueueFrames, index, path }: StationOptions) {
    if (address.length !== ADDRESS_BYTES) throw new Error("station: an address is six bytes");
    this.#queue = queue;
    this.address = address.slice();
    this.frameSizeBytesMax = frameSizeBytesMax;
    this.receiveQueueFrames = receiveQueueFrames;
    this.index = index;
    this.path = path;
  }

  /** A station without power is full, as a closed radio is. */
  get full(): boolean {
    return !this.powered || this.#queue.isFull(this);
  }

  /** Queues a copy of one frame, `frame[0 .. lengthBytes)`. False when the queue is full or the power is off. */
  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    checkFrame(this, frame, lengthBytes);
    return this.#queue.enqueue(this, frame.slice(0, lengthBytes), to);
  }

  /** Whether the station can neither begin to send nor decode a new frame. */
  get busy(): boolean {
    return this.arrivals.length > 0 || this.transmitting !== undefined || this.patience !== undefined;
  }
}

/** A locally administered address that contains the index. */
export function stationAddress(index: number): MacAddress {
  return Uint8Array.of(0x02, 0x74, 0x00, (index >>> 16) & 0xff, (index >>> 8) & 0xff, index & 0xff);
}

export function isBroadcast(address: MacAddress): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (address[i] !== 0xff) return false;
  return true;
}
