/**
 * A node of the simulation: the same modules that a board runs, over simulated parts.
 *
 * This class connects a Throwie to a station, to NOR flash, to a clock that counts from this boot, and to a random
 * stream of its own. It is the node's host: it calls `turn` at the time that the last `turn` returned, after every
 * frame, and when the radio has room. The clock of a node is independent of the clocks of all other nodes.
 *
 * Power may fail at any moment. Then everything in RAM is lost, the frame on air is cut off, and the flash keeps what
 * was programmed. With `midWrite`, that includes a write that was cut in the middle. A restart mounts the flash with a
 * new Store and a new Throwie, as a board's boot does.
 *
 * A node with a wake cycle sleeps as a board does. In a deep sleep RAM is lost and the radio is off. The flash stays,
 * and so do the bytes that a board has in RTC memory. The clock goes on, with the error of this board's oscillator. The
 * node then wakes, takes its time to boot and mount, and is a new Throwie.
 *
 * A node is as quick as its processor (processor.ts).
 *
 * Invariant: only the flash outlives a crash; only flash, clock and `RtcMemory` outlive a sleep. Simplification: work
 * is done at once, and then keeps the processor busy for as long as a board would need.
 */
import { Store } from "../modules/store/store.ts";
import type { CloseReason, NodeEvents } from "../modules/throwie/events.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import { RETAINED_BYTES } from "../modules/throwie/retained.ts";
import { type Cast, type PublishOutcome, Throwie } from "../modules/throwie/throwie.ts";
import { WAKING_BEACON_INTERVAL_MS, type WakeCycle, WakeSchedule } from "../modules/throwie/wake-schedule.ts";
import type { Kernel, Timer } from "./kernel.ts";
import { type NorFlash, PowerCut } from "./nor-flash.ts";
import { FROM_LIGHT_SLEEP, FROM_POWER, fromDeepSleep, Usage, type Waking } from "./power.ts";
import type { Medium } from "./radio.ts";
import type { SeededRandom } from "./random.ts";
import type { Station } from "./station.ts";

/**
 * Events at nodes, for a trace, a report or a host. An observer must not call the node from inside, as for NodeEvents.
 */
export interface SimObserver {
  started?(node: SimNode): void;
  stopped?(node: SimNode): void;
  contactOpened?(node: SimNode, peer: MacAddress, sessionId: number): void;
  reconciled?(node: SimNode, peer: MacAddress, offered: number): void;
  dropSent?(node: SimNode, slot: number, peer: MacAddress): void;
  dropStored?(node: SimNode, slot: number, peer: MacAddress | undefined): void;
  dropVerified?(node: SimNode, slot: number): void;
  dropLost?(node: SimNode, shortIdLow: number, shortIdHigh: number, cause: "evicted" | "corrupt" | "removed"): void;
  contactClosed?(node: SimNode, peer: MacAddress, sessionId: number, reason: CloseReason): void;
}

/**
 * How a node sleeps. "deep": as a board does for which a boot costs less than RAM. "light": RAM is kept, but after a
 * sweep the node sleeps deeply. "forgetful": deeply, without what `Throwie.retain` gives.
 */
export type Sleep = "deep" | "light" | "forgetful";

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
  /** Undefined: the node is always awake. */
  readonly wakeCycle?: WakeCycle | undefined;
  /** How much longer than planned a sleep of the node lasts. */
  readonly driftPerMillion?: number | undefined;
  /** "deep" without this option (scenario.ts). */
  readonly sleep?: Sleep | undefined;
  readonly observer: SimObserver;
  readonly processor?: Processor;
}

/**
 * Does the node's work, and returns for how many whole microseconds the work keeps the processor busy. Without a
 * processor, work takes no time.
 */
export type Processor = (work: () => void) => number;

/** What a board keeps while it sleeps, besides its clock. */
interface RtcMemory {
  state: number;
  epoch: number | undefined;
  retained: Uint8Array | undefined;
}

