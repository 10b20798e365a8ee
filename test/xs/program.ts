/** What the tests and the benches run on XS: bundled as one script, called by name through `evaluate`. */
import { parseScenario } from "../../sim/scenario.ts";
import pair from "../../sim/scenarios/pair.json" with { type: "json" };
import { simulate } from "../../sim/world.ts";
import { OPERATIONS } from "./operations.ts";
import { checkVectors } from "./vectors.ts";

/** A two-node sync from beginning to end; its report, trace hash included. */
export function syncPair(seed: number) {
  const scenario = parseScenario(pair);
  if (typeof scenario === "string") throw new Error(scenario);
  return simulate(scenario, seed);
}

Object.assign(globalThis, { checkVectors, OPERATIONS, syncPair });
