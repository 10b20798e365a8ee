/**
 * A fuzz test that finds nothing may only have searched badly. So a fuzz test asserts one of two things: that nothing
 * was found although nearly all lines ran, or that the guided fuzz finds a planted defect and random bytes do not.
 */
import type { ExecutionContext } from "ava";
import { SeededRandom } from "../../sim/random.ts";
import type { CoveredModules } from "./coverage.ts";
import { type Finding, fuzzBlindly, fuzzGuided, type Target } from "./fuzzer.ts";

const SEED = Number(process.env.SEED ?? 1);
/**
 * The bounds of a Reach are tight for the usual seed, so that code shows that nothing reaches any more. Another seed
 * may leave half as many lines more unreached, and does not call the same rare functions.
 */
const OTHER_SEED = process.env.SEED !== undefined;
const OTHER_SEED_REACH = 1.5;

function describe(finding: Finding | undefined): string {
  return finding === undefined ? "nothing found" : `SEED=${SEED}, execution ${finding.executions}: ${finding.fault}`;
}

/** What is fuzzed, and for how long. */
export interface Fuzzed {
  modules: CoveredModules<unknown>;
  target: Target;
  executions: number;
}

export interface Reach {
  /** The modules whose path begins with one of these. */
  paths: string[];
  /** The functions of these modules that the target never calls, written as `CoveredModules.uncalled` writes them. */
  uncalled: string[];
  /** How many of their lines may stay unreached. If more do, the test names all of them. */
  unreachedMax: number;
}

export function nothingIsFound(
  t: ExecutionContext,
  { modules, target, executions }: Fuzzed,
  { paths, uncalled, unreachedMax }: Reach,
): void {
  const finding = fuzzGuided(target, modules, new SeededRandom(SEED, "fuzz"), executions);
  t.is(finding, undefined, describe(finding));
  if (!OTHER_SEED) {
    t.deepEqual(
      paths.flatMap((path) => modules.uncalled(path)),
      uncalled,
    );
  }
  const parts = paths.map((path) => modules.unreached(path));
  const of = parts.reduce((sum, part) => sum + part.of, 0);
  const lines = parts.flatMap((part) => part.lines);
  t.log(`SEED=${SEED}: ${of - lines.length} of ${of} lines ran; not: ${lines.join(" | ")}`);
  t.true(lines.length <= unreachedMax * (OTHER_SEED ? OTHER_SEED_REACH : 1), lines.join("\n"));
  modules.close();
}

export function onlyGuidedFinds(t: ExecutionContext, { modules, target, executions }: Fuzzed, fault: RegExp): void {
  // The guided fuzz stops at its finding. With another seed, or after a change of the code, it may take longer.
  const guided = fuzzGuided(target, modules, new SeededRandom(SEED, "fuzz"), 10 * executions);
  t.regex(describe(guided), fault);
  const blind = fuzzBlindly(target, new SeededRandom(SEED, "fuzz"), executions);
  t.is(blind, undefined, describe(blind));
  modules.close();
}
