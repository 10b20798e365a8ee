/**
 * Throwie works on every Node that its users may have: 20, which is past its end of life, 22, 24 and 26. `.ci/run` runs
 * all tests on two of them. These tests check that no package in the lock file excludes one of the four, and that no
 * command shows a warning of the Node that runs it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "ava";

/** A version of each line: the oldest that works, also with the development tools. */
const SUPPORTED = ["20.19.0", "22.20.0", "24.12.0", "26.10.0"];
const PACKAGE = JSON.parse(readFileSync("package.json", "utf8"));

/** Whether a range of `engines` admits this version. Throws on a range that this function does not understand. */
function admits(range: string, version: string): boolean {
  const [major, minor, patch] = version.split(".").map(Number) as [number, number, number];
  const numberOf = (a: number, b: number, c: number): number => (a * 1_000 + b) * 1_000 + c;
  return range.split("||").some((alternative) =>
    alternative
      .trim()
      .replace(/([<>=^~]) +/g, "$1")
      .split(/\s+/)
      .every((part) => {
        if (part === "*" || part === "") return true;
        const found = /^(>=|<=|>|<|\^|~)?v?(\d+)(?:\.(\d+|[x*]))?(?:\.(\d+|[x*]))?$/.exec(part);
        if (found === null) throw new Error(`engines: ${range}`);
        const [, sign, first, second = "0", third = "0"] = found;
        const least = numberOf(Number(first), Number(second) || 0, Number(third) || 0);
        const own = numberOf(major, minor, patch);
        if (sign === "<") return own < least;
        if (sign === "<=") return own <= least;
        return own >= least && (sign === ">=" || sign === ">" || major === Number(first));
      }),
  );
}

test("no package in the lock file excludes a supported version of Node", (t) => {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
  const excluded = Object.entries<{ engines?: { node?: string } }>(packages).flatMap(([path, { engines }]) =>
    SUPPORTED.filter((version) => !admits(engines?.node ?? "*", version)).map((version) => `${path}: ${version}`),
  );
  t.deepEqual(excluded, [], "docs/dependencies.md says what to do");
  t.true(admits(">=20.19", "20.19.0") && admits("^20.9 || ^22.11", "22.12.0") && admits("18 || 20 || >=22", "24.11.0"));
  t.false(admits("^20.9 || ^22.11", "24.11.0") || admits(">=22", "20.19.0") || admits(">=22.13", "22.12.0"));
});

test("package.json, the README and the builds name the same versions of Node", (t) => {
  t.is(`${PACKAGE.engines.node}.0`, `>=${SUPPORTED[0]}`);
  t.regex(PACKAGE.scripts.bundle, / --target=node20\.19 /);
  const majors = SUPPORTED.map((version) => version.split(".")[0]!);
  const last = majors.at(-1)!;
  t.true(readFileSync("README.md", "utf8").includes(`Node ${majors.slice(0, -1).join(", ")} or ${last}`));
  t.regex(readFileSync(".ci/run", "utf8"), new RegExp(`^other=${last}\\.\\d+\\.\\d+$`, "m"));
});

interface Said {
  stdout: string;
  stderr: string;
  code: number | null;
}

/** Runs the command. `endAt`: the test ends the command when its output has this text. */
async function said(words: string[], { folder, endAt = "" }: { folder: string; endAt?: string }): Promise<Said> {
  const env = { ...process.env, THROWIE_PASSPHRASE: undefined, XDG_DATA_HOME: folder } as NodeJS.ProcessEnv;
  // A test runner may silence warnings, and a user's shell does not.
  delete env.NODE_NO_WARNINGS;
  delete env.NODE_OPTIONS;
  const child: ChildProcess = spawn(process.execPath, ["build/hosts/cli/throwie.js", ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
  const told = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]!.on("data", (text) => {
      told[stream] += text;
      if (endAt !== "" && told.stdout.includes(endAt)) child.kill("SIGTERM");
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { ...told, code };
}

const KEY = ["--passphrase", "paper lanterns"];
/** A gateway runs only on a network that is loopback alone. */
const isolated = process.env.THROWIE_LOOPBACK_ONLY === "1";

test(`on Node ${process.versions.node} no command prints a warning of Node`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "throwie-node-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const commands: [words: string[], endAt?: string][] = [
    [["--help"]],
    [["write", ...KEY, "hello"]],
    [["read", ...KEY]],
    [["journal"]],
    [["sim", "pair"]],
    [["negentropy"]],
    [["mule", "--air", "127.0.0.1:7400", "--json"], "carrying"],
  ];
  if (isolated) {
    const listen = ["--listen", "127.0.0.1:0", "--air", "127.0.0.1:7400"];
    commands.push([["gateway", "--data", join(folder, "gateway"), ...listen], '"started"']);
  }
  for (const [words, endAt] of commands) {
    const { stdout, stderr, code } = await said(words, endAt === undefined ? { folder } : { folder, endAt });
    const what = `throwie ${words.join(" ")}: ${stdout}${stderr}`;
    t.is(code, 0, what);
    t.notRegex(stderr, /\(node:\d+\)|Warning|deprecated|experimental/i, what);
  }
});
