/**
 * The medium: 802.11 as ESP-NOW uses it, frame by frame (docs/simulator.md, "The medium").
 *
 * Stations within `rangeM` hear each other, all others do not. A station sends when the air around it has been idle for
 * DIFS and its back-off has run down; the back-off runs only while the air is idle. Two stations collide when one
 * starts within the time that it takes to notice the other, or when one cannot hear the other. A receiver that two
 * signals reach at once, or that is sending itself, decodes neither signal (no capture).
 *
 * A unicast frame is acknowledged after SIFS. When no acknowledgement comes, the frame is sent again with a doubled
 * window, up to `retriesMax` times. Other stations that decoded the frame stay silent while the acknowledgement is due.
 * A frame that survives all this may be lost by chance (loss.ts). Then it may be delayed, doubled or damaged, and then
 * it needs a place in the receive queue.
 *
 * Invariant: for each station that a frame was for (`receptions`), the frame ends exactly once: delivered, lost with a
 * cause, or known to be a repetition. A duplicate adds one delivery or one loss. The same seed gives the same history.
 *
 * Left out on purpose: propagation time (0.3 us at 100 m), EIFS, capture, rate adaptation, and the traffic of other
 * networks.
 */

import { type MacAddress, sameAddress } from "../modules/throwie/ports.ts";
import { ACK_BYTES, ackUs, frameBytes, onAirUs, type RateMbps, type Timing, timing } from "./airtime.ts";
import { type FrameTap, MediumCounters } from "./frame-tap.ts";
import type { Kernel } from "./kernel.ts";
import { type Burst, type LossCause, Losses, STATIONS_MAX } from "./loss.ts";
import type { Path } from "./mobility.ts";
import { Neighbourhood } from "./neighbourhood.ts";
import type { SeededRandom } from "./random.ts";
import {
  type Arrival,
  type Inbound,
  isBroadcast,
  type Outbound,
  Station,
  stationAddress,
  type Transmission,
  type TransmitQueue,
} from "./station.ts";

export interface MediumOptions {
  readonly rateMbps: RateMbps;
  readonly rangeM: number;
  readonly lossPerMille?: number;
  /** The loss at the end of the range. */
  readonly edgeLossPerMille?: number;
  readonly burst?: Burst | undefined;
  /** Frames that the receiver's driver hands over twice. */
  readonly duplicatePerMille?: number;
  /** Frames that are delayed by up to HOLD_US_MAX, so that later frames overtake them. */
  readonly reorderPerMille?: number;
  /**
   * Frames in which up to DAMAGED_BITS_MAX bits are flipped on the way to the node, so that the node's own check has
   * work.
   */
  readonly corruptPerMille?: number;
  /** The number of frames in a station's send queue, with the frame on air. */
  readonly txQueueFrames?: number;
  /** The number of frames that wait for the node, without the frame that it is busy with. */
  readonly rxQueueFrames?: number;
  /** How much of the node's time one received frame takes. */
  readonly processingUs?: number;
  /** How often a unicast frame is repeated when no station acknowledges it. */
  readonly retriesMax?: number;
  /** The largest body: 250 for ESP-NOW v1, 1,470 for v2. */
  readonly frameSizeBytesMax?: number;
}

const MEDIUM_DEFAULTS = {
  lossPerMille: 0,
  edgeLossPerMille: 0,
  burst: undefined,
  duplicatePerMille: 0,
  reorderPerMille: 0,
  corruptPerMille: 0,
  txQueueFrames: 2,
  rxQueueFrames: 64,
  processingUs: 0,
  retriesMax: 4,
  frameSizeBytesMax: 250,
} as const;

/** The time of about eight full frames at 1 Mbit/s. */
const HOLD_US_MAX = 20_000;
/** A CRC of 16 bits finds any three flipped bits, so some frames must have more. */
const DAMAGED_BITS_MAX = 8;

export class Medium implements TransmitQueue {
  readonly counters = new MediumCounters();
  readonly stations: Station[] = [];
  readonly #kernel: Kernel;
  readonly #random: SeededRandom;
  readonly #options: Required<MediumOptions>;
  readonly #timing: Timing;
  readonly #ackUs: number;
  readonly #losses: Losses;
  readonly #neighbourhood: Neighbourhood;
  readonly #tap: FrameTap | undefined;
  #transmissions = 0;

  constructor(kernel: Kernel, random: SeededRandom, options: MediumOptions, tap?: FrameTap) {
    this.#kernel = kernel;
    this.#random = random;
    this.#options = { ...MEDIUM_DEFAULTS, ...options };
    this.#timing = timing(options.rateMbps);
    this.#ackUs = ackUs(options.rateMbps);
    this.#losses = new Losses(this.#options, random);
    this.#neighbourhood = new Neighbourhood(options.rangeM);
    this.#tap = tap;
  }

