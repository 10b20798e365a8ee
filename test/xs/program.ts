/** What the tests and the benches run on XS: bundled as one script, called by name through `evaluate`. */
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

Object.assign(globalThis, {
  checkVectors,
  contactOfFifty,
  flashOfAll,
  nodeInContact,
  OPERATIONS,
  sleepTenMinutes,
  syncPair,
});
