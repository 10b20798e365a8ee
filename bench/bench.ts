/**
 * A cost says little without a limit beside it, and a time measured on one machine says nothing about another. So each
 * bench prints what a part of the project costs, beside the limit that the project promises.
 *
 *     npm run bench -- <name> [--json | --docs [--write]]
 *
 * `--docs` compares the tables of docs/ with the figures, and `--write` writes the figures there (documents.ts).
 *
 * Figures are counts and simulated times, so they are the same on every machine. The rows of `rbsr` that compare with
 * Negentropy's algorithm are the exception: their build and reconcile figures are ratios of two times measured in one
 * run, and they have no limit.
 *
 * The exit code is 1 if a promise is missed or a document is outdated, and 2 if there is no bench of that name.
 */
import process from "node:process";
import Table from "cli-table3";
import { crowd } from "./crowd.ts";
import { outdated } from "./documents.ts";
import { eviction } from "./eviction.ts";
import { link } from "./link.ts";
import { power } from "./power.ts";
import { rbsr } from "./rbsr.ts";
import { missed, type Result } from "./result.ts";
import { store } from "./store.ts";
import { reasoned } from "./unlimited.ts";
import { xs } from "./xs.ts";

const BENCHES: Record<string, () => Promise<{ bench: string; results: Result[] }>> = {
  crowd,
  eviction,
  link,
  power,
  rbsr,
  store,
  xs,
};

function print(results: (Result & { reason?: string })[]): void {
  const table = new Table({ head: ["name", "value", "unit", "limit", ""], style: { head: [], border: [] } });
  for (const result of results) {
    const { name, value, unit, limit, reason } = result;
    table.push([
      name,
      value.toLocaleString("en"),
      unit,
      limit?.toLocaleString("en") ?? `none: ${reason}`,
      missed(result) ? "MISSED" : "",
    ]);
  }
  console.log(table.toString());
}

const words = process.argv.slice(2);
const json = words.includes("--json");
const name = words.find((word) => !word.startsWith("-")) ?? "";
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(
    `bench: give the name of one bench: ${Object.keys(BENCHES).join(", ")}. Example: npm run bench -- rbsr`,
  );
  process.exitCode = 2;
} else {
  const report = await bench();
  const results = reasoned(name, report.results);
  const late = words.includes("--docs") ? outdated(name, report.results, words.includes("--write")) : [];
  if (json) console.log(JSON.stringify({ ...report, results }));
  else if (words.includes("--docs")) console.log([...late, `${late.length} rows of docs/ are outdated`].join("\n"));
  else print(results);
  if (report.results.some(missed) || late.length > 0) process.exitCode = 1;
}
