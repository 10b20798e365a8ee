/**
 * Two nodes that meet have little time, so the link should cost little more than the frames of the Drops themselves.
 * `npm run bench -- link` measures the time to bring 750 full Drops across, as a ratio to the airtime of these frames.
 *
 * Whole nodes run on the simulated medium, in simulated time. Each ratio is the median of SEEDS seeds. The bound is the
 * airtime of the Drops' frames at their real sizes, each sent once, with DIFS and the mean back-off, and by unicast
 * also with SIFS and ACK (sim/airtime.ts has the formula, docs/simulator.md its source). Where the processing of a node
 * is slower than the air, the processing is the bound.
 *
 * The ratio contains contact set-up, reconciliation, acknowledgements and all repeated frames. Two stations that
 * contend wait less than the mean back-off of one station alone. So a ratio may be smaller than the acknowledgements
 * suggest.
 *
 * - `duplicates`: fragments that came a second time or found no buffer, as a share of all Drop fragments, in the cases
 *   where the air loses no frame.
 * - `cut`: contacts that end at a random moment from 2 s on. Of the Drops that the airtime until then allowed, the
 *   share that did not arrive whole.
 *
 * Both are figures of the worst seed.
 */
import {
  FRAME_HEADER_BYTES,
  FRAME_TRAILER_BYTES,
  PAYLOAD_BYTES_V1,
  PAYLOAD_BYTES_V2,
} from "../modules/glacier/frame.ts";
import { MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import { sameAddress } from "../modules/throwie/ports.ts";
import type { Cast } from "../modules/throwie/throwie.ts";
import { cycleUs } from "../sim/airtime.ts";
import type { Waypoint } from "../sim/mobility.ts";
import { SeededRandom } from "../sim/random.ts";
import type { NodeScenario, RadioScenario, Scenario } from "../sim/scenario.ts";
import { World } from "../sim/world.ts";
import type { Result } from "./result.ts";

const DROPS = 750;
const DROP_BYTES = 2048;
const SEEDS = 20;
/** When the pairs meet. The nodes start in the first second, and the Drops are written before the meeting. */
const MEETING_S = 30;
const PATIENCE_S = 300;

interface Case {
  name: string;
  limit: number;
  cast: Cast;
  radio?: Partial<RadioScenario>;
  frameSizeBytesMax?: number;
  /** How many of the Drops begin at the second node of a pair. */
  fromSecond?: number;
  pairs?: number;
  /** The air loses no frame, so no fragment needs to come twice. */
  lossless?: boolean;
}

const CASES: Case[] = [
  { name: "unicast", limit: 1.05, cast: "unicast", lossless: true },
  { name: "broadcast", limit: 1.05, cast: "broadcast", lossless: true },
  {
    name: "fast",
    limit: 1.1,
    cast: "broadcast",
    radio: { rateMbps: 24, rxQueueFrames: 8, processingUs: 500 },
    lossless: true,
  },
  { name: "loss10", limit: 1.2, cast: "broadcast", radio: { lossPerMille: 100 } },
  { name: "loss30", limit: 1.6, cast: "broadcast", radio: { lossPerMille: 300 } },
  { name: "burst", limit: 1.35, cast: "broadcast", radio: { burst: { meanFrames: 20, lossPerMille: 100 } } },
  { name: "duplex", limit: 1.08, cast: "broadcast", fromSecond: DROPS / 2, lossless: true },
  { name: "three", limit: 1.15, cast: "broadcast", pairs: 3, lossless: true },
  { name: "v2", limit: 1.08, cast: "broadcast", frameSizeBytesMax: 1_470, lossless: true },
];

/** The airtime of the frames of one Drop in microseconds, or their processing if that is slower; and their number. */
function bound({ cast, radio, frameSizeBytesMax }: Case): { us: number; frames: number } {
  const fragmentBytes = frameSizeBytesMax === undefined ? PAYLOAD_BYTES_V1 : PAYLOAD_BYTES_V2;
  let airUs = 0;
  let frames = 0;
  for (let rest = MESSAGE_PREFIX_BYTES + DROP_BYTES; rest > 0; rest -= fragmentBytes) {
    const bytes = FRAME_HEADER_BYTES + Math.min(rest, fragmentBytes) + FRAME_TRAILER_BYTES;
    airUs += cycleUs(bytes, radio?.rateMbps ?? 1, cast === "unicast");
    frames++;
  }
  return { us: Math.max(airUs, frames * (radio?.processingUs ?? 0)), frames };
}

interface Meeting {
  world: World;
  /** In seconds: when the first contact opened, and when the latest Drop arrived. */
  openedS: number;
  storedS: number;
  stored: number;
}

/** Pairs of nodes that meet at MEETING_S, and part at `partS` if it is given. */
function meet(
  seed: number,
  { cast, radio, frameSizeBytesMax, fromSecond = 0, pairs = 1 }: Case,
  partS?: number,
): Meeting {
  const far: [number, number] = [1_000, 0];
  const near: [number, number] = [10, 0];
  const path: Waypoint[] = [
    [MEETING_S - 0.001, ...far],
    [MEETING_S, ...near],
  ];
  if (partS !== undefined) path.push([partS, ...near], [partS + 0.001, ...far]);
  // The bound is that of the air, or of `processingUs`. The bench xs measures what a board's processor adds.
  const body = { processor: "none", ...(frameSizeBytesMax === undefined ? {} : { frameSizeBytesMax }) } as const;
  const nodes: NodeScenario[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    nodes.push(
      { name: `a${pair}`, role: "throwie", at: [0, 0], ...body },
      { name: `b${pair}`, role: "mule", path, ...body },
    );
  }
  const scenario: Scenario = {
    name: "link",
    description: "",
    durationS: 2 * PATIENCE_S,
    cast,
    radio: { rateMbps: 1, rangeM: 80, ...radio },
    nodes,
    drops: [],
  };
  const world = new World(scenario, seed, {
    contactOpened: () => {
      meeting.openedS ||= world.nowS;
    },
    dropStored: (_node, _slot, peer) => {
      if (peer === undefined) return;
      meeting.storedS = world.nowS;
      meeting.stored++;
    },
  });
  const meeting: Meeting = { world, openedS: 0, storedS: 0, stored: 0 };
  for (let i = 0; i < nodes.length; i++) keepToPartner(world, i);
  world.run(1);
  const random = new SeededRandom(seed, "link");
  const drop = new Uint8Array(DROP_BYTES);
  for (let i = 0; i < nodes.length; i += 2) {
    for (let k = 0; k < DROPS; k++) {
      random.fill(drop);
      world.nodes[k < DROPS - fromSecond ? i : i + 1]!.publish(drop);
    }
  }
  return meeting;
}

/**
 * Gives a node the frames of its partner only. All stations hear each other, but frames of other pairs take air time
 * and nothing else.
 */
function keepToPartner(world: World, index: number): void {
  const { station } = world.nodes[index]!;
  const partner = world.nodes[index ^ 1]!.station.address;
  const { handlers } = station;
  station.handlers = {
    ...handlers,
    onFrame(bytes, lengthBytes, from) {
      if (sameAddress(from, partner)) handlers.onFrame(bytes, lengthBytes, from);
    },
  };
}

/**
 * The time from the opening of the contact until the last Drop is stored, as a ratio to the bound; and the share of the
 * fragments that came in vain.
 */
function transfer(seed: number, which: Case): { ratio: number; duplicates: number } {
  const meeting = meet(seed, which);
  const { world } = meeting;
  const drops = DROPS * (which.pairs ?? 1);
  while (meeting.stored < drops && world.nowS < PATIENCE_S) world.run(world.nowS + 1);
  if (meeting.stored < drops)
    throw new Error(`link: ${which.name}, seed ${seed}: the Drops were not delivered in ${PATIENCE_S} s`);
  let inVain = 0;
  for (const { throwie } of world.nodes) inVain += throwie!.counters.repeat + throwie!.counters.room;
  const seconds = meeting.storedS - meeting.openedS;
  const { us, frames } = bound(which);
  return { ratio: (1_000_000 * seconds) / (drops * us), duplicates: inVain / (drops * frames) };
}

/** Of the Drops that the airtime until a random moment allowed, the share that did not arrive. */
function missingAtCut(seed: number, which: Case): number {
  const dropS = bound(which).us / 1_000_000;
  const transferMs = Math.floor(DROPS * dropS * 1_000);
  const partS = MEETING_S + 2 + new SeededRandom(seed, "cut").below(transferMs) / 1_000;
  const { world, openedS, stored } = parted(seed, which, partS);
  const allowed = Math.min(DROPS, Math.floor((partS - openedS) / dropS));
  if (world.nodes[1]!.throwie!.store.count !== stored)
    throw new Error(`link: cut, seed ${seed}: a stored Drop is not there`);
  return Math.max(0, 1 - stored / allowed);
}

function parted(seed: number, which: Case, partS: number): Meeting {
  const meeting = meet(seed, which, partS);
  meeting.world.run(partS + 5);
  return meeting;
}

const ascending = (values: number[]): number[] => values.sort((x, y) => x - y);
const thousandths = (value: number): number => Math.round(1_000 * value) / 1_000;

export async function link(): Promise<{ bench: "link"; results: Result[] }> {
  const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);
  const results: Result[] = [];
  let duplicates = 0;
  for (const which of CASES) {
    const runs = seeds.map((seed) => transfer(seed, which));
    const ratios = ascending(runs.map((run) => run.ratio));
    const value = thousandths(ratios[SEEDS >> 1]!);
    const boundS = (DROPS * (which.pairs ?? 1) * bound(which).us) / 1_000_000;
    const { name, limit } = which;
    results.push({ name, value, unit: "times the bound", limit, worst: thousandths(ratios[SEEDS - 1]!), boundS });
    if (which.lossless) duplicates = Math.max(duplicates, ...runs.map((run) => run.duplicates));
  }
  const broadcast = CASES.find(({ name }) => name === "broadcast")!;
  const cut = Math.max(...seeds.map((seed) => missingAtCut(seed, broadcast)));
  results.push({ name: "duplicates", value: thousandths(duplicates), unit: "of the fragments", limit: 0.01 });
  results.push({ name: "cut", value: thousandths(cut), unit: "of the Drops allowed", limit: 0.05 });
  return { bench: "link", results };
}
