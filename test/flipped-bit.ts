/**
 * One bit of a board's flash flips, so one of its Drops is false from then on. This file lets such a board meet takers
 * and counts how often the false Drop is given before the giver finds out.
 */
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import type { NodeScenario } from "../sim/scenario.ts";
import type { World } from "../sim/world.ts";
import { board, worldOf, write } from "./contact-world.ts";

const HOUR_S = 3_600;
const DROPS = 10;
const DROP_BYTES = 1_200;
/** Bytes by which the flipped bit is found in the flash. */
const SAMPLE_BYTES = 24;

export interface FlippedBit {
  /** How each node sleeps: the giver first. Undefined: the node is always awake. */
  wakes: (NodeScenario["wake"] | undefined)[];
  durationS: number;
  lossPerMille?: number;
  /** A change that a canary makes to each node at each start. */
  defect?: (node: SimNode) => void;
}

export interface FlippedBitOutcome {
  /** How often a taker found a Drop false. */
  falseTransfers: number;
  /** Whether the giver removed its false Drop. */
  found: boolean;
  /** How many of the true Drops the last taker has at the end. */
  arrived: number;
  wanted: number;
}

export function flipOneBit({ wakes, durationS, lossPerMille, defect }: FlippedBit, seed: number): FlippedBitOutcome {
  const outcome: FlippedBitOutcome = { falseTransfers: 0, found: false, arrived: 0, wanted: DROPS - 1 };
  const nodes = wakes.map((wake, i) => board(`n${i}`, 10 * i, wake === undefined ? {} : { wake }));
  const world = worldOf(nodes, {
    seed,
    radio: { lossPerMille: lossPerMille ?? 0 },
    scenario: { durationS: 2 * durationS + HOUR_S },
    observer: {
      started: (node) => defect?.(node),
      dropLost: (node, _low, _high, cause) => {
        if (cause !== "corrupt") return;
        if (node.name === "n0") outcome.found = true;
        else outcome.falseTransfers++;
      },
    },
  });
  const [giver, ...takers] = world.nodes as [SimNode, ...SimNode[]];
  for (const taker of takers) world.medium.powerOff(taker.station);
  const random = new SeededRandom(seed, "flipped bit");
  awake(world, giver);
  const drops = write(giver, random, DROPS, DROP_BYTES);
  flip(giver, drops[random.below(DROPS)]!, random);
  for (const { throwie, station } of takers) if (throwie !== undefined) world.medium.powerOn(station);
  world.run(world.nowS + durationS);
  const last = takers.at(-1)!;
  awake(world, last);
  outcome.arrived = last.throwie!.store.count;
  return outcome;
}

function awake(world: World, node: SimNode): void {
  while (node.throwie === undefined) world.run(world.nowS + 0.1);
}

function flip({ flash }: SimNode, drop: Uint8Array, random: SeededRandom): void {
  // The first bytes of a Drop may lie apart from the others.
  const at = SAMPLE_BYTES * (1 + random.below(Math.floor(drop.length / SAMPLE_BYTES) - 2));
  const { bytes } = flash.snapshot();
  const address = Buffer.from(bytes).indexOf(drop.subarray(at, at + SAMPLE_BYTES));
  if (address < 0) throw new Error("flipped bit: the Drop is not in the flash");
  flash.overwrite(address + 3, Uint8Array.of(bytes[address + 3]! ^ (1 << random.below(8))));
}
