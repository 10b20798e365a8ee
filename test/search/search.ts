/**
 * A search that goes on: `npm run search -- --minutes 30`.
 *
 * In `npm test` the property tests draw the same numbers at every run, so that a change is judged and not the dice.
 * They find nothing new. This program runs the same tests with fresh seeds, on all cores, until the time is over. There
 * is no second copy of any test: a suite is a test file that draws from SEED (suite-run.ts).
 *
 * The first round runs each suite as long as `npm test` does; `--once` stops after it. Later rounds are longer. The
 * suite that has had the least time comes next. `--first` stops at the first finding, `--only NAME` leaves out all
 * suites but those with NAME in their names.
 *
 * Each finding is printed with its seed, and with a command that repeats it. The exit code is 0 when nothing was found,
 * 1 when something was found, and 2 when the search could not begin.
 */
import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Effort, type Failure, killAll, replayOf, runSuite, suites } from "./suite-run.ts";

const MINUTES_DEFAULT = 10;
const MINUTES_MAX = 7 * 24 * 60;
/** Tests add small numbers to their seed, and some of them keep it in 32 bits. */
const SEED_END = 2 ** 31;
/** What a suite searches after the first round. */
const LONG: Effort = { HISTORIES: 300, FUZZ_EXECUTIONS: 20_000, LINES: 40, SIEGE_SEEDS: 3 };
/** A finding shows so many lines of what the test said. */
const WORDS_LINES = 14;

interface Coverage {
  runs: number;
  tests: number;
  seconds: number;
  underWay: number;
  findings: number;
}

interface Options {
  minutes: number;
  /** Stop at the first finding. */
  first: boolean;
  /** Stop after the first round. */
  once: boolean;
  /** Only suites whose name contains this. */
  only: string;
}

async function search({ minutes, first, once, only }: Options): Promise<boolean> {
  const covered = new Map<string, Coverage>();
  // In any order, so that a short search does not always leave out the same suites.
  for (const suite of shuffled(suites().filter((name) => name.includes(only)))) {
    covered.set(suite, { runs: 0, tests: 0, seconds: 0, underWay: 0, findings: 0 });
  }
  if (covered.size === 0) throw new RangeError(`No test file that draws from SEED has ${only} in its name.`);
  const cores = availableParallelism();
  console.log(`searching ${covered.size} suites for ${minutes} minutes on ${cores} cores`);
  const found = new Set<string>();
  let over = false;
  const stop = (): void => {
    over = true;
    killAll();
  };
  const end = setTimeout(stop, minutes * 60_000);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);

  const work = async (): Promise<void> => {
    while (!over) {
      const [suite, coverage] = next(covered);
      if (once && coverage.runs + coverage.underWay > 0) return;
      const effort = { SEED: randomInt(1, SEED_END), ...(coverage.runs + coverage.underWay === 0 ? {} : LONG) };
      coverage.underWay++;
      const run = await runSuite(suite, effort);
      coverage.underWay--;
      if (run === undefined || (first && found.size > 0)) continue;
      coverage.runs++;
      coverage.tests += run.passed + run.failures.length;
      coverage.seconds += run.seconds;
      for (const failure of run.failures) {
        coverage.findings++;
        // The seed may be a part of the title.
        const name = `${suite}: ${failure.title.replace(/\d+/g, "#")}`;
        if (found.has(name)) continue;
        found.add(name);
        await tell(suite, effort, failure);
        if (first) return stop();
      }
    }
  };
  await Promise.all(Array.from({ length: cores }, work));
  clearTimeout(end);
  sum(covered, found.size);
  return found.size > 0;
}

function shuffled(names: string[]): string[] {
  return names
    .map((name) => ({ name, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ name }) => name);
}

/** The suite that has had the least time, of those that run the fewest times now. */
function next(covered: Map<string, Coverage>): [string, Coverage] {
  const rank = ({ underWay, runs, seconds }: Coverage): [number, number] => [underWay, runs === 0 ? 0 : seconds];
  return [...covered].reduce((best, one) => {
    const [[busyBest, timeBest], [busy, time]] = [rank(best[1]), rank(one[1])];
    return busy < busyBest || (busy === busyBest && time < timeBest) ? one : best;
  });
}

async function tell(suite: string, effort: Effort, failure: Failure): Promise<void> {
  const lines = failure.words.split("\n").slice(0, WORDS_LINES);
  const command = await replayOf(suite, effort, failure);
  console.log(
    `\nFOUND in ${suite}, SEED=${effort.SEED}: ${failure.title}\n${lines.join("\n")}\n  replay: ${command}\n`,
  );
}

function sum(covered: Map<string, Coverage>, findings: number): void {
  console.log("\nsuite                       seeds   tests   minutes   failures");
  for (const [suite, { runs, tests, seconds, findings: failures }] of [...covered].sort()) {
    const cells = [runs, tests, (seconds / 60).toFixed(1), failures].map(String);
    const [a, b, c, d] = cells as [string, string, string, string];
    console.log(`${suite.padEnd(26)}${a.padStart(7)}${b.padStart(8)}${c.padStart(10)}${d.padStart(11)}`);
  }
  const skipped = [...covered.values()].filter(({ runs }) => runs === 0).length;
  if (skipped > 0) console.log(`${skipped} suites had no time: give more --minutes.`);
  console.log(findings === 0 ? "nothing found" : `${findings} findings`);
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      first: { type: "boolean" },
      once: { type: "boolean" },
      only: { type: "string" },
    },
  });
  const minutes = Number(values.minutes ?? MINUTES_DEFAULT);
  if (!(minutes > 0 && minutes <= MINUTES_MAX)) {
    throw new RangeError(`--minutes is a number above 0, at most ${MINUTES_MAX}, not ${values.minutes}.`);
  }
  return { minutes, first: values.first === true, once: values.once === true, only: values.only ?? "" };
}

try {
  process.exitCode = (await search(options())) ? 1 : 0;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