  /**
   * Adds a station, with power. Without an address it gets one that contains its index. Without a largest frame it gets
   * the medium's.
   */
  add(
    path: Path,
    address: MacAddress = stationAddress(this.stations.length),
    frameSizeBytesMax: number = this.#options.frameSizeBytesMax,
  ): Station {
    if (this.stations.length >= STATIONS_MAX) throw new Error("radio: more stations than STATIONS_MAX");
    const { rxQueueFrames: receiveQueueFrames } = this.#options;
    const index = this.stations.length;
    const station = new Station({ queue: this, address, frameSizeBytesMax, receiveQueueFrames, index, path });
    station.contentionSlots = this.#timing.contentionSlotsMin;
    station.idleSinceUs = this.#kernel.nowUs;
    this.stations.push(station);
    this.#neighbourhood.add(station);
    return station;
  }

  /** Empties the queues, cuts the station's transmission off at once, and makes the station deaf. */
  powerOff(station: Station): void {
    if (!station.powered) return;
    station.powered = false;
    station.powerCycles++;
    for (const timer of [station.attempt, station.patience, station.processing]) this.#kernel.cancel(timer);
    station.attempt = station.patience = station.processing = undefined;
    for (const { transmission, from } of station.inbound) this.#lose(transmission, from, station, "off");
    station.outbound.length = station.inbound.length = 0;
    station.taken.clear();
    if (station.transmitting !== undefined) {
      for (const arrival of station.transmitting.arrivals) arrival.spoiled ??= "cut";
      station.transmitting = undefined;
    }
    for (const arrival of station.arrivals) arrival.spoiled = "off";
  }

  powerOn(station: Station): void {
    if (station.powered) return;
    station.powered = true;
    station.idleSinceUs = Math.max(station.idleSinceUs, this.#kernel.nowUs);
    station.contentionSlots = this.#timing.contentionSlotsMin;
    station.backOffSlots = 0;
  }

  /** For Station.full. */
  isFull(station: Station): boolean {
    return station.outbound.length >= this.#options.txQueueFrames;
  }

  /** For Station.send. `bytes` belongs to the medium from here on. */
  enqueue(station: Station, bytes: Uint8Array, to: MacAddress): boolean {
    if (!station.powered || this.isFull(station)) {
      this.counters.refused++;
      return false;
    }
    station.sequence = (station.sequence + 1) % 4096;
    const addressee = isBroadcast(to) ? undefined : to.slice();
    station.outbound.push({ bytes, to: addressee, sequence: station.sequence, attempts: 0 });
    if (station.busy && station.backOffSlots === 0) this.#drawBackOff(station);
    this.#contend(station);
    return true;
  }

  /** Whether a station that is reached by this many other signals can decode none of them. */
  protected interferes(others: number): boolean {
    return others > 0;
  }

  // Contention

  #drawBackOff(station: Station): void {
    station.backOffSlots = this.#random.below(station.contentionSlots + 1);
  }

