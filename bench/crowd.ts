/**
 * A node among people: many neighbours, and attackers with a radio. `npm run bench -- crowd` prints what a crowd costs
 * a board of the simulator, what several givers or takers and full boards cost the air, and how many people are not
 * served while someone wants the board's one workspace.
 */
import { BYTECODES_PER_SECOND } from "../sim/power.ts";
import { bytecodesOf } from "../sim/processor.ts";
import { SeededRandom } from "../sim/random.ts";
import { World } from "../sim/world.ts";
import { fullBoards, meet } from "../test/crowd.ts";
import { flipOneBit } from "../test/flipped-bit.ts";
import { ATTACKS, holdUp } from "../test/hostage.ts";
import { overSlowLine } from "../test/link-pair.ts";
import { NoiseHistory, PATIENCE_S } from "../test/noise-histories.ts";
import type { Result } from "./result.ts";

const NEIGHBOURS = 50;
const DROPS = 750;
/** The nodes begin in the first second, get their Drops at 2 s, and know their neighbours at 30 s. */
const [FROM_S, TO_S] = [30, 60];
const SEEDS = [1, 2, 3];
const HISTORIES = 300;
/**
 * Meetings of givers and takers of the same 100 Drops: the goal of issue 12 is `goal`, and `limit` is what is reached
 * where that is more.
 */
const MEETINGS = [
  { givers: 1, takers: 5, lossPerMille: 0, goal: 1.3, limit: 1.3 },
  { givers: 1, takers: 10, lossPerMille: 0, goal: 1.5, limit: 1.5 },
  { givers: 1, takers: 5, lossPerMille: 100, goal: 2, limit: 3 },
  { givers: 4, takers: 1, lossPerMille: 0, goal: 1.15, limit: 1.15 },
  { givers: 4, takers: 1, lossPerMille: 100, goal: 1.35, limit: 1.35 },
];
const MEETING_DROPS = 100;
const MEETING_SEEDS = [1, 2, 3, 4, 5];
const FULL_BOARDS = 12;
const ROUND_TRIPS_MS = [500, 1_000];

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

const TIMES = "times the air of one transfer";
const hundredths = (value: number): number => Math.round(100 * value) / 100;
const rounded = (value: number): number => Math.round(1_000 * value) / 1_000;
const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

export async function crowd(): Promise<{ bench: "crowd"; results: Result[] }> {
  const { mixes, share } = neighbours();
  const results: Result[] = [
    { name: `${NEIGHBOURS} neighbours, nothing changed: ids mixed`, value: mixes, unit: "a second", limit: 0 },
    {
      name: `${NEIGHBOURS} neighbours, nothing changed: all work`,
      value: rounded(share),
      unit: "of a processor",
      limit: 0.055,
    },
  ];
  const flips = SEEDS.map((seed) => flipOneBit({ wakes: [undefined, undefined], durationS: 120 }, seed).falseTransfers);
  results.push({ name: "one flipped bit", value: Math.max(...flips), unit: "false transfers", limit: 3 });
  const agreed = Array.from({ length: HISTORIES }, (_, i) => new NoiseHistory(i + 1).outcome().agreedS ?? Infinity);
  results.push({ name: "noise has ended, all agree", value: Math.max(...agreed), unit: "s", limit: PATIENCE_S });
  for (const { goal, limit, ...meeting } of MEETINGS) {
    const runs = MEETING_SEEDS.map((seed) => meet({ ...meeting, drops: MEETING_DROPS }, seed));
    const { givers, takers, lossPerMille } = meeting;
    const name = `${givers} to ${takers}, ${lossPerMille / 10} % loss`;
    const sent = hundredths(median(runs.map((run) => run.sent)));
    results.push({ name, value: hundredths(median(runs.map(({ time }) => time))), unit: TIMES, limit, goal, sent });
  }
  const full = fullBoards(FULL_BOARDS, 120, 1);
  results.push(
    { name: `${FULL_BOARDS} full boards: air`, value: Math.round(1_000 * full.air) / 10, unit: "%", limit: 10 },
    {
      name: `${FULL_BOARDS} full boards: frames`,
      value: hundredths(full.frames),
      unit: "a Drop of one frame",
      limit: 3,
    },
  );
  for (const ms of ROUND_TRIPS_MS) {
    const { sent, time } = overSlowLine(new SeededRandom(1, "crowd"), ms);
    results.push(
      { name: `round trip of ${ms} ms: sent`, value: rounded(sent), unit: "times the frames needed", limit: 1.05 },
      { name: `round trip of ${ms} ms: time`, value: rounded(time), unit: "times the bound", limit: 1.1 },
    );
  }
  for (const attack of ATTACKS) {
    const runs = SEEDS.map((seed) => holdUp(attack, seed));
    const value = Math.max(...runs.map(({ served, visitors }) => visitors - served));
    const air = Math.round(10_000 * Math.max(...runs.map((run) => run.air))) / 100;
    const limit = attack.allServed === true ? 0 : 1;
    results.push({ name: `not served: ${attack.name}`, value, unit: "of 12 visitors", limit, airPercent: air });
  }
  return { bench: "crowd", results };
}
