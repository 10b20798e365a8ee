/**
 * Written tests cannot cover every combination of loss, movement and power cuts. This file draws random histories of
 * two or three nodes: their roles and places, the weather, which node leaves, and which node loses its power. It also
 * checks what must be true at the end of each history, whatever happened.
 *
 * A history is a scenario drawn from a seed, so one number replays it.
 */
import { frameType } from "../modules/glacier/frame.ts";
import { BEACON } from "../modules/glacier/frame-type.ts";
import { claim, keyOfClaim } from "../modules/temperature/temperature.ts";
import type { Throwie } from "../modules/throwie/throwie.ts";
import type { Waypoint } from "../sim/mobility.ts";
import type { SimNode, SimObserver } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import type { Report } from "../sim/report.ts";
import type { CrashPlan, NodeScenario, Scenario } from "../sim/scenario.ts";
import { World } from "../sim/world.ts";
import { holdings } from "./contact-world.ts";

/** After this time no node leaves, loses power or writes. The air stays as bad as it was. */
const EVENTS_END_S = 40;
/** Nodes that still differ this long after the last event count as nodes that never agree. */
const PATIENCE_S = 1_200;
/** All nodes must agree, and no Drop must move, for this long. An open contact may last as long. */
const REST_S = 15;
/** The same for full stores: the longest wait of two nodes that tried in vain. */
const REST_FULL_S = 70;
const QUIET_S = 10;
const DURATION_S = EVENTS_END_S + PATIENCE_S + REST_FULL_S + 2 * QUIET_S;
const RANGE_M = 80;

/** A change that a canary makes to each node at each start of the node: its planted defect. */
export type Defect = (node: SimNode) => void;

export function historyOf(seed: number): Scenario {
  const random = new SeededRandom(seed, "history");
  // In one history of four the stores are too small for all Drops, and all nodes hear each other.
  const small = random.below(4) === 0;
  const nodes = nodesOf(random, 20 + random.below(small ? 20 : 60));
  const capacity = 8 + random.below(12);
  if (small) for (const node of nodes) node.capacity = capacity;
  return {
    name: "history",
    description: "",
    durationS: DURATION_S,
    cast: random.below(2) === 0 ? "broadcast" : "unicast",
    // A short half-life makes Drops written at different times differ in heat by more than one movement. Small stores
    // keep the usual one: full stores of cold Drops would go on trading them.
    ...(small || random.below(2) === 0 ? {} : { halfLifeS: 5 }),
    radio: {
      rateMbps: random.below(4) === 0 ? 11 : 1,
      rangeM: RANGE_M,
      lossPerMille: random.below(400),
      edgeLossPerMille: random.below(100),
      ...(random.below(2) === 0
        ? { burst: { lossPerMille: 1 + random.below(100), meanFrames: 1 + random.below(40) } }
        : {}),
      duplicatePerMille: random.below(100),
      reorderPerMille: random.below(150),
      corruptPerMille: random.below(100),
      rxQueueFrames: [4, 8, 16, 64][random.below(4)]!,
      processingUs: random.below(2_000),
    },
    nodes,
    drops: nodes
      .flatMap(({ name }) => [
        { atS: 1, from: name, count: random.below(16), sizeBytes: [1, 2_048] as [number, number] },
        {
          atS: 3 + random.below(30),
          from: name,
          count: random.below(6),
          everyS: 0.5,
          sizeBytes: 1 + random.below(2_048),
        },
      ])
      .filter(({ count }) => count > 0),
  };
}

/**
 * Two boards; or three in a row, the outer two perhaps hidden from each other; or a board and a carrier that comes and
 * goes.
 */
