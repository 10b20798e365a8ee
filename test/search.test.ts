/**
 * `npm run search` is worth its time only if it finds faults, and if the command that it prints repeats them. So a
 * fault is planted in a copy of a suite, in a project of its own, and the search must find the fault. Without the
 * fault, it must find nothing.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import test, { type ExecutionContext } from "ava";
import { build } from "esbuild";
import { parse } from "./search/suite-run.ts";
import { type Changes, changing } from "./xs/machine.ts";

/** A project whose only suite is that of modules/temperature, with these changes. */
async function project(t: ExecutionContext, changes: Changes): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "throwie-search-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "build", "test"), { recursive: true });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  symlinkSync(resolve("build", "hosts"), join(folder, "build", "hosts"));
  const settings = { type: "module", scripts: { build: "true" }, ava: { files: ["build/test/*.test.js"] } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(settings));
  await build({
    entryPoints: ["test/temperature.test.ts"],
    bundle: true,
    outdir: join(folder, "build", "test"),
    format: "esm",
    platform: "node",
    packages: "external",
    logLevel: "silent",
    plugins: [changing(changes)],
  });
  return folder;
}

function search(folder: string, ...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const program = resolve("build", "test", "search", "search.js");
  return spawnSync(process.execPath, [program, ...words], { cwd: folder, encoding: "utf8" });
}

test("the search finds a planted fault, and the command that it prints repeats the fault", async (t) => {
  const folder = await project(t, {
    "modules/temperature/temperature.ts": [
      "const halfLives = (elapsedMs - remainderMs) / halfLifeMs;",
      "const halfLives = (elapsedMs - remainderMs) / halfLifeMs + (elapsedMs > 1e9 && elapsedMs % 199 === 7 ? 1 : 0);",
    ],
  });
  const { status, stdout, stderr } = search(folder, "--first", "--minutes", "5");
  t.is(status, 1, stdout + stderr);
  const [, seed] = /^FOUND in temperature, SEED=(\d+): /m.exec(stdout) ?? [];
  const [, command] = /^ {2}replay: (.*)$/m.exec(stdout) ?? [];
  t.true(command?.includes(`SEED=${seed} `), stdout);
  t.regex(stdout, /^temperature +\d+ +\d+ +\d+\.\d +[1-9]\d*\n1 findings$/m);
  const replayed = spawnSync("sh", ["-c", command!], { cwd: folder, encoding: "utf8" });
  t.is(replayed.status, 1, replayed.stdout + replayed.stderr);
  t.true(replayed.stdout.includes(`SEED=${seed}`), replayed.stdout);
});

test("the search finds nothing where nothing is wrong, and says what it covered", async (t) => {
  const { status, stdout } = search(await project(t, {}), "--once");
  t.is(status, 0, stdout);
  t.regex(stdout, /^temperature +[1-9]\d* +[1-9]\d* +\d+\.\d +0\nnothing found$/m);
});

test("a wrong option, and a name that no suite has, are refused with a sentence", (t) => {
  for (const words of [
    ["--minutes", "0"],
    ["--minutes", "soon"],
    ["--only", "no such suite"],
    ["--hours", "1"],
  ]) {
    const { status, stderr } = search(".", ...words);
    t.is(status, 2, words.join(" "));
    t.regex(stderr, /^\S[^\n]*\n$/, words.join(" "));
  }
});

test("the report of a run is read with the words of each failure", (t) => {
  const report =
    "TAP version 13\nok 1 - a\nnot ok 2 - b 'c'\n#   SEED=4\n  ---\n    message: no\n  ...\n\n1..2\n# fail 1\n";
  t.deepEqual(parse(report), {
    passed: 1,
    failures: [{ title: "b 'c'", words: "#   SEED=4\n  ---\n    message: no\n  ...\n\n" }],
  });
});