  /** Schedules the next attempt, if the station has a frame to send and the air is idle. */
  #contend(station: Station): void {
    if (station.outbound.length === 0 || station.busy || station.attempt !== undefined) return;
    const { difsUs, slotUs } = this.#timing;
    const dueUs = station.idleSinceUs + difsUs + station.backOffSlots * slotUs;
    station.attempt = this.#kernel.at(Math.max(dueUs, this.#kernel.nowUs), () => {
      station.attempt = undefined;
      station.backOffSlots = 0;
      this.#sendFirst(station);
    });
  }

  /** The air becomes busy for an idle station: keeps the rest of its back-off. */
  #freeze(station: Station): void {
    const { nowUs } = this.#kernel;
    const { attempt } = station;
    if (attempt !== undefined) {
      // Too late to notice the signal: the station will send all the same.
      if (attempt.timeUs <= nowUs + this.#timing.senseUs) return;
      this.#kernel.cancel(attempt);
      station.attempt = undefined;
    }
    const idleUs = nowUs - station.idleSinceUs - this.#timing.difsUs;
    const counted = Math.max(0, Math.floor(idleUs / this.#timing.slotUs));
    station.backOffSlots = Math.max(0, station.backOffSlots - counted);
    if (station.outbound.length > 0 && station.backOffSlots === 0) this.#drawBackOff(station);
  }

  #sendFirst(station: Station): void {
    const outbound = station.outbound[0]!;
    if (outbound.attempts++ > 0) this.counters.retries++;
    this.counters.frames++;
    const { to, bytes } = outbound;
    const { number } = this.#begin(station, outbound, to);
    this.#tap?.sent({ timeUs: this.#kernel.nowUs, transmission: number, from: station, to, frame: bytes });
  }

  #sendAck(station: Station, to: Station, powerCycles: number): void {
    if (station.powerCycles !== powerCycles || station.transmitting !== undefined) return;
    if (!station.busy) this.#freeze(station);
    // The station knows of its own acknowledgement at once, so it cancels an attempt that would send over it.
    this.#kernel.cancel(station.attempt);
    station.attempt = undefined;
    this.counters.acknowledgements++;
    this.#begin(station, undefined, to.address);
  }

  // A transmission's life

  /** Puts a frame on the air, or an acknowledgement when `outbound` is undefined. */
  #begin(sender: Station, outbound: Outbound | undefined, to: MacAddress | undefined): Transmission {
    if (sender.transmitting !== undefined) throw new Error("radio: a station sends one frame at a time");
    const lengthBytes = outbound === undefined ? ACK_BYTES : frameBytes(outbound.bytes.length);
    const rateMbps = outbound === undefined ? this.#timing.ackRateMbps : this.#options.rateMbps;
    const transmission: Transmission = { number: this.#transmissions++, sender, outbound, to, arrivals: [] };
    const airUs = onAirUs(lengthBytes, rateMbps);
    this.counters.bytesOnAir += lengthBytes;
    this.counters.airtimeUs += airUs;
    sender.airtimeUs += airUs;
    for (const arrival of sender.arrivals) arrival.spoiled ??= "deaf";
    sender.transmitting = transmission;
    this.#neighbourhood.visit(sender, this.#kernel.nowUs, (station, squared) => {
      const arrival: Arrival = { station, squared, spoiled: undefined };
      if (!station.powered) arrival.spoiled = "off";
      else if (station.transmitting !== undefined) arrival.spoiled = "deaf";
      else if (this.interferes(station.arrivals.length)) {
        arrival.spoiled = "collision";
        for (const other of station.arrivals) other.spoiled ??= "collision";
      }
      if (!station.busy) this.#freeze(station);
      station.arrivals.push(arrival);
      transmission.arrivals.push(arrival);
    });
    this.#kernel.after(airUs, () => this.#end(transmission));
    return transmission;
  }

  #end(transmission: Transmission): void {
    const { sender, outbound } = transmission;
    const { nowUs } = this.#kernel;
    const complete = sender.transmitting === transmission;
    if (complete) {
      sender.transmitting = undefined;
      sender.idleSinceUs = Math.max(sender.idleSinceUs, nowUs);
    }
    for (const arrival of transmission.arrivals) {
      const { station } = arrival;
      station.arrivals.splice(station.arrivals.indexOf(arrival), 1);
      const reserved = transmission.to !== undefined && outbound !== undefined && arrival.spoiled === undefined;
      const quietUs = reserved && !sameAddress(transmission.to!, station.address) ? this.#reservationUs : 0;
      station.idleSinceUs = Math.max(station.idleSinceUs, nowUs + quietUs);
    }
    if (outbound === undefined) this.#endAck(transmission);
    else this.#endFrame(transmission, outbound, complete);
    if (complete) this.#contend(sender);
    for (const { station } of transmission.arrivals) this.#contend(station);
  }

  get #reservationUs(): number {
    return this.#timing.sifsUs + this.#ackUs;
  }

  #endFrame(transmission: Transmission, outbound: Outbound, complete: boolean): void {
    const { sender, to } = transmission;
    let found = to === undefined;
    for (const arrival of transmission.arrivals) {
      const { station } = arrival;
      if (to !== undefined && !sameAddress(to, station.address)) continue;
      found = true;
      this.counters.receptions++;
      const natural = arrival.spoiled ?? this.#losses.draw(sender.index, station.index, arrival.squared);
      const cause = natural ?? (outbound.bytes.length > station.frameSizeBytesMax ? "long" : undefined);
      if (cause !== undefined) this.#lose(transmission.number, sender, station, cause);
      else this.#decode(station, transmission, outbound);
    }
    if (!found) {
      this.counters.receptions++;
      this.#lose(transmission.number, sender, undefined, "range");
    }
    if (!complete) return;
    if (to === undefined) {
      this.#finish(sender);
      return;
    }
    const patienceUs = this.#reservationUs + this.#timing.slotUs;
    sender.patience = this.#kernel.after(patienceUs, () => this.#unacknowledged(sender, outbound));
  }

  #endAck(transmission: Transmission): void {
    for (const { station, squared, spoiled } of transmission.arrivals) {
      if (!sameAddress(transmission.to!, station.address) || station.patience === undefined) continue;
      if (spoiled !== undefined) continue;
      if (this.#losses.draw(transmission.sender.index, station.index, squared) !== undefined) continue;
      this.#kernel.cancel(station.patience);
      station.patience = undefined;
      this.#finish(station);
    }
  }

  #unacknowledged(station: Station, outbound: Outbound): void {
    station.patience = undefined;
    station.idleSinceUs = Math.max(station.idleSinceUs, this.#kernel.nowUs);
    if (outbound.attempts > this.#options.retriesMax) {
      this.counters.unacknowledged++;
      this.#finish(station);
      return;
    }
    station.contentionSlots = Math.min(2 * station.contentionSlots + 1, this.#timing.contentionSlotsMax);
    this.#drawBackOff(station);
    this.#contend(station);
  }

  /**
   * The first frame is finished. A back-off follows even without another frame, so that no station sends twice in a
   * row.
   */
  #finish(station: Station): void {
    station.outbound.shift();
    station.contentionSlots = this.#timing.contentionSlotsMin;
    this.#drawBackOff(station);
    this.#contend(station);
    const { powerCycles } = station;
    this.#kernel.after(0, () => {
      if (station.powerCycles === powerCycles) station.handlers.onRoom();
    });
  }

  // Reception

  #lose(transmission: number, from: Station, at: Station | undefined, cause: LossCause): void {
    this.counters.lost[cause]++;
    this.#tap?.lost({ timeUs: this.#kernel.nowUs, transmission, from, at, cause });
  }

  #decode(station: Station, transmission: Transmission, outbound: Outbound): void {
    const { sender, to } = transmission;
    const { powerCycles } = station;
    if (to !== undefined) {
      this.#kernel.after(this.#timing.sifsUs, () => this.#sendAck(station, sender, powerCycles));
      if (station.taken.get(sender.index) === outbound.sequence) {
        this.counters.repetitions++;
        return;
      }
      station.taken.set(sender.index, outbound.sequence);
    }
    const { duplicatePerMille, reorderPerMille, corruptPerMille } = this.#options;
    const copies = this.#random.chance(duplicatePerMille * 1_000) ? 2 : 1;
    if (copies > 1) this.counters.duplicated++;
    for (let copy = 0; copy < copies; copy++) {
      const held = this.#random.chance(reorderPerMille * 1_000);
      if (held) this.counters.reordered++;
      const bytes = this.#random.chance(corruptPerMille * 1_000) ? this.#damaged(outbound.bytes) : outbound.bytes;
      const inbound: Inbound = { bytes, from: sender, transmission: transmission.number };
      if (!held) this.#arrive(station, inbound);
      else {
        this.#kernel.after(1 + this.#random.below(HOLD_US_MAX), () => {
          if (station.powerCycles === powerCycles) this.#arrive(station, inbound);
          else this.#lose(inbound.transmission, sender, station, "off");
        });
      }
    }
  }

  /** Damage after the hardware's own check: by a driver, a bus or a memory. */
  #damaged(bytes: Uint8Array): Uint8Array {
    this.counters.corrupted++;
    const damaged = bytes.slice();
    for (let bits = this.#random.below(DAMAGED_BITS_MAX); bits >= 0; bits--) {
      damaged[this.#random.below(damaged.length)]! ^= 1 << this.#random.below(8);
    }
    return damaged;
  }

  #arrive(station: Station, frame: Inbound): void {
    // The first frame in the queue is the one that the node is busy with.
    if (station.inbound.length > this.#options.rxQueueFrames) {
      this.#lose(frame.transmission, frame.from, station, "queue");
      return;
    }
    station.inbound.push(frame);
    if (station.processing === undefined) this.#process(station);
  }

  #process(station: Station): void {
    const { nowUs } = this.#kernel;
    const doneUs = Math.max(station.stalledUntilUs, nowUs) + this.#options.processingUs;
    station.processing = this.#kernel.at(doneUs, () => {
      if (this.#kernel.nowUs < station.stalledUntilUs) {
        this.#process(station);
        return;
      }
      const { bytes, from, transmission } = station.inbound.shift()!;
      station.processing = undefined;
      this.counters.delivered++;
      this.#tap?.delivered({ timeUs: this.#kernel.nowUs, transmission, from, at: station, frame: bytes });
      // Starts the next frame first, because the node may lose its power while it handles this one.
      if (station.inbound.length > 0) this.#process(station);
      station.handlers.onFrame(bytes, bytes.length, from.address);
    });
  }
}
