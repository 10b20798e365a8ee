/** The functions that tests and benches run on XS. They are bundled as one script and called by name in `evaluate`. */
import { parseScenario } from "../../sim/scenario.ts";
import pair from "../../sim/scenarios/pair.json" with { type: "json" };
import { simulate } from "../../sim/world.ts";
import { contactOfFifty } from "./board.ts";
import { flashOfAll, nodeInContact, OPERATIONS } from "./operations.ts";
import { checkVectors } from "./vectors.ts";

/** Simulates a whole sync of two nodes. Returns its report, with the trace hash. */
export function syncPair(seed: number) {
  const scenario = parseScenario(pair);
  if (typeof scenario === "string") throw new Error(scenario);
  return simulate(scenario, seed);
}

/** Simulates two boards that sleep and a Mule that passes, for ten minutes. Returns the report. */
export function sleepTenMinutes(seed: number) {
  const scenario = parseScenario({
    name: "sleep",
    description: "a history that all engines must agree on",
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
