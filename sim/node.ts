/**
 * A node of the simulation: the very modules that a board runs, over simulated parts.
 *
 * It wires a Throwie to a station, to NOR flash, to a clock that counts from this boot and to a stream of chance of its
 * own, and does what the node's host has to: call `turn` at the time that it returned, after every frame and when the
 * radio has room. Its clock has nothing in common with that of any other node.
 *
 * Power may fail at any moment. Then everything in RAM is gone, what was on air is cut off, and the flash keeps what
 * was programmed, which with `midWrite` includes a write that was cut in the middle. A restart mounts that flash with a
 * new Store and a new Throwie, as a board's boot does.
 *
 * Invariant: nothing but the flash outlives a crash. What it leaves out: unless it is given a processor, computing takes
 * no time except for the medium's processing time for each frame.
 */
import { Store, type StoreOutcome } from "../modules/store/store.ts";
import type { CloseReason, NodeEvents } from "../modules/throwie/events.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import { type Cast, Throwie } from "../modules/throwie/throwie.ts";
import type { Kernel, Timer } from "./kernel.ts";
import { type NorFlash, PowerCut } from "./nor-flash.ts";
import type { Medium } from "./radio.ts";
import type { SeededRandom } from "./random.ts";
import type { Station } from "./station.ts";

/** What happens at nodes, for a trace, a report or a host. As for NodeEvents: do not call the node from inside. */
export interface SimObserver {
  started?(node: SimNode): void;
  stopped?(node: SimNode): void;
  contactOpened?(node: SimNode, peer: MacAddress, sessionId: number): void;
  reconciled?(node: SimNode, peer: MacAddress, offered: number): void;
  dropSent?(node: SimNode, slot: number, peer: MacAddress): void;
  dropStored?(node: SimNode, slot: number, peer: MacAddress | undefined): void;
  dropVerified?(node: SimNode, slot: number): void;
  dropLost?(node: SimNode, shortIdLow: number, shortIdHigh: number, cause: "evicted" | "corrupt"): void;
  contactClosed?(node: SimNode, peer: MacAddress, sessionId: number, reason: CloseReason): void;
}

export interface SimNodeOptions {
  readonly name: string;
  readonly role: "throwie" | "mule";
  readonly kernel: Kernel;
  readonly medium: Medium;
  readonly station: Station;
  readonly flash: NorFlash;
  readonly random: SeededRandom;
  readonly capacity: number;
  readonly beaconIntervalMs: number | undefined;
  readonly halfLifeMs: number | undefined;
  readonly cast: Cast | undefined;
  readonly observer: SimObserver;
  readonly processor?: Processor;
}

/** Does the node's work and says for how many whole microseconds that keeps its processor busy. Left out: for none. */
export type Processor = (work: () => void) => number;

const MILLISECOND_US = 1_000;

const instantly: Processor = (work) => {
  work();
  return 0;
};

export class SimNode {
  readonly name: string;
  readonly role: "throwie" | "mule";
  readonly station: Station;
  readonly flash: NorFlash;
  /** The node itself, undefined while it has no power. A host may call `publish` of the SimNode instead. */
  throwie: Throwie | undefined = undefined;
  crashes = 0;
  /** Frames received, by what became of them (modules/throwie/throwie.ts), summed over all boots that have ended. */
  readonly counters: Record<string, number> = {};
  readonly #options: SimNodeOptions;
  readonly #events: NodeEvents;
  #bootUs = 0;
  #turn: Timer | undefined = undefined;
  #patience: Timer | undefined = undefined;

