/**
 * A running scenario: kernel, medium and nodes, built from a scenario and a seed, with the figures of the report.
 *
 * `run` can be called with any times in any steps. So a host can show progress, follow its own clock, or attach
 * stations of its own to `medium` (a bridge to other programs). The history depends only on the scenario, on the seed
 * and on what such a host does. The hash of the history is in the report.
 *
 * Every Drop that a node verifies is compared, byte by byte, with the bytes that its author wrote. A difference is a
 * bug in the modules; it stops the simulation with an assertion that names the node.
 */
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import { DRIFT_PER_MILLE } from "../modules/throwie/wake-schedule.ts";
import { Kernel } from "./kernel.ts";
import { Fixed, type Path, Wander, Waypoints } from "./mobility.ts";
import { SimNode, type SimObserver } from "./node.ts";
import { NorFlash } from "./nor-flash.ts";
import { BATTERIES, batteryDays, CHIPS, meanMilliamperes } from "./power.ts";
import { busyUs } from "./processor.ts";
import { Medium } from "./radio.ts";
import { SeededRandom } from "./random.ts";
import { percentiles, type Report } from "./report.ts";
import { CAPACITY_MAX, type DropScenario, type NodeScenario, nodeNames, type Scenario } from "./scenario.ts";
import { Trace } from "./trace.ts";

const SECOND_US = 1_000_000;
/** Nodes are switched on within this time, each at a random moment. */
const START_US_MAX = 1_000_000;
/** When the author's node has no power, the author tries again after this time. */
const RETRY_US = 1_000_000;
/** Each sleeper's clock has an error of its own, up to the error that the wake schedule allows for. */
const DRIFT_PER_MILLION = DRIFT_PER_MILLE * 1_000;
const SECTOR_BYTES = 4_096;
/**
 * The sectors of a board's partition, for CAPACITY_MAX Drops. A smaller store gets its share and SECTORS_SPARE, for
 * cleaning.
 */
const SECTORS_MAX = 448;
const SECTORS_SPARE = 8;

interface Pending {
  readonly bytes: Uint8Array;
  createdUs: number;
  readonly author: SimNode;
  readonly wanting: Set<SimNode>;
}

export class World {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly kernel = new Kernel();
  readonly medium: Medium;
  readonly nodes: SimNode[] = [];
  readonly #sleepers: SimNode[] = [];
  readonly trace = new Trace();
  readonly durationUs: number;
  readonly #host: SimObserver;
  readonly #groups = new Map<string, SimNode[]>();
  /** The Drops by their ShortId, with the nodes that still want each of them. */
  readonly #drops = new Map<string, Pending>();
  readonly #latenciesUs: number[] = [];
  readonly #scratch = new Uint8Array(2_048);
  #created = 0;
  #wanted = 0;
  #contacts = 0;
  #transferred = 0;
  #evictions = 0;
  #corrupt = 0;

