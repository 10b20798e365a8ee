/**
 * A suite of the search is a test file that draws from SEED. This file finds the suites, runs one of them with a seed,
 * and tells which of its tests failed.
 *
 * Invariant: nothing here lists the suites, so a new test that draws from SEED takes part in the search by itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";

/** How much a suite searches: the variables by which the tests of this project are made longer. */
export type Effort = Record<string, string | number>;

export interface Failure {
  title: string;
  /** What the test said, in several lines. */
  words: string;
}

export interface SuiteRun {
  /** How many tests passed. */
  passed: number;
  failures: Failure[];
  seconds: number;
}

const BUILT = join("build", "test");
const RUNNER = join("node_modules", "ava", "entrypoints", "cli.mjs");

/** The names of all test files that draw from SEED, or that import a file that does. */
export function suites(): string[] {
  return readdirSync(BUILT)
    .filter((name) => name.endsWith(".test.js") && drawsFromSeed(join(BUILT, name), new Set()))
    .map((name) => name.slice(0, -".test.js".length));
}

function drawsFromSeed(path: string, seen: Set<string>): boolean {
  if (seen.has(path) || !existsSync(path)) return false;
  seen.add(path);
  const text = readFileSync(path, "utf8");
  if (text.includes("process.env.SEED")) return true;
  const imports = [...text.matchAll(/(?:from |import )"(\.{1,2}\/[^"]+)"/g)];
  return imports.some(([, to]) => drawsFromSeed(join(dirname(path), to!), seen));
}

/** Runs that are under way, so that an end of the search ends them too. */
const underWay = new Set<ChildProcess>();

export function killAll(): void {
  for (const child of underWay) {
    try {
      // The group: the runner has workers of its own.
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
}

/** Runs a suite, or only its test `title`. Undefined when the run was cut short. */
export function runSuite(suite: string, effort: Effort, title?: string): Promise<SuiteRun | undefined> {
  const begun = performance.now();
  const words = [RUNNER, "--tap", "--concurrency=1", join(BUILT, `${suite}.test.js`)];
  if (title !== undefined) words.push(`--match=${title}`);
  const child = spawn(process.execPath, words, {
    env: { ...process.env, ...Object.fromEntries(Object.entries(effort).map(([key, value]) => [key, String(value)])) },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  underWay.add(child);
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => (output += bytes.toString()));
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      underWay.delete(child);
      if (signal !== null) return resolve(undefined);
      const run = { ...parse(output), seconds: (performance.now() - begun) / 1_000 };
      if (code !== 0 && run.failures.length === 0 && title === undefined) {
        run.failures.push({ title: "the suite did not run", words: output.slice(-2_000) });
      }
      resolve(run);
    });
  });
}

/** Reads the runner's report (the Test Anything Protocol). */
export function parse(report: string): Pick<SuiteRun, "passed" | "failures"> {
  const failures: Failure[] = [];
  let passed = 0;
  for (const part of report.split(/^(?=ok |not ok |1\.\.\d)/m)) {
    const [, not, title] = /^(not )?ok \d+ - (.*)/.exec(part) ?? [];
    if (title === undefined) continue;
    if (not === undefined) passed++;
    else failures.push({ title, words: part.slice(part.indexOf("\n") + 1) });
  }
  return { passed, failures };
}

/** How much the smallest run of a suite searches. */
const LEAST: Effort = { HISTORIES: 1, LINES: 1, SIEGE_SEEDS: 1 };

/**
 * Looks for the smallest run that fails in the same way, and returns the command that repeats it. A property test says
 * in its message which of its seeds failed, and a fuzz test which input.
 */
export async function replayOf(suite: string, effort: Effort, { title, words }: Failure): Promise<string> {
  const named = /\bSEED=(\d+)/.exec(words)?.[1];
  const input = /\bFUZZ_INPUT=([0-9a-f.]+)/.exec(words.replace(/\s*\n\s*/g, ""))?.[1];
  const tries: [Effort, string | undefined][] = [[effort, title]];
  if (named !== undefined) tries.unshift([{ ...LEAST, SEED: named }, title], [{ ...LEAST, SEED: named }, undefined]);
  if (input !== undefined) tries.unshift([{ SEED: effort.SEED!, FUZZ_INPUT: input }, title]);
  for (const [smaller, only] of tries) {
    const run = await runSuite(suite, smaller, only);
    if (run !== undefined && run.failures.length > 0) return commandOf(suite, smaller, only);
  }
  return commandOf(suite, effort);
}

function commandOf(suite: string, effort: Effort, title?: string): string {
  const variables = Object.entries(effort).map(([key, value]) => `${key}=${value}`);
  const match = title === undefined ? "" : ` --match='${title.replaceAll("'", "'\\''")}'`;
  return (
    `npm run -s build && ${variables.join(" ")} node build/hosts/machine/loopback.js ` +
    `npx ava build/test/${suite}.test.js${match}`
  );
}
