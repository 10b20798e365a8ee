/**
 * A cost says little without a limit beside it, and a time measured on one machine says nothing about another. So each
 * bench prints what a part of the project costs, beside the limit that the project promises.
 *
 *     npm run bench -- <name> [--json]
 *
 * Figures are counts and simulated times, so they are the same on every machine. The rows of `rbsr` that compare with
 * Negentropy's algorithm are the exception: their build and reconcile figures are ratios of two times measured in one
 * run, and they have no limit.
 *
 * The exit code is 1 if a promise is missed, and 2 if there is no bench of that name.
 */
import process from "node:process";
import Table from "cli-table3";
import { eviction } from "./eviction.ts";
import { link } from "./link.ts";
import { power } from "./power.ts";
import { rbsr } from "./rbsr.ts";
import { missed, type Result } from "./result.ts";
import { store } from "./store.ts";
import { xs } from "./xs.ts";

const BENCHES: Record<string, () => Promise<{ bench: string; results: Result[] }>> = {
  eviction,
  link,
  power,
  rbsr,
  store,
  xs,
};

function print(results: Result[]): void {
  const table = new Table({ head: ["name", "value", "unit", "limit", ""], style: { head: [], border: [] } });
  for (const result of results) {
    const { name, value, unit, limit } = result;
    table.push([
      name,
      value.toLocaleString("en"),
      unit,
      limit?.toLocaleString("en") ?? "",
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
  if (json) console.log(JSON.stringify(report));
  else print(report.results);
  if (report.results.some(missed)) process.exitCode = 1;
}
