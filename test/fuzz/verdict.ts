/** What a fuzz test asks for: nothing found with all of it tried, or, of a planted defect, found with coverage as a guide and only so. */
import type { ExecutionContext } from "ava";
import { SeededRandom } from "../../sim/random.ts";
import type { CoveredModules } from "./coverage.ts";
import { type Finding, fuzzBlindly, fuzzGuided, type Target } from "./fuzzer.ts";

const SEED = Number(process.env.SEED ?? 1);

function told(finding: Finding | undefined): string {
  return finding === undefined ? "nothing found" : `SEED=${SEED}, execution ${finding.executions}: ${finding.fault}`;
}

/** What is fuzzed, and for how long. */
export interface Fuzzed {
  modules: CoveredModules<unknown>;
  target: Target;
  executions: number;
}

export interface Reach {
  /** Modules whose path begins so. */
  paths: string[];
  /** Their functions that the target is known not to call, as `uncalled` has them. */
  uncalled: string[];
  /** At least this share of their lines, or those that are left are named. */
  min: number;
}

export function nothingIsFound(
  t: ExecutionContext,
  { modules, target, executions }: Fuzzed,
  { paths, uncalled, min }: Reach,
): void {
  const finding = fuzzGuided(target, modules, new SeededRandom(SEED, "fuzz"), executions);
  t.is(finding, undefined, told(finding));
  t.deepEqual(
    paths.flatMap((path) => modules.uncalled(path)),
    uncalled,
  );
  const parts = paths.map((path) => modules.unreached(path));
  const of = parts.reduce((sum, part) => sum + part.of, 0);
  const lines = parts.flatMap((part) => part.lines);
  t.log(`SEED=${SEED}: ${of - lines.length} of ${of} lines; not: ${lines.join(" | ")}`);
  t.true(lines.length <= (1 - min) * of, lines.join("\n"));
  modules.close();
}

export function onlyGuidedFinds(t: ExecutionContext, { modules, target, executions }: Fuzzed, fault: RegExp): void {
  const guided = fuzzGuided(target, modules, new SeededRandom(SEED, "fuzz"), executions);
  t.regex(told(guided), fault);
  const blind = fuzzBlindly(target, new SeededRandom(SEED, "fuzz"), executions);
  t.is(blind, undefined, told(blind));
  modules.close();
}
