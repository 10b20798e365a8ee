/**
 * Random histories of two or three nodes: who they are, what the air is like, who leaves, whose power fails; and what has to be true
 * at the end of each, whatever happened. A history is a scenario drawn from a seed, so that one number replays it.
 */
import { BEACON } from "../modules/glacier/frame.ts";
import { claim, keyOfClaim } from "../modules/temperature/temperature.ts";
import type { Throwie } from "../modules/throwie/throwie.ts";
import type { Waypoint } from "../sim/mobility.ts";
import type { SimNode, SimObserver } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import type { Report } from "../sim/report.ts";
import type { Crash, NodeScenario, Scenario } from "../sim/scenario.ts";
import { World } from "../sim/world.ts";
import { holdings, typeOf } from "./contact-world.ts";

/** After this nobody leaves, loses power or writes; the air stays as bad as it was. */
const EVENTS_END_S = 40;
/** Nodes that still differ then never agree. */
const PATIENCE_S = 1_200;
/** All agree and nothing has moved for so long: as long as a contact that was open then may last, */
const SETTLE_S = 15;
/** and where stores are full, the longest wait of two nodes that tried in vain. */
const SETTLE_FULL_S = 70;
const QUIET_S = 10;
const DURATION_S = EVENTS_END_S + PATIENCE_S + SETTLE_FULL_S + 2 * QUIET_S;
const RANGE_M = 80;

/** What is done to a node at each of its starts: a canary's planted defect. */
export type Defect = (node: SimNode) => void;

export function historyOf(seed: number): Scenario {
  const random = new SeededRandom(seed, "history");
  // In one of four the stores are too small for what is written, and all nodes hear each other.
  const small = random.below(4) === 0;
  const nodes = nodesOf(random, 20 + random.below(small ? 20 : 60));
  const capacity = 8 + random.below(12);
  if (small) for (const node of nodes) node.capacity = capacity;
  return {
    name: "history",
    description: "",
    durationS: DURATION_S,
    cast: random.below(2) === 0 ? "broadcast" : "unicast",
    // Short, so that Drops written at different times differ in heat by more than a movement; but a full store of cold Drops trades.
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

/** Two boards, or three in a row of which the outer ones may be hidden from each other, or two and a carrier who comes and goes. */
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

/** Out of range at a run and back, three times, and here at the end. */
function comingAndGoing(random: SeededRandom, near: number): Waypoint[] {
  const path: Waypoint[] = [[0, near, 0]];
  for (let i = 0; i < 3; i++) {
    const atS = 2 + 12 * i + random.below(6_000) / 1_000;
    path.push([atS, near, 0], [atS + 0.5, near + RANGE_M, 0], [atS + 3, near + RANGE_M, 0], [atS + 4, near, 0]);
  }
  return path;
}

function crashesOf(random: SeededRandom): Crash[] {
  return Array.from({ length: 1 + random.below(3) }, (_, i) => ({
    atS: 2 + i * 12 + random.below(8_000) / 1_000,
    downS: 0.5 + random.below(2_500) / 1_000,
    midWrite: random.below(2) === 1,
  }));
}

export interface Outcome {
  /** What was wrong, in sentences; none if nothing was. */
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
  /** How often each node stored each Drop since it last lost it, or lost its power. */
  readonly #stored = new Map<string, number>();
  /** Drops that each of two nodes knows the other to lack and has not been told that it keeps, while their contact is open. */
  readonly #owed = new Map<SimNode, number>();
  readonly #faults: string[] = [];
  #framesButBeacons = 0;
  #moved = 0;

  constructor(scenario: Scenario, seed: number, defect: Defect) {
    // Two with room for everything, of which neither leaves nor loses its power, and no burst is longer than their patience.
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
          this.#faults.push(`${node.name} gave up with ${owed} Drops to give`);
        this.#owed.delete(node);
      },
      dropLost: (node, low, high) => this.#stored.delete(named(node, low, high)),
    };
    this.#world = new World(scenario, seed, observer);
    this.#small = scenario.nodes.some(({ capacity }) => capacity !== undefined);
    for (const { station } of this.#world.nodes) {
      const send = station.send.bind(station);
      station.send = (frame, lengthBytes, to) => {
        if (typeOf(frame) !== BEACON) this.#framesButBeacons++;
        return send(frame, lengthBytes, to);
      };
    }
  }

  outcome(): Outcome {
    const world = this.#world;
    this.#settle();
    const frames = this.#framesButBeacons;
    world.run(world.nowS + QUIET_S);
    const report = world.report();
    if (!this.#small) {
      if (this.#framesButBeacons > frames) this.#faults.push("the link goes on talking");
      if (report.delivered < report.wanted) this.#faults.push(`${report.delivered} of ${report.wanted} verified`);
    }
    for (const node of world.nodes) this.#faults.push(...faultsOfNode(node, this.#small));
    for (const [what, times] of this.#stored) if (times > 1) this.#faults.push(`${what} was stored ${times} times`);
    return { faults: this.#faults, report, corrupted: world.medium.counters.corrupted };
  }

  /** Until all agree, nothing has moved for a while, and contacts that were open then have ended. */
  #settle(): void {
    const world = this.#world;
    world.run(EVENTS_END_S);
    const settleS = this.#small ? SETTLE_FULL_S : SETTLE_S;
    let movedS = world.nowS;
    for (let moved = -1; this.#differences.length > 0 || world.nowS < movedS + settleS; moved = this.#moved) {
      if (world.nowS > EVENTS_END_S + PATIENCE_S) {
        this.#faults.push(`no agreement: ${this.#differences}`);
        return;
      }
      if (this.#moved !== moved) movedS = world.nowS;
      world.run(world.nowS + 1);
    }
  }

  /** What nodes hold that others lack and would keep, in words. */
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

/** How many Drops the one would keep of those that the other holds. */
function offers(giver: Throwie | undefined, taker: Throwie | undefined): number {
  if (giver === undefined || taker === undefined) return 1;
  let count = 0;
  for (let slot = 0; slot < giver.store.capacity; slot++) {
    if (giver.store.occupied(slot) && keeps(taker, giver, slot)) count++;
  }
  return count;
}

/** Would the taker store what the giver has in this slot, if it were sent now? */
function keeps(taker: Throwie, giver: Throwie, slot: number): boolean {
  const [from, to] = [giver.store, taker.store];
  if (to.find(from.idLow(slot), from.idHigh(slot)) >= 0) return false;
  const verdict = taker.judge(from.idLow(slot));
  // What waits for a turn, or died here lately, is not wanted now.
  if (verdict !== "free") return verdict === "newcomer";
  if (to.count < to.capacity) return true;
  const key = keyOfClaim(claim(from.heat(slot), giver.heatNow()), taker.heatNow());
  for (let other = 0; other < to.capacity; other++) if (key > to.heat(other)) return true;
  return false;
}

/** What is wrong with one node once it is over. */
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
