/**
 * Which Drop should die when a board is full? This bench compares the rule of admission, as built, with simpler
 * policies: the coldest without admission, first in first out, the least recently moved, and chance. All run in the
 * same seeded town, whose nodes have room for a seventh of the Drops that are written.
 *
 * The nodes are those of the simulator, and only the choice is replaced: for each Drop that comes into a full store the
 * policy names the victim, in place of admission. The order in which a store offers its Drops stays. All figures are
 * simulated, so they are the same on every machine.
 */
import { NOBODY } from "../modules/store/insertion.ts";
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import { nearestRank } from "../sim/report.ts";
import type { NodeScenario, Scenario } from "../sim/scenario.ts";
import { World } from "../sim/world.ts";
import type { Result } from "./result.ts";

const SEEDS = [1, 2, 3];
const ROOM = 60;
const DROPS = 400;
const HOUR_S = 3_600;
const DURATION_S = 6 * HOUR_S;
const MULES = 8;
/**
 * The half-life in seconds. Within it, about a fifth of a node's room is written (the share of newcomers), or more than
 * all of it.
 */
const LOADS = { "a fifth": 600, "all and more": HOUR_S };
/** A Drop with at least this many movements at a node counts as carried often there. */
const OFTEN = 4;

/** What a policy knows of each slot: the sequence numbers of events at this node. */
interface History {
  arrived: number[];
  moved: number[];
}

/** The rank of a slot. The Drop with the least rank dies. */
type Policy = (history: History, slot: number, random: SeededRandom) => number;

const POLICIES: Record<string, Policy | "admission" | "coldest"> = {
  "coldest, with admission": "admission",
  "coldest alone": "coldest",
  "first in, first out": (history, slot) => history.arrived[slot]!,
  "least recently moved": (history, slot) => history.moved[slot]!,
  random: (_history, _slot, random) => random.u32(),
};

function town(halfLifeS: number): Scenario {
  const boards: [number, number][] = [
    [60, 60],
    [220, 40],
    [380, 80],
    [80, 240],
    [240, 220],
    [400, 260],
  ];
  // The rules are compared, also with figures that were measured once, before nodes had a processor.
  const each = { capacity: ROOM, processor: "none" } as const;
  const nodes: NodeScenario[] = boards.map((at, i) => ({ name: `board-${i}`, role: "throwie", at, ...each }));
  nodes.push({
    name: "mule",
    role: "mule",
    count: MULES,
    ...each,
    wander: { area: [0, 0, 460, 320], speedMps: [0.8, 1.6], pauseS: [0, 600] },
  });
  const everyS = (DURATION_S - HOUR_S) / DROPS;
  return {
    name: "full town",
    description: "",
    durationS: DURATION_S,
    beaconIntervalMs: 4_000,
    halfLifeS,
    radio: { rateMbps: 1, rangeM: 40, lossPerMille: 20 },
    nodes,
    drops: [{ atS: 10, from: "mule", count: DROPS, everyS, sizeBytes: [60, 180], wantedBy: ["mule"] }],
  };
}

interface Figures {
  delivered: number;
  medianS: number;
  /** How many Drops were carried often at a node, and how many of these the node still has. */
  often: number;
  survived: number;
}

function run(policy: Policy | "admission" | "coldest", halfLifeS: number, seed: number): Figures {
  const random = new SeededRandom(seed, "policy");
  const movements = new Map<SimNode, Map<number, number>>();
  const histories = new Map<SimNode, History>();
  let events = 0;
  // The node's own events tell what moved. A wrapper of the node's methods would grow stale with each change of theirs.
  const count = (node: SimNode, slot: number): void => {
    histories.get(node)!.moved[slot] = events++;
    const counts = movements.get(node)!;
    const low = node.throwie!.store.idLow(slot);
    counts.set(low, (counts.get(low) ?? 0) + 1);
  };
  const world = new World(town(halfLifeS), seed, {
    started: (node) => {
      const history: History = { arrived: [], moved: [] };
      histories.set(node, history);
      movements.set(node, new Map());
      const throwie = node.throwie!;
      const { store } = throwie;
      if (policy !== "admission") throwie.custody.judge = () => "free";
      if (typeof policy !== "function") return;
      throwie.custody.admission.nameVictim = (insertion) => {
        insertion.victim = NOBODY;
        if (store.count < store.room) return undefined;
        let least = Infinity;
        for (let slot = 0; slot < store.capacity; slot++) {
          if (!store.occupied(slot) || store.pins(slot) > 0) continue;
          const rank = policy(history, slot, random);
          if (rank >= least) continue;
          least = rank;
          insertion.victim = slot;
        }
        return least === Infinity ? "busy" : undefined;
      };
    },
    dropStored: (node, slot, peer) => {
      histories.get(node)!.arrived[slot] = events;
      count(node, slot);
      // What came from a peer has moved once more than what was written here.
      if (peer !== undefined) count(node, slot);
    },
    dropSent: (node, slot) => count(node, slot),
  });
  world.run();
  const report = world.report();
  let often = 0;
  let survived = 0;
  for (const [node, counts] of movements) {
    const { store } = node.throwie!;
    const held = new Set<number>();
    for (let slot = 0; slot < store.capacity; slot++) if (store.occupied(slot)) held.add(store.idLow(slot));
    for (const [low, times] of counts) {
      if (times < OFTEN) continue;
      often++;
      if (held.has(low)) survived++;
    }
  }
  const { delivered, latencySeconds } = report;
  return { delivered, medianS: latencySeconds.p50 ?? Infinity, often, survived };
}

export async function eviction(): Promise<{ bench: "eviction"; results: Result[] }> {
  const results: Result[] = [];
  // A Drop that its own author's store refused counts as wanted too: no node got it.
  const wanted = SEEDS.length * DROPS * (MULES - 1);
  const share = (part: number, whole: number): number => Math.round((1_000 * part) / whole) / 10;
  for (const [load, halfLifeS] of Object.entries(LOADS)) {
    for (const [name, policy] of Object.entries(POLICIES)) {
      const runs = SEEDS.map((seed) => run(policy, halfLifeS, seed));
      const total = (figure: keyof Figures): number => runs.reduce((sum, each) => sum + each[figure], 0);
      const medians = runs.map(({ medianS }) => medianS).sort((a, b) => a - b);
      const title = `${load} written a half-life, ${name}`;
      results.push(
        { name: `${title}: wanted Drops delivered`, value: share(total("delivered"), wanted), unit: "%" },
        { name: `${title}: median latency`, value: Math.round(nearestRank(medians, 50)!), unit: "s" },
        { name: `${title}: carried often and still there`, value: share(total("survived"), total("often")), unit: "%" },
      );
    }
  }
  return { bench: "eviction", results };
}