const NOTHING_KEPT: Readonly<RtcMemory> = { state: 0, epoch: undefined, retained: undefined };

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
  /** The node itself. Undefined while it has no power or sleeps. A host may call `publish` of the SimNode instead. */
  throwie: Throwie | undefined = undefined;
  /** The node itself, also while it sleeps lightly. */
  life: Throwie | undefined = undefined;
  /** Whether the node has power, awake or not. */
  powered = false;
  crashes = 0;
  /** Counts of received frames by outcome (modules/throwie/throwie.ts), summed over all boots that have ended. */
  readonly counters: Record<string, number> = {};
  readonly #options: SimNodeOptions;
  readonly #events: NodeEvents;
  readonly #usage = new Usage();
  #memory: Readonly<RtcMemory> = NOTHING_KEPT;
  #schedule: WakeSchedule | undefined = undefined;
  /** The time when the node's clock showed 0, if the clock has been exact since the last wake-up. */
  #clockZeroUs = 0;
  /** Since when the node is in its present state: without power, asleep, booting or awake. */
  #sinceUs = 0;
  #wake: Timer | undefined = undefined;
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
      dropGaveWay: () => {},
      contactClosed: (peer, sessionId, reason) => observer.contactClosed?.(this, peer, sessionId, reason),
    };
    this.station.handlers = {
      onFrame: (bytes, lengthBytes, from) =>
        this.#run((throwie) => throwie.receive(bytes, lengthBytes, from), this.station.inbound.length > 0),
      onRoom: () => this.#run(),
    };
    options.medium.powerOff(this.station);
  }

  /** Power comes on. */
  start(): void {
    if (this.powered) throw new Error(`node: ${this.name} has power`);
    const { kernel, wakeCycle } = this.#options;
    this.powered = true;
    this.#clockZeroUs = this.#sinceUs = kernel.nowUs;
    this.#memory = NOTHING_KEPT;
    if (wakeCycle === undefined) this.#begin();
    else this.#boot(FROM_POWER, () => this.#begin());
  }

  /** How long the node was in each state, for the battery. A sleep or boot that is under way does not count yet. */
  usage(): Usage {
    const usage = this.#usage;
    const { nowUs } = this.#options.kernel;
    if (this.throwie !== undefined) {
      usage.listenUs += nowUs - this.#sinceUs;
      this.#sinceUs = nowUs;
    }
    usage.transmitUs = this.station.airtimeUs;
    usage.flash(this.flash.counters);
    return usage;
  }

  /** Power fails now. */
  crash(): void {
    if (!this.powered) return;
    const { kernel } = this.#options;
    for (const timer of [this.#wake, this.#patience]) kernel.cancel(timer);
    this.#wake = this.#patience = undefined;
    this.flash.cutAt(undefined);
    this.powered = false;
    this.crashes++;
    this.#end();
  }

  /** Power fails in the middle of the next write to flash, or after `patienceUs` if there is none. */
  crashMidWrite(patienceUs: number): void {
    if (!this.powered) return;
    this.flash.cutAt(1);
    this.#patience = this.#options.kernel.after(patienceUs, () => this.crash());
  }

  /** The node does nothing for this time, as when it erases flash. Its radio goes on. */
  stall(forUs: number): void {
    this.station.stalledUntilUs = this.#options.kernel.nowUs + forUs;
    this.#turnAt(this.station.stalledUntilUs + 1);
  }

  /**
   * Publishes a Drop at this node. Undefined when the node has no power or loses power during the call. A board has no
   * author, so this is the work of a computer, and takes no time.
   */
  publish(drop: Uint8Array, origin: "own" | "wire" = "own"): PublishOutcome | undefined {
    const { throwie } = this;
    let outcome: PublishOutcome | undefined;
    if (throwie !== undefined)
      this.#survive(() => {
        outcome = throwie.publish(drop, origin);
      });
    this.#run();
    return outcome;
  }

  #now(): number {
    return Math.floor((this.#options.kernel.nowUs - this.#clockZeroUs) / MILLISECOND_US);
  }

  #boot({ bootUs, tuneInUs }: Waking, begin: () => void): void {
    const { kernel } = this.#options;
    this.#sinceUs = kernel.nowUs;
    this.#wake = kernel.after(bootUs + tuneInUs, () => {
      this.#usage.bootUs += bootUs;
      this.#usage.listenUs += tuneInUs;
      this.#survive(begin);
    });
  }

  /** Mount the flash and begin. */
  #begin(): void {
    const { flash, random, capacity, beaconIntervalMs, halfLifeMs, cast, wakeCycle } = this.#options;
    const { epoch, retained } = this.#memory;
    const store = new Store(flash, capacity);
    const outcome = store.mount();
    if (outcome !== "mounted" && outcome !== "formatted")
      throw new Error(`node: ${this.name} cannot mount: ${outcome}`);
    const intervalMs = beaconIntervalMs ?? (wakeCycle === undefined ? undefined : WAKING_BEACON_INTERVAL_MS);
    const throwie = new Throwie({
      radio: this.station,
      clock: { now: () => this.#now() },
      random,
      store,
      events: this.#events,
      ...(intervalMs === undefined ? {} : { beaconIntervalMs: intervalMs }),
      beaconAtOnce: wakeCycle !== undefined,
      ...(halfLifeMs === undefined ? {} : { halfLifeMs }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(retained === undefined ? {} : { retained }),
      ...(cast === undefined ? {} : { cast }),
    });
    this.#wakeUp(throwie);
  }

  #wakeUp(throwie: Throwie): void {
    const { kernel, medium, wakeCycle, observer } = this.#options;
    const { state } = this.#memory;
    this.#sinceUs = kernel.nowUs;
    medium.powerOn(this.station);
    this.throwie = this.life = throwie;
    if (wakeCycle !== undefined) {
      this.#schedule = new WakeSchedule({ id: this.station.address, cycle: wakeCycle, state, now: this.#now() });
    }
    observer.started?.(this);
    this.#run();
  }

  #end(): void {
    const { life } = this;
    if (life === undefined) return;
    for (const [reason, count] of Object.entries(life.counters)) {
      this.counters[reason] = (this.counters[reason] ?? 0) + count;
    }
    this.life = undefined;
    if (this.throwie !== undefined) this.#turnOff();
  }

  #turnOff(): void {
    const { kernel, medium, observer } = this.#options;
    kernel.cancel(this.#turn);
    this.#turn = undefined;
    this.usage();
    this.throwie = this.#schedule = undefined;
    medium.powerOff(this.station);
    observer.stopped?.(this);
  }

  #sleep(throwie: Throwie, schedule: WakeSchedule): void {
    const { kernel, driftPerMillion, sleep = "deep" } = this.#options;
    const light = sleep === "light" && !schedule.sweeping;
    if (!light) throwie.checkpoint();
    const sleepMs = schedule.sleepMs(this.#now());
    const retained = light || sleep === "forgetful" ? undefined : new Uint8Array(RETAINED_BYTES);
    if (retained !== undefined) throwie.retain(retained);
    this.#memory = { state: schedule.state, epoch: throwie.epoch, retained };
    if (light) this.#turnOff();
    else this.#end();
    const lateUs = Math.floor((sleepMs * (driftPerMillion ?? 0)) / MILLISECOND_US);
    const sleepUs = sleepMs * MILLISECOND_US + lateUs;
    // The node does not know the error of its clock.
    this.#clockZeroUs += lateUs;
    this.#wake = kernel.after(sleepUs, () => {
      this.#usage[light ? "lightSleepUs" : "sleepUs"] += sleepUs;
      if (light) this.#boot(FROM_LIGHT_SLEEP, () => this.#wakeUp(throwie));
      else this.#boot(fromDeepSleep(), () => this.#begin());
    });
  }

  #survive(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.crash();
    }
  }

  /**
   * Does something with the node. Then lets the node act, unless the processor is busy then or `more` work follows at
   * once, and calls the node again at the time that it asks for. When the node is busy, it only waits for the end.
   */
  #run(action?: (throwie: Throwie) => void, more = false): void {
    const { throwie, station } = this;
    const { kernel, processor = instantly } = this.#options;
    if (throwie === undefined) return;
    if (kernel.nowUs < station.stalledUntilUs) {
      this.#turnAt(station.stalledUntilUs + 1);
      return;
    }
    this.#survive(() => {
      if (action !== undefined) {
        const actionUs = processor(() => action(throwie));
        if (more || actionUs > 0) {
          // The frames that arrived meanwhile are received first, then a turn follows.
          station.stalledUntilUs = kernel.nowUs + actionUs;
          this.#turnAt(station.stalledUntilUs + 1);
          return;
        }
      }
      let dueMs = Infinity;
      const busyUs = processor(() => {
        dueMs = throwie.turn();
      });
      const schedule = this.#schedule;
      if (schedule !== undefined) {
        const busy = throwie.contacts > 0 || throwie.unverified > 0;
        const awakeUntil = schedule.awakeUntil(this.#now(), busy);
        if (this.#now() >= awakeUntil) {
          this.#sleep(throwie, schedule);
          return;
        }
        dueMs = Math.min(dueMs, awakeUntil);
      }
      station.stalledUntilUs = kernel.nowUs + busyUs;
      // Frames that arrived meanwhile are received before the next turn.
      this.#turnAt(Math.max(this.#clockZeroUs + dueMs * MILLISECOND_US, station.stalledUntilUs + 1));
    });
  }

  #turnAt(timeUs: number): void {
    const { kernel } = this.#options;
    kernel.cancel(this.#turn);
    this.#turn = timeUs === Infinity ? undefined : kernel.at(timeUs, () => this.#run());
  }
}
