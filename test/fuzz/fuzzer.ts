/**
 * A coverage-guided fuzzer, seeded and counted in executions, never in time.
 *
 * An input that made something run that never ran before joins the corpus, and what is tried next is a mutation of the
 * corpus. Coverage is asked for once a batch, since asking costs more than an execution; a batch with news is run again one by one.
 * Rejected: Jazzer.js, whose engine is a native library that wants a newer C library than an LTS system has.
 *
 * Longer runs: FUZZ_EXECUTIONS=n. Replay of a finding: SEED=n, or FUZZ_INPUT=text for that input alone.
 */
import type { SeededRandom } from "../../sim/random.ts";
import type { CoveredModules } from "./coverage.ts";
import { type Input, inputOf, inputText, mutated, randomInput } from "./input.ts";

export interface Target {
  /** The test to run for a replay: build/test/<name>.test.js. */
  readonly name: string;
  /** Inputs to begin with, such as honest peers send. */
  readonly seeds: Input[];
  readonly packetBytesMax: number;
  /** Feed the target; throws when something is not as it must be. */
  run(input: Input): void;
  /** Make a mutated input pass what only keeps chance out, such as a checksum. */
  mend?(input: Input, random: SeededRandom): void;
}

export interface Finding {
  executions: number;
  /** What was wrong, and the input in hex. */
  fault: string;
}

const BATCH = 32;
const LATEST = 8;

/** Executions for a test that would do `usual`. */
export function executionsOf(usual: number): number {
  return Number(process.env.FUZZ_EXECUTIONS ?? usual);
}

/** Mutate what brought news, from the target's seeds on. Undefined: nothing was found. */
export function fuzzGuided(
  target: Target,
  modules: CoveredModules<unknown>,
  random: SeededRandom,
  executions: number,
): Finding | undefined {
  const corpus = [...target.seeds];
  const only = process.env.FUZZ_INPUT;
  if (only !== undefined) return faultOf(target, inputOf(only), 1);
  for (const [at, seed] of corpus.entries()) {
    const finding = faultOf(target, seed, at + 1);
    if (finding) return finding;
  }
  modules.news();
  for (let done = corpus.length; done < executions; ) {
    const batch: Input[] = [];
    for (; batch.length < BATCH; done += 1) {
      const input = mutated(pick(corpus, random), pick(corpus, random), random, target.packetBytesMax);
      target.mend?.(input, random);
      const finding = faultOf(target, input, done + 1);
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

/** The same number of executions with plain random bytes. */
export function fuzzBlindly(target: Target, random: SeededRandom, executions: number): Finding | undefined {
  for (let done = 1; done <= executions; done += 1) {
    const finding = faultOf(target, randomInput(random, target.packetBytesMax), done);
    if (finding) return finding;
  }
  return undefined;
}

/** The later additions are tried more often: they are where the unknown begins. */
function pick(corpus: Input[], random: SeededRandom): Input {
  const from = random.below(2) ? 0 : Math.max(0, corpus.length - LATEST);
  return corpus[from + random.below(corpus.length - from)]!;
}

function faultOf(target: Target, input: Input, executions: number): Finding | undefined {
  try {
    target.run(input);
    return undefined;
  } catch (error) {
    return {
      executions,
      fault: `${(error as Error).message}\n  replay: FUZZ_INPUT=${inputText(input)} npx ava build/test/${target.name}.test.js`,
    };
  }
}
