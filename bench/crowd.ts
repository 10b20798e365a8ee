/**
 * A node among people: many neighbours, and attackers with a radio. `npm run bench -- crowd` prints what a crowd costs
 * a board of the simulator, and how many people are not served while someone wants the board's one workspace.
 */
import { BYTECODES_PER_SECOND } from "../sim/power.ts";
import { bytecodesOf } from "../sim/processor.ts";
import { SeededRandom } from "../sim/random.ts";
import { World } from "../sim/world.ts";
import { flipOneBit } from "../test/flipped-bit.ts";
import { ATTACKS, holdUp } from "../test/hostage.ts";
import { NoiseHistory, PATIENCE_S } from "../test/noise-histories.ts";
import type { Result } from "./result.ts";

const NEIGHBOURS = 50;
const DROPS = 750;
/** The nodes begin in the first second, get their Drops at 2 s, and know their neighbours at 30 s. */
const [FROM_S, TO_S] = [30, 60];
const SEEDS = [1, 2, 3];
const HISTORIES = 300;

/** Ids that a board among equal boards mixes a second, and the share of its processor that all its work takes. */
function neighbours(): { mixes: number; share: number } {
  const nodes = Array.from({ length: NEIGHBOURS + 1 }, (_, i) => ({
    ...{ name: `n${i}`, role: "throwie" as const, at: [i, 0] as [number, number] },
  }));
  const radio = { rateMbps: 1, rangeM: 80 } as const;
  const world = new World({ name: "crowd", description: "", durationS: TO_S, radio, nodes, drops: [] }, 1);
  world.run(2);
  const random = new SeededRandom(1, "crowd");
  const drop = new Uint8Array(20);
  for (let i = 0; i < DROPS; i++) {
    random.fill(drop);
    for (const node of world.nodes) node.publish(drop);
  }
  world.run(FROM_S);
  const sum = (of: (node: (typeof world.nodes)[0]) => number): number =>
    world.nodes.reduce((all, node) => all + of(node), 0);
  const [mixes, bytecodes] = [sum(({ throwie }) => throwie!.effort.mixes), sum(({ throwie }) => bytecodesOf(throwie!))];
  world.run(TO_S);
  const nodesSeconds = world.nodes.length * (TO_S - FROM_S);
  return {
    mixes: (sum(({ throwie }) => throwie!.effort.mixes) - mixes) / nodesSeconds,
    share: (sum(({ throwie }) => bytecodesOf(throwie!)) - bytecodes) / nodesSeconds / BYTECODES_PER_SECOND,
  };
}

export async function crowd(): Promise<{ bench: "crowd"; results: Result[] }> {
  const { mixes, share } = neighbours();
  const results: Result[] = [
    { name: `${NEIGHBOURS} neighbours, nothing changed: ids mixed`, value: mixes, unit: "a second", limit: 0 },
    {
      name: `${NEIGHBOURS} neighbours, nothing changed: all work`,
      value: Math.round(1_000 * share) / 1_000,
      unit: "of a processor",
      limit: 0.1,
    },
  ];
  const flips = SEEDS.map((seed) => flipOneBit({ wakes: [undefined, undefined], durationS: 120 }, seed).falseTransfers);
  results.push({ name: "one flipped bit", value: Math.max(...flips), unit: "false transfers", limit: 3 });
  const agreed = Array.from({ length: HISTORIES }, (_, i) => new NoiseHistory(i + 1).outcome().agreedS ?? Infinity);
  results.push({ name: "noise has ended, all agree", value: Math.max(...agreed), unit: "s", limit: PATIENCE_S });
  for (const attack of ATTACKS) {
    const runs = SEEDS.map((seed) => holdUp(attack, seed));
    const value = Math.max(...runs.map(({ served, visitors }) => visitors - served));
    const air = Math.round(10_000 * Math.max(...runs.map((run) => run.air))) / 100;
    const limit = attack.allServed === true ? 0 : 1;
    results.push({ name: `not served: ${attack.name}`, value, unit: "of 12 visitors", limit, airPercent: air });
  }
  return { bench: "crowd", results };
}