function nodesOf(random: SeededRandom, spacing: number): NodeScenario[] {
  const nodes: NodeScenario[] = [
    { name: "a", role: "throwie", at: [0, 0] },
    { name: "b", role: "throwie", at: [spacing, 0] },
  ];
  const kind = random.below(3);
  if (kind === 1) nodes.push({ name: "c", role: "throwie", at: [2 * spacing, 0] });
  if (kind === 2) nodes[1] = { name: "b", role: "mule", path: comingAndGoing(random, spacing) };
  for (const node of nodes) {
    if (random.below(2) === 0) node.frameSizeBytesMax = 1_470;
    if (random.below(2) === 0) node.crashes = crashesOf(random);
  }
  return nodes;
}

/** A path that runs out of range and back three times, and ends in range. */
function comingAndGoing(random: SeededRandom, near: number): Waypoint[] {
  const path: Waypoint[] = [[0, near, 0]];
  for (let i = 0; i < 3; i++) {
    const atS = 2 + 12 * i + random.below(6_000) / 1_000;
    path.push([atS, near, 0], [atS + 0.5, near + RANGE_M, 0], [atS + 3, near + RANGE_M, 0], [atS + 4, near, 0]);
  }
  return path;
}

function crashesOf(random: SeededRandom): CrashPlan[] {
  return Array.from({ length: 1 + random.below(3) }, (_, i) => ({
    atS: 2 + i * 12 + random.below(8_000) / 1_000,
    downS: 0.5 + random.below(2_500) / 1_000,
    midWrite: random.below(2) === 1,
  }));
}

export interface Outcome {
  /** One sentence for each fault. */
  faults: string[];
  report: Report;
  corrupted: number;
}

/** Run a history to its end. */
export function outcomeOf(scenario: Scenario, seed: number, defect: Defect = () => {}): Outcome {
  return new History(scenario, seed, defect).outcome();
}

class History {
  readonly #world: World;
  readonly #small: boolean;
  /** How often each node stored each Drop since the node last lost that Drop or its power. */
  readonly #stored = new Map<string, number>();
  /**
   * For each node with an open contact: how many Drops the node knows its peer to lack, and the peer has not yet said
   * that it keeps.
   */
  readonly #owed = new Map<SimNode, number>();
  readonly #faults: string[] = [];
  #framesButBeacons = 0;
  #moved = 0;

