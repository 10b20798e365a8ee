/**
 * Random bytes do not reach deep code. This fuzzer is guided by coverage: an input that ran new code joins the corpus,
 * and the next inputs are mutations of the corpus. The fuzzer is seeded, and its length is counted in executions, never
 * in time.
 *
 * A question for coverage costs more than an execution, so the fuzzer asks once for each batch. If a batch ran new
 * code, the fuzzer runs the batch again, one input at a time.
 *
 * Rejected: Jazzer.js. Its engine is a native library that needs a newer C library than an LTS system has.
 *
 * A finding is shrunk: packets that the fault does not need are left out.
 *
 * Longer runs: FUZZ_EXECUTIONS=n. Replay of a finding: SEED=n, or FUZZ_INPUT=text for that input alone.
 */
import type { SeededRandom } from "../../sim/random.ts";
import type { CoveredModules } from "./coverage.ts";
import { type Input, inputOf, inputText, mutated, randomInput } from "./input.ts";

export interface Target {
  /** The name of the test to run for a replay: build/test/<name>.test.js. */
  readonly name: string;
  /** The inputs to begin with, for example those that honest peers send. */
  readonly seeds: Input[];
  readonly packetBytesMax: number;
  /** Feeds the input to the target. Throws if a check fails. */
  run(input: Input): void;
  /** Mends a mutated input, so that it passes checks that keep out accidents only, such as a checksum. */
  mend?(input: Input, random: SeededRandom): void;
}

export interface Finding {
  executions: number;
  /** What was wrong, and how to replay the input. */
  fault: string;
}

const BATCH = 32;
const LATEST = 8;

/** How many executions a test makes: `usual`, unless FUZZ_EXECUTIONS says otherwise. */
export function executionsOf(usual: number): number {
  return Number(process.env.FUZZ_EXECUTIONS ?? usual);
}

/** Mutates the inputs that ran new code, beginning with the seeds of the target. Undefined if nothing was found. */
export function fuzzGuided(
  target: Target,
  modules: CoveredModules<unknown>,
  random: SeededRandom,
  executions: number,
): Finding | undefined {
  const corpus = [...target.seeds];
  const only = process.env.FUZZ_INPUT;
  if (only !== undefined) return findingOf(target, inputOf(only), 1);
  for (const [at, seed] of corpus.entries()) {
    const finding = findingOf(target, seed, at + 1);
    if (finding) return finding;
  }
  modules.news();
  for (let done = corpus.length; done < executions; ) {
    const batch: Input[] = [];
    for (; batch.length < BATCH; done += 1) {
      const input = mutated(pick(corpus, random), pick(corpus, random), random, target.packetBytesMax);
      target.mend?.(input, random);
      const finding = findingOf(target, input, done + 1);
      if (finding) return finding;
      batch.push(input);
    }
    if (!modules.hasNews()) continue;
    for (const input of batch) {
      target.run(input);
      if (modules.news()) corpus.push(input);
    }
  }
  return undefined;
}

/** Runs the target on plain random bytes. Undefined if nothing was found. */
export function fuzzBlindly(target: Target, random: SeededRandom, executions: number): Finding | undefined {
  for (let done = 1; done <= executions; done += 1) {
    const finding = findingOf(target, randomInput(random, target.packetBytesMax), done);
    if (finding) return finding;
  }
  return undefined;
}

/** Picks an input. The latest additions are picked more often, because code that never ran is near them. */
function pick(corpus: Input[], random: SeededRandom): Input {
  const from = random.below(2) ? 0 : Math.max(0, corpus.length - LATEST);
  return corpus[from + random.below(corpus.length - from)]!;
}

function findingOf(target: Target, input: Input, executions: number): Finding | undefined {
  const fault = faultOf(target, input);
  if (fault === undefined) return undefined;
  const text = inputText(shrunk(target, input, kindOf(fault)));
  return { executions, fault: `${fault}\n  replay: FUZZ_INPUT=${text} npx ava build/test/${target.name}.test.js` };
}

function faultOf(target: Target, input: Input): string | undefined {
  try {
    target.run(input);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Figures in a message differ from one input to the next, although the fault is the same. */
function kindOf(fault: string): string {
  return fault.replace(/\d+/g, "#");
}

/** Leaves out packets for as long as the fault stays the same. */
function shrunk(target: Target, input: Input, kind: string): Input {
  let smallest = input;
  for (let at = input.packets.length - 1; at >= 0; at--) {
    const smaller = { ...smallest, packets: smallest.packets.filter((_, i) => i !== at) };
    const fault = faultOf(target, smaller);
    if (fault !== undefined && kindOf(fault) === kind) smallest = smaller;
  }
  return smallest;
}
