/**
 * A board has one workspace for reconciling. This file plays attackers that take it hostage, and people who come past
 * meanwhile, each with a Drop for the board (docs/protocol.md, "What an attacker with a radio can do").
 *
 * An attacker is a station that is no node, with all the addresses that it wants. Its air is what its frames take.
 */
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import {
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V1,
  frameType,
  PAYLOAD_BYTES_V1,
  sealFrame,
} from "../modules/glacier/frame.ts";
import { ACK, BEACON, OPEN, RECONCILE } from "../modules/glacier/frame-type.ts";
import { digest } from "../modules/glacier/message.ts";
import { sameAddress } from "../modules/throwie/ports.ts";
import { Fixed } from "../sim/mobility.ts";
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import type { NodeScenario } from "../sim/scenario.ts";
import type { Station } from "../sim/station.ts";
import { World } from "../sim/world.ts";
import { headerOf } from "./frames.ts";
import { NOTHING_LISTED, openingFor } from "./stranger.ts";

const VISITORS = 12;
const EVERY_S = 10;
const STAY_S = 8;
const FIRST_S = 12;
const DURATION_S = FIRST_S + VISITORS * EVERY_S;
const BROADCAST = new Uint8Array(6).fill(0xff);

/** What an attack may use. Attackers begin four seconds before the first visitor. */
export interface Stage {
  world: World;
  board: SimNode;
  random: SeededRandom;
  /** A new radio of the attacker. */
  radio(): Radio;
  /** Calls `act` once in so many milliseconds, from the time on when people come. */
  every(ms: number, act: () => void): void;
  /** The address of the visitor that is near. */
  visitor(): Uint8Array;
}

export interface Radio {
  station: Station;
  /** The frames that the radio heard of the board, the latest last. */
  heard: Uint8Array[];
  newAddress(): void;
  beacon(): void;
  open(sessionId: number, summaries?: string): void;
  send(type: 2 | 3 | 5, fields: { sessionId: number; sequence?: number; fragment?: number }, payload: Uint8Array): void;
  /** The latest beacon of the board. */
  boardsBeacon: Uint8Array | undefined;
}

export interface Attack {
  name: string;
  /** All visitors are served, not all but one. */
  allServed?: boolean;
  /** Other nodes, besides board and people. */
  nodes?: NodeScenario[];
  begin(stage: Stage): void;
}

function radioAt(world: World, board: SimNode, random: SeededRandom, y: number): Radio {
  const station = world.medium.add(new Fixed(10, y));
  const out = new Uint8Array(FRAME_SIZE_BYTES_V1);
  const radio: Radio = {
    station,
    heard: [],
    boardsBeacon: undefined,
    newAddress() {
      random.fill(station.address.subarray(1));
    },
    beacon() {
      random.fill(out);
      out[FRAME_HEADER_BYTES + 8] = 0;
      station.send(out, sealFrame(out, headerOf({ type: BEACON, payloadBytes: 69 })), BROADCAST);
    },
    open(sessionId, summaries) {
      if (radio.boardsBeacon === undefined) return;
      const { name, payload } = openingFor(radio.boardsBeacon, summaries);
      out.set(payload, FRAME_HEADER_BYTES);
      const header = { type: OPEN, sessionId, shortIdLow: name[0], shortIdHigh: name[1], payloadBytes: payload.length };
      station.send(out, sealFrame(out, headerOf({ ...header, poll: true })), board.station.address);
    },
    send(type, fields, payload) {
      const name = new Uint32Array(2);
      digest(payload, 0, payload.length, name);
      out.set(payload, FRAME_HEADER_BYTES);
      const ids = type === ACK ? {} : { shortIdLow: name[0]!, shortIdHigh: name[1]! };
      const header = headerOf({ type, ...fields, ...ids, payloadBytes: payload.length });
      station.send(out, sealFrame(out, header), board.station.address);
    },
  };
  station.handlers.onFrame = (bytes, lengthBytes, from) => {
    const frame = bytes.slice(0, lengthBytes);
    radio.heard.push(frame);
    if (radio.heard.length > 500) radio.heard.shift();
    if (sameAddress(from, board.station.address) && frameType(frame) === BEACON) radio.boardsBeacon = frame;
  };
  return radio;
}

export interface Served {
  /** Of the visitors, those whose Drop the board has at the end of the visit. */
  served: number;
  visitors: number;
  /** The share of the air that the attacker took. */
  air: number;
}