  constructor(scenario: Scenario, seed: number, host: SimObserver = {}) {
    this.scenario = scenario;
    this.seed = seed;
    this.#host = host;
    this.durationUs = Math.floor(scenario.durationS * SECOND_US);
    this.medium = new Medium(this.kernel, new SeededRandom(seed, "radio"), scenario.radio, this.trace);
    for (const entry of scenario.nodes) {
      const group = nodeNames(entry).map((name) => this.#addNode(entry, name));
      this.#groups.set(entry.name, group);
      for (const node of group) this.#groups.set(node.name, [node]);
    }
    this.#groups.set("all", this.nodes);
    const random = new SeededRandom(seed, "drops");
    for (const entry of scenario.drops) this.#plan(entry, random);
  }

  /** The node with that name, or the first node of the group with that name. */
  node(name: string): SimNode | undefined {
    return this.#groups.get(name)?.[0];
  }

  /** Runs until `untilS` simulated seconds after the start, at most until the end of the scenario. */
  run(untilS: number = this.scenario.durationS): void {
    this.kernel.run(Math.min(this.durationUs, Math.floor(untilS * SECOND_US)));
  }

  get nowS(): number {
    return this.kernel.nowUs / SECOND_US;
  }

  report(): Report {
    const { counters } = this.medium;
    const refusals: Record<string, number> = {};
    let crashes = 0;
    for (const node of this.nodes) {
      crashes += node.crashes;
      for (const totals of [node.counters, node.life?.counters ?? {}]) {
        for (const [reason, count] of Object.entries(totals)) {
          if (reason !== "used" && count > 0) refusals[reason] = (refusals[reason] ?? 0) + count;
        }
      }
    }
    return {
      scenario: this.scenario.name,
      seed: this.seed,
      traceHash: this.trace.hex(),
      simulatedSeconds: this.nowS,
      nodes: this.nodes.length,
      created: this.#created,
      wanted: this.#wanted,
      delivered: this.#latenciesUs.length,
      latencySeconds: percentiles(this.#latenciesUs),
      bytesOnAir: counters.bytesOnAir,
      frames: counters.frames,
      retries: counters.retries,
      airtimeSeconds: counters.airtimeUs / SECOND_US,
      collisions: counters.lost.collision + counters.lost.deaf,
      lost: { ...counters.lost },
      contacts: this.#contacts,
      transferred: this.#transferred,
      evictions: this.#evictions,
      corrupt: this.#corrupt,
      duplicates: counters.duplicated,
      repeats: refusals.repeat ?? 0,
      crashes,
      ...this.#power(),
      refusals,
    };
  }

  #power(): Pick<Report, "sleepersMilliamperes" | "sleepersDays"> {
    const chip = CHIPS[0]!;
    const currents = this.#sleepers.map((node) => meanMilliamperes(node.usage(), chip));
    if (currents.length === 0) return { sleepersMilliamperes: null, sleepersDays: null };
    const mean = currents.reduce((sum, current) => sum + current, 0) / currents.length;
    const days: Record<string, number> = {};
    for (const battery of BATTERIES) days[battery.name] = batteryDays(mean, battery);
    return { sleepersMilliamperes: mean, sleepersDays: days };
  }

  #addNode(entry: NodeScenario, name: string): SimNode {
    const { seed, kernel, medium, scenario } = this;
    const capacity = entry.capacity ?? CAPACITY_MAX;
    const sectors = SECTORS_SPARE + Math.ceil(((SECTORS_MAX - SECTORS_SPARE) * capacity) / CAPACITY_MAX);
    const node: SimNode = new SimNode({
      name,
      role: entry.role,
      kernel,
      medium,
      station: medium.add(pathOf(entry, new SeededRandom(seed, `walk ${name}`)), undefined, entry.frameSizeBytesMax),
      flash: new NorFlash({ sizeBytes: sectors * SECTOR_BYTES, chance: new SeededRandom(seed, `flash ${name}`) }),
      random: new SeededRandom(seed, `node ${name}`),
      capacity,
      beaconIntervalMs: scenario.beaconIntervalMs,
      halfLifeMs: scenario.halfLifeS === undefined ? undefined : scenario.halfLifeS * 1_000,
      cast: scenario.cast,
      wakeCycle: entry.wake === "always" ? undefined : entry.wake,
      sleep: entry.sleep,
      driftPerMillion: new SeededRandom(seed, `clock ${name}`).between(-DRIFT_PER_MILLION, DRIFT_PER_MILLION),
      observer: this.#observer,
      ...(entry.processor === "none" ? {} : { processor: (work: () => void) => busyUs(node, work) }),
    });
    this.nodes.push(node);
    if (entry.wake !== undefined && entry.wake !== "always") this.#sleepers.push(node);
    const start = (): void => {
      if (!node.powered) node.start();
    };
    kernel.at(new SeededRandom(seed, `start ${name}`).below(START_US_MAX), start);
    for (const { atS, downS, midWrite } of entry.crashes ?? []) {
      const atUs = Math.floor(atS * SECOND_US);
      const downUs = Math.floor(downS * SECOND_US);
      kernel.at(atUs, () => (midWrite === true ? node.crashMidWrite(Math.floor(downUs / 2)) : node.crash()));
      kernel.at(atUs + downUs, start);
    }
    return node;
  }