  constructor(scenario: Scenario, seed: number, defect: Defect) {
    // Two nodes that have room for everything, stay in range and keep their power, in air without bursts.
    const steady = scenario.nodes.every(({ path, crashes, capacity }) => !path && !crashes && capacity === undefined);
    const calm = scenario.nodes.length === 2 && scenario.radio.burst === undefined && steady;
    const named = (node: SimNode, low: number, high: number): string => `${node.name} ${low} ${high}`;
    const observer: SimObserver = {
      started: defect,
      stopped: ({ name }) => {
        for (const key of this.#stored.keys()) if (key.startsWith(`${name} `)) this.#stored.delete(key);
      },
      dropStored: (node, slot) => {
        const { store } = node.throwie!;
        const key = named(node, store.idLow(slot), store.idHigh(slot));
        this.#stored.set(key, (this.#stored.get(key) ?? 0) + 1);
        this.#moved++;
      },
      reconciled: (node, _peer, offered) => this.#owed.set(node, offered),
      dropSent: (node) => this.#owed.set(node, this.#owed.get(node)! - 1),
      contactClosed: (node, _peer, _sessionId, reason) => {
        const owed = this.#owed.get(node) ?? 0;
        if (calm && owed > 0 && reason === "silent")
          this.#faults.push(`${node.name} gave up with ${owed} Drops still to give`);
        this.#owed.delete(node);
      },
      dropLost: (node, low, high) => this.#stored.delete(named(node, low, high)),
    };
    this.#world = new World(scenario, seed, observer);
    this.#small = scenario.nodes.some(({ capacity }) => capacity !== undefined);
    for (const { station } of this.#world.nodes) {
      const send = station.send.bind(station);
      station.send = (frame, lengthBytes, to) => {
        if (frameType(frame) !== BEACON) this.#framesButBeacons++;
        return send(frame, lengthBytes, to);
      };
    }
  }

  outcome(): Outcome {
    const world = this.#world;
    this.#comeToRest();
    const frames = this.#framesButBeacons;
    world.run(world.nowS + QUIET_S);
    const report = world.report();
    if (!this.#small) {
      if (this.#framesButBeacons > frames) this.#faults.push("the link still sends frames");
      if (report.delivered < report.wanted)
        this.#faults.push(`only ${report.delivered} of ${report.wanted} wanted Drops are verified`);
    }
    for (const node of world.nodes) this.#faults.push(...faultsOfNode(node, this.#small));
    for (const [key, times] of this.#stored) if (times > 1) this.#faults.push(`${key} was stored ${times} times`);
    return { faults: this.#faults, report, corrupted: world.medium.counters.corrupted };
  }

  /** Runs until all nodes agree and no Drop has moved for so long that all contacts of that time have ended. */
  #comeToRest(): void {
    const world = this.#world;
    world.run(EVENTS_END_S);
    const restS = this.#small ? REST_FULL_S : REST_S;
    let movedS = world.nowS;
    while (this.#differences.length > 0 || world.nowS < movedS + restS) {
      if (world.nowS > EVENTS_END_S + PATIENCE_S) {
        this.#faults.push(`no agreement: ${this.#differences}`);
        return;
      }
      const moved = this.#moved;
      world.run(world.nowS + 1);
      if (this.#moved !== moved) movedS = world.nowS;
    }
  }

  /** A sentence for each pair of nodes of which one holds Drops that the other lacks and would keep. */
  get #differences(): string[] {
    const { nodes } = this.#world;
    const all: string[] = [];
    for (const giver of nodes) {
      for (const taker of nodes) {
        const count = offers(giver.throwie, taker.throwie);
        if (count > 0) all.push(`${giver.name} has ${count} Drops for ${taker.name}`);
      }
    }
    return all;
  }
}

/** How many of the giver's Drops the taker would keep; 1 if one of the two is off, since the two may differ. */
function offers(giver: Throwie | undefined, taker: Throwie | undefined): number {
  if (giver === undefined || taker === undefined) return 1;
  let count = 0;
  for (let slot = 0; slot < giver.store.capacity; slot++) {
    if (giver.store.occupied(slot) && keeps(taker, giver, slot)) count++;
  }
  return count;
}

/** Whether the taker would store the giver's Drop in this slot if the giver sent it now. */
function keeps(taker: Throwie, giver: Throwie, slot: number): boolean {
  const [from, to] = [giver.store, taker.store];
  if (to.find(from.idLow(slot), from.idHigh(slot)) >= 0) return false;
  const admittance = taker.custody.judge(from.idLow(slot));
  // A Drop that must wait for a token, or that died here lately, is not wanted now.
  if (admittance !== "free") return admittance === "newcomer";
  if (to.count < to.capacity) return true;
  const key = keyOfClaim(claim(from.heat(slot), giver.custody.heatNow()), taker.custody.heatNow());
  for (let other = 0; other < to.capacity; other++) if (key > to.heat(other)) return true;
  return false;
}

/** The faults of one node at the end of a history. */
function faultsOfNode(node: SimNode, small: boolean): string[] {
  const { name, throwie } = node;
  if (throwie === undefined) return [`${name} is off`];
  const faults: string[] = [];
  const { store } = throwie;
  if (throwie.unverified > 0) faults.push(`${name} has ${throwie.unverified} unverified Drops`);
  for (let slot = 0; slot < store.capacity; slot++) {
    if (store.occupied(slot) && !store.verified(slot)) faults.push(`${name} never verified the Drop in slot ${slot}`);
  }
  if (!small && throwie.contacts > 0) faults.push(`${name} still has a contact open`);
  try {
    const held = holdings(node);
    if (new Set(held).size < held.length) faults.push(`${name} holds a Drop twice`);
  } catch (error) {
    faults.push(`${name}: ${(error as Error).message}`);
  }
  return faults;
}