export function holdUp(attack: Attack, seed: number): Served {
  const nodes: NodeScenario[] = [{ name: "board", role: "throwie", at: [0, 0] }, ...(attack.nodes ?? [])];
  const comings = Array.from({ length: VISITORS }, (_, i) => FIRST_S + i * EVERY_S);
  comings.forEach((s, i) => {
    const path = [
      [s - 0.001, 2_000 + 500 * i, 0],
      [s, 30, 0],
      [s + STAY_S, 30, 0],
      [s + STAY_S + 0.001, 2_000 + 500 * i, 0],
    ];
    nodes.push({ name: `visitor-${i}`, role: "mule", path: path as [number, number, number][] });
  });
  const radio = { rateMbps: 1, rangeM: 80 } as const;
  const scenario = { name: "hostage", description: "", durationS: DURATION_S, radio, drops: [], nodes };
  const world: World = new World(scenario, seed);
  const board = world.node("board")!;
  const random = new SeededRandom(seed, `hostage ${attack.name}`);
  const radios: Radio[] = [];
  world.run(1.5);
  const drop = new Uint8Array(40);
  for (let i = 0; i < 700; i++) {
    random.fill(drop);
    for (const node of world.nodes) node.publish(drop);
  }
  // All are checked, so that nobody hashes for half a minute.
  for (const { throwie } of world.nodes) for (let slot = 0; slot < 700; slot++) throwie!.store.markVerified(slot);
  const own = comings.map((_, i) => {
    random.fill(drop);
    world.node(`visitor-${i}`)!.publish(drop);
    return dropId(drop);
  });
  const visitorNow = (): number => Math.min(Math.max(0, Math.floor((world.nowS - FIRST_S) / EVERY_S)), VISITORS - 1);
  attack.begin({
    world,
    board,
    random,
    radio() {
      const made = radioAt(world, board, random, 5 * radios.length);
      radios.push(made);
      return made;
    },
    every(ms, act) {
      const again = (): void => {
        act();
        world.kernel.after(ms * 1_000, again);
      };
      world.kernel.at(Math.max(world.kernel.nowUs, (FIRST_S - 4) * 1e6), again);
    },
    visitor: () => world.node(`visitor-${visitorNow()}`)!.station.address,
  });
  let served = 0;
  comings.forEach((s, i) => {
    world.run(s + STAY_S);
    const id = own[i]!;
    if (board.throwie!.store.find(shortIdLow(id), shortIdHigh(id)) >= 0) served++;
  });
  const airUs = radios.reduce((sum, { station }) => sum + station.airtimeUs, 0);
  return { served, visitors: VISITORS, air: airUs / 1e6 / (VISITORS * EVERY_S + 4) };
}

const deaf = (count: number): NodeScenario[] => [{ name: "deaf", role: "throwie", at: [0, 20], count }];

export const ATTACKS: Attack[] = [
  { name: "nobody", allServed: true, begin: () => {} },
  {
    name: "a forged beacon every 500 ms",
    allServed: true,
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(500, () => {
        radio.newAddress();
        radio.beacon();
      });
    },
  },
  {
    name: "a forged beacon every 80 ms",
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(80, () => {
        radio.newAddress();
        radio.beacon();
      });
    },
  },
  {
    name: "two radios with bare OPENs",
    allServed: true,
    begin: (stage) => {
      for (let i = 0; i < 2; i++) {
        const radio = stage.radio();
        stage.every(400, () => radio.open(stage.random.below(65_536)));
      }
    },
  },
  {
    name: "sixteen honest neighbours that do not hear the board",
    allServed: true,
    nodes: deaf(16),
    begin: ({ world, board, random }) => {
      for (const node of world.nodes.filter(({ name }) => name.startsWith("deaf"))) {
        const drop = new Uint8Array(40);
        random.fill(drop);
        node.publish(drop);
        const { handlers } = node.station;
        node.station.handlers = {
          ...handlers,
          onFrame: (bytes, lengthBytes, from) => {
            if (!sameAddress(from, board.station.address)) handlers.onFrame(bytes, lengthBytes, from);
          },
        };
      }
    },
  },
  {
    name: "an OPEN from a new address every 250 ms",
    allServed: true,
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(250, () => {
        radio.newAddress();
        radio.open(stage.random.below(65_536));
      });
    },
  },
  {
    name: "an OPEN from a new address every 90 ms",
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(90, () => {
        radio.newAddress();
        radio.open(stage.random.below(65_536));
      });
    },
  },
  {
    name: "OPENs that end at once from new addresses, which keep their contacts",
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(250, () => {
        radio.newAddress();
        radio.open(stage.random.below(65_536), NOTHING_LISTED);
      });
    },
  },
  {
    name: "reconciliations that never finish",
    begin: (stage) => {
      const radio = stage.radio();
      let [session, fragment] = [0, 0];
      const body = new Uint8Array(PAYLOAD_BYTES_V1).fill(9);
      body.set([1_900 & 255, 1_900 >> 8, 0]);
      stage.every(150, () => {
        if (fragment === 0) {
          radio.newAddress();
          session = stage.random.below(65_536);
          radio.open(session);
        } else {
          radio.send(
            RECONCILE,
            { sessionId: session, sequence: 1, fragment: fragment - 1 },
            body.fill(9, fragment === 1 ? 3 : 0),
          );
        }
        fragment = (fragment + 1) % 10;
      });
    },
  },
  {
    name: "replayed frames",
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(120, () => {
        const frame = radio.heard[stage.random.below(Math.max(1, radio.heard.length))];
        if (frame === undefined) return;
        radio.station.address.set(stage.visitor());
        radio.station.send(frame, frame.length, frameType(frame) === BEACON ? BROADCAST : stage.board.station.address);
      });
    },
  },
  {
    name: "forged beacons under the visitor's address",
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(200, () => {
        radio.station.address.set(stage.visitor());
        radio.beacon();
      });
    },
  },
  {
    name: "OPENs under the visitor's address",
    begin: (stage) => {
      const radio = stage.radio();
      stage.every(600, () => {
        radio.station.address.set(stage.visitor());
        radio.open(stage.random.below(65_536));
      });
    },
  },
];