  #plan(entry: DropScenario, random: SeededRandom): void {
    const authors = this.#groups.get(entry.from)!;
    const names = entry.wantedBy === undefined || entry.wantedBy === "all" ? ["all"] : entry.wantedBy;
    const wanting = new Set<SimNode>();
    for (const name of names) for (const node of this.#groups.get(name)!) wanting.add(node);
    const [low, high] = typeof entry.sizeBytes === "number" ? [entry.sizeBytes, entry.sizeBytes] : entry.sizeBytes;
    for (let i = 0; i < (entry.count ?? 1); i++) {
      const bytes = new Uint8Array(low + random.below(high - low + 1));
      random.fill(bytes);
      const author = authors[random.below(authors.length)]!;
      const others = new Set(wanting);
      others.delete(author);
      const createdUs = Math.floor((entry.atS + i * (entry.everyS ?? 0)) * SECOND_US);
      this.kernel.at(createdUs, () => this.#write({ bytes, createdUs, author, wanting: others }));
    }
  }

  #write(drop: Pending): void {
    const id = dropId(drop.bytes);
    const key = keyOf(shortIdLow(id), shortIdHigh(id));
    this.#drops.set(key, drop);
    drop.createdUs = this.kernel.nowUs;
    const outcome = drop.author.publish(drop.bytes);
    if (outcome === undefined) {
      this.kernel.after(RETRY_US, () => this.#write(drop));
    } else if (outcome === "stored" || outcome === "known") {
      this.#created++;
      this.#wanted += drop.wanting.size;
    } else {
      this.#drops.delete(key);
    }
  }

  readonly #observer: SimObserver = {
    started: (node) => {
      this.trace.power({ kind: "started", ...this.#now(node) });
      // Power may have failed after the flash had marked a Drop as verified, but before any event reported it.
      const { store } = node.throwie!;
      for (let slot = 0; slot < store.capacity; slot++) {
        if (store.occupied(slot) && store.verified(slot)) this.#deliver(node, slot);
      }
      this.#host.started?.(node);
    },
    stopped: (node) => {
      this.trace.power({ kind: "stopped", ...this.#now(node) });
      this.#host.stopped?.(node);
    },
    contactOpened: (node, peer, sessionId) => {
      this.#contacts++;
      this.trace.contact({ kind: "contactOpened", ...this.#now(node), peer, amount: sessionId });
      this.#host.contactOpened?.(node, peer, sessionId);
    },
    reconciled: (node, peer, offered) => {
      this.trace.contact({ kind: "reconciled", ...this.#now(node), peer, amount: offered });
      this.#host.reconciled?.(node, peer, offered);
    },
    dropSent: (node, slot, peer) => {
      this.#traceDrop("dropSent", node, slot, peer);
      this.#host.dropSent?.(node, slot, peer);
    },
    dropStored: (node, slot, peer) => {
      if (peer !== undefined) this.#transferred++;
      this.#traceDrop(peer === undefined ? "dropCreated" : "dropStored", node, slot, peer);
      this.#host.dropStored?.(node, slot, peer);
    },
    dropVerified: (node, slot) => {
      this.#traceDrop("dropVerified", node, slot, undefined);
      this.#deliver(node, slot);
      this.#host.dropVerified?.(node, slot);
    },
    dropLost: (node, low, high, cause) => {
      if (cause === "evicted") this.#evictions++;
      else this.#corrupt++;
      this.trace.drop({ kind: "dropLost", ...this.#now(node), peer: undefined, lengthBytes: 0, low, high, cause });
      this.#host.dropLost?.(node, low, high, cause);
    },
    contactClosed: (node, peer, sessionId, reason) => {
      this.trace.contact({ kind: "contactClosed", ...this.#now(node), peer, amount: sessionId, reason });
      this.#host.contactClosed?.(node, peer, sessionId, reason);
    },
  };

  #traceDrop(
    kind: "dropSent" | "dropCreated" | "dropStored" | "dropVerified",
    node: SimNode,
    slot: number,
    peer: Uint8Array | undefined,
  ): void {
    const { store } = node.throwie!;
    const [lengthBytes, low, high] = [store.lengthBytes(slot), store.idLow(slot), store.idHigh(slot)];
    this.trace.drop({ kind, ...this.#now(node), peer, lengthBytes, low, high });
  }

  /** When and where the event is that the trace records. */
  #now(node: SimNode): { timeUs: number; node: number } {
    return { timeUs: this.kernel.nowUs, node: node.station.index };
  }

  #deliver(node: SimNode, slot: number): void {
    const { store } = node.throwie!;
    const drop = this.#drops.get(keyOf(store.idLow(slot), store.idHigh(slot)));
    if (drop === undefined) return;
    const lengthBytes = store.lengthBytes(slot);
    store.read(slot, 0, this.#scratch, 0, lengthBytes);
    let same = lengthBytes === drop.bytes.length;
    for (let i = 0; same && i < lengthBytes; i++) same = this.#scratch[i] === drop.bytes[i];
    if (!same) throw new Error(`world: seed ${this.seed}: ${node.name} verified a Drop that nobody wrote`);
    if (drop.wanting.delete(node)) this.#latenciesUs.push(this.kernel.nowUs - drop.createdUs);
  }
}

/** Runs a scenario to its end. Calls `progress` a hundred times, with the simulated seconds so far. */
export function simulate(
  scenario: Scenario,
  seed: number,
  progress: (nowS: number, durationS: number) => void = () => {},
): Report {
  const world = new World(scenario, seed);
  for (let percent = 1; percent <= 100; percent++) {
    world.run((scenario.durationS * percent) / 100);
    progress(world.nowS, scenario.durationS);
  }
  return world.report();
}

function pathOf(entry: NodeScenario, random: SeededRandom): Path {
  if (entry.wander !== undefined) return new Wander(entry.wander, random);
  if (entry.path !== undefined) return new Waypoints(entry.path);
  return new Fixed(entry.at![0], entry.at![1]);
}

function keyOf(shortIdLow: number, shortIdHigh: number): string {
  return `${shortIdLow} ${shortIdHigh}`;
}
