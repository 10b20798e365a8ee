/** What the tests and the benches run on XS: bundled as one script, called by name through `evaluate`. */
import { start } from "../../main.ts";
import { NorFlash } from "../../sim/nor-flash.ts";
import { SeededRandom } from "../../sim/random.ts";
import { parseScenario } from "../../sim/scenario.ts";
import pair from "../../sim/scenarios/pair.json" with { type: "json" };
import { simulate } from "../../sim/world.ts";
import { contactOfFifty } from "./board.ts";
import { flashOfAll, nodeInContact, OPERATIONS } from "./operations.ts";
import { checkVectors } from "./vectors.ts";

/** A two-node sync from beginning to end; its report, trace hash included. */
export function syncPair(seed: number) {
  const scenario = parseScenario(pair);
  if (typeof scenario === "string") throw new Error(scenario);
  return simulate(scenario, seed);
}

/** Two boards that sleep and a carrier who passes, for ten minutes; the report. */
export function sleepTenMinutes(seed: number) {
  const scenario = parseScenario({
    name: "sleep",
    description: "for engines to agree on",
    durationS: 600,
    radio: { rateMbps: 1, rangeM: 60, lossPerMille: 20 },
    nodes: [
      { name: "board", role: "throwie", count: 2, at: [0, 0], capacity: 20, wake: 30 },
      {
        name: "mule",
        role: "mule",
        capacity: 20,
        path: [
          [0, 200, 0],
          [300, 10, 0],
          [400, 10, 0],
          [600, 200, 0],
        ],
      },
    ],
    drops: [{ atS: 5, from: "all", count: 6, everyS: 20, sizeBytes: [100, 500] }],
  });
  if (typeof scenario === "string") throw new Error(scenario);
  return simulate(scenario, seed);
}

/**
 * The firmware's own entry, on a board whose radio nobody hears: it boots, keeps a Drop, loses its power and boots again.
 * What it held after each boot, and its frames of the second life.
 */
export function bootTwice(): { held: number[]; frames: number } {
  const flash = new NorFlash({ sizeBytes: 448 * 4096 });
  const random = new SeededRandom(1, "board");
  const address = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const held: number[] = [];
  let frames = 0;
  for (let life = 0; life < 2; life++) {
    let now = 0;
    frames = 0;
    const send = (): boolean => {
      frames++;
      return true;
    };
    const radio = { address, maxPayload: 250, receiveQueueFrames: 32, full: false, send };
    const node = start({ radio, clock: { now: () => now }, random, flash });
    held.push(node.store.count);
    node.publish(Uint8Array.of(1, 2, 3, life), "own");
    while (now < 10_000) now = node.turn();
  }
  return { held, frames };
}

Object.assign(globalThis, {
  bootTwice,
  checkVectors,
  contactOfFifty,
  flashOfAll,
  nodeInContact,
  OPERATIONS,
  sleepTenMinutes,
  syncPair,
});
