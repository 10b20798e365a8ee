/**
 * `npm run bench -- <name> [--json]`: what things cost, each beside what the project promises.
 *
 * Counts and simulated time only, so that a figure is the same on every machine; but for the rows of `rbsr` that stand
 * beside Negentropy's algorithm, whose build and reconcile figures are ratios of two times from one run and promise nothing. A promise
 * that is missed makes the exit code 1.
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
  console.error(`bench: name one of ${Object.keys(BENCHES).join(", ")}, like: npm run bench -- rbsr`);
  process.exitCode = 2;
} else {
  const report = await bench();
  if (json) console.log(JSON.stringify(report));
  else print(report.results);
  if (report.results.some(missed)) process.exitCode = 1;
}