  constructor(options: SimNodeOptions) {
    const { observer } = options;
    this.name = options.name;
    this.role = options.role;
    this.station = options.station;
    this.flash = options.flash;
    this.#options = options;
    this.#events = {
      contactOpened: (peer, sessionId) => observer.contactOpened?.(this, peer, sessionId),
      reconciled: (peer, offered) => observer.reconciled?.(this, peer, offered),
      dropSent: (slot, peer) => observer.dropSent?.(this, slot, peer),
      dropStored: (slot, peer) => observer.dropStored?.(this, slot, peer),
      dropVerified: (slot) => observer.dropVerified?.(this, slot),
      dropLost: (low, high, cause) => observer.dropLost?.(this, low, high, cause),
      contactClosed: (peer, sessionId, reason) => observer.contactClosed?.(this, peer, sessionId, reason),
    };
    this.station.receive = (frame, from) => this.#run((throwie) => throwie.receive(frame, frame.length, from));
    this.station.ready = () => this.#run(() => {});
    options.medium.powerOff(this.station);
  }

  /** Boot: mount the flash and begin. */
  start(): void {
    if (this.throwie !== undefined) throw new Error(`node: ${this.name} is running`);
    const { kernel, medium, flash, random, capacity, beaconIntervalMs, halfLifeMs, cast, observer } = this.#options;
    this.#bootUs = kernel.nowUs;
    const store = new Store(flash, capacity);
    const outcome = store.mount();
    if (outcome !== "mounted" && outcome !== "formatted")
      throw new Error(`node: ${this.name} cannot mount: ${outcome}`);
    medium.powerOn(this.station);
    this.throwie = new Throwie({
      radio: this.station,
      clock: { now: () => Math.floor((kernel.nowUs - this.#bootUs) / MILLISECOND_US) },
      random,
      store,
      events: this.#events,
      ...(beaconIntervalMs === undefined ? {} : { beaconIntervalMs }),
      ...(halfLifeMs === undefined ? {} : { halfLifeMs }),
      ...(cast === undefined ? {} : { cast }),
    });
    observer.started?.(this);
    this.#run(() => {});
  }

  /** Power fails now. */
  crash(): void {
    const { throwie } = this;
    if (throwie === undefined) return;
    const { kernel, medium, observer } = this.#options;
    for (const timer of [this.#turn, this.#patience]) kernel.cancel(timer);
    this.#turn = this.#patience = undefined;
    this.flash.cutAt(undefined);
    for (const [reason, count] of Object.entries(throwie.counters)) {
      this.counters[reason] = (this.counters[reason] ?? 0) + count;
    }
    this.throwie = undefined;
    this.crashes++;
    medium.powerOff(this.station);
    observer.stopped?.(this);
  }

  /** Power fails in the middle of the next write to flash, or after `patienceUs` if there is none. */
  crashMidWrite(patienceUs: number): void {
    if (this.throwie === undefined) return;
    this.flash.cutAt(1);
    this.#patience = this.#options.kernel.after(patienceUs, () => this.crash());
  }

  /** For so long the node does nothing, as when it erases flash; its radio goes on. */
  stall(forUs: number): void {
    this.station.stalledUntilUs = this.#options.kernel.nowUs + forUs;
    this.#turnAt(this.station.stalledUntilUs + 1);
  }

  /** A Drop that somebody writes here. Undefined when the node has no power, loses it over this, or is busy. */
  publish(drop: Uint8Array, origin: "own" | "wire" = "own"): StoreOutcome | undefined {
    let outcome: StoreOutcome | undefined;
    this.#run((throwie) => {
      outcome = throwie.publish(drop, origin);
    });
    return outcome;
  }

  /** Do something with the node, then let it act, and call it again when it wants; while it is busy, when it is not. */
  #run(action: (throwie: Throwie) => void): void {
    const { throwie, station } = this;
    const { kernel, processor = instantly } = this.#options;
    if (throwie === undefined) return;
    if (kernel.nowUs < station.stalledUntilUs) {
      this.#turnAt(station.stalledUntilUs + 1);
      return;
    }
    try {
      let dueMs = Infinity;
      const busyUs = processor(() => {
        action(throwie);
        dueMs = throwie.turn();
      });
      station.stalledUntilUs = kernel.nowUs + busyUs;
      // Frames that came meanwhile are heard before the next turn.
      this.#turnAt(Math.max(this.#bootUs + dueMs * MILLISECOND_US, station.stalledUntilUs + 1));
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.crash();
    }
  }

  #turnAt(timeUs: number): void {
    const { kernel } = this.#options;
    kernel.cancel(this.#turn);
    this.#turn = timeUs === Infinity ? undefined : kernel.at(timeUs, () => this.#run(() => {}));
  }
}
