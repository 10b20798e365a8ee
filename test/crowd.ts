/**
 * Crowds in the simulator: several givers or takers of the same Drops that meet at once, and full boards that trade.
 * The nodes are as quick as the air, since these figures are about what goes over it.
 */
import { FRAME_HEADER_BYTES, FRAME_TRAILER_BYTES, frameType, PAYLOAD_BYTES_V1 } from "../modules/glacier/frame.ts";
import { DROP } from "../modules/glacier/frame-type.ts";
import { MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import { cycleUs } from "../sim/airtime.ts";
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import { World } from "../sim/world.ts";
import { board, INSTANT } from "./contact-world.ts";

const DROP_BYTES = 2_048;
const FRAMES_A_DROP = 10;
/** When the newcomer of a meeting comes into range. */
const MEETING_S = 30;
const PATIENCE_S = 600;

/** The airtime of a full Drop's frames, each sent once by broadcast. */
const DROP_US = ((): number => {
  let us = 0;
  for (let rest = MESSAGE_PREFIX_BYTES + DROP_BYTES; rest > 0; rest -= PAYLOAD_BYTES_V1) {
    us += cycleUs(FRAME_HEADER_BYTES + Math.min(rest, PAYLOAD_BYTES_V1) + FRAME_TRAILER_BYTES - 2, 1, false);
  }
  return us;
})();

/** Counts the frames with Drops that these nodes send from now on. */
function countDropFrames(nodes: SimNode[]): () => number {
  let frames = 0;
  for (const { station } of nodes) {
    const send = station.send.bind(station);
    station.send = (bytes, lengthBytes, to) => {
      const sent = send(bytes, lengthBytes, to);
      if (sent && frameType(bytes) === DROP) frames++;
      return sent;
    };
  }
  return () => frames;
}

export interface Meeting {
  givers: number;
  takers: number;
  drops: number;
  lossPerMille?: number;
  /** A change to each node, for a canary. */
  change?: (node: SimNode) => void;
}

/**
 * Givers of the same full Drops meet empty takers. Whoever is alone comes to the others. `time` and `sent`: the time
 * from the first contact until all takers have all Drops, and the frames of Drops sent, over those of one transfer.
 */
export function meet({ givers, takers, drops, lossPerMille = 0, change }: Meeting, seed: number) {
  const nodes = Array.from({ length: givers + takers }, (_, i) => board(`n${i}`, i, INSTANT));
  const alone = nodes[givers === 1 ? 0 : givers]!;
  delete alone.at;
  alone.path = [
    [MEETING_S - 0.001, 2_000, 0],
    [MEETING_S, 0, 10],
  ];
  let stored = 0;
  let begunS = 0;
  let endS = 0;
  const radio = { rateMbps: 1, rangeM: 80, lossPerMille } as const;
  const scenario = { name: "meeting", description: "", durationS: MEETING_S + PATIENCE_S, radio, nodes, drops: [] };
  const world = new World(scenario, seed, {
    started: (node) => change?.(node),
    contactOpened: () => {
      if (begunS === 0) begunS = world.nowS;
    },
    dropStored: (_node, _slot, peer) => {
      if (peer === undefined) return;
      stored++;
      endS = world.nowS;
    },
  });
  world.run(2);
  const random = new SeededRandom(seed, "meeting");
  const drop = new Uint8Array(DROP_BYTES);
  for (let i = 0; i < drops; i++) {
    random.fill(drop);
    for (const node of world.nodes.slice(0, givers)) node.publish(drop);
  }
  const frames = countDropFrames(world.nodes);
  // The givers have the same Drops, so nobody has met before the one who is alone comes.
  while (stored < drops * takers && world.nowS < MEETING_S + PATIENCE_S) world.run(world.nowS + 0.25);
  const time = ((endS - begunS) * 1e6) / (drops * DROP_US);
  return { time, sent: frames() / (drops * FRAMES_A_DROP), whole: stored === drops * takers };
}

const FULL_CAPACITY = 60;
const FULL_DROP_BYTES = 200;
const SETTLING_S = 120;

/**
 * Boards that are full of different Drops hear each other for a while. `air`: the share of the air that their frames
 * take then. `frames`: frames with Drops for each Drop that moved. `moved`: Drops that moved, a second.
 */
export function fullBoards(boards: number, durationS: number, seed: number, change?: (node: SimNode) => void) {
  const nodes = Array.from({ length: boards }, (_, i) => board(`n${i}`, i, { ...INSTANT, capacity: FULL_CAPACITY }));
  let moved = 0;
  const radio = { rateMbps: 1, rangeM: 80 } as const;
  const untilS = SETTLING_S + durationS;
  const scenario = { name: "full boards", description: "", durationS: untilS, radio, nodes, drops: [] };
  const world = new World(scenario, seed, {
    started: (node) => change?.(node),
    dropStored: (_node, _slot, peer) => {
      if (peer !== undefined) moved++;
    },
  });
  world.run(2);
  const random = new SeededRandom(seed, "full boards");
  const drop = new Uint8Array(FULL_DROP_BYTES);
  for (const node of world.nodes) {
    for (let i = 0; i < FULL_CAPACITY; i++) {
      random.fill(drop);
      node.publish(drop);
    }
  }
  world.run(SETTLING_S);
  const { airtimeUs } = world.medium.counters;
  const frames = countDropFrames(world.nodes);
  moved = 0;
  world.run(untilS);
  const air = (world.medium.counters.airtimeUs - airtimeUs) / (durationS * 1e6);
  return { air, frames: frames() / Math.max(1, moved), moved: moved / durationS };
}
