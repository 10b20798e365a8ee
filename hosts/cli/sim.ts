/** `throwie sim`: run a scenario in the simulator and print the report. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import type { Report } from "../../sim/report.ts";
import { parseScenario, type Scenario } from "../../sim/scenario.ts";
import { simulate as run } from "../../sim/world.ts";
import { packageFolder } from "../machine/folders.ts";
import { print } from "../machine/standard-streams.ts";

export function simulate(name: string, { seed, json }: { seed: number; json?: boolean }): void {
  const scenario = loadScenario(name);
  if (!json) print(`seed ${seed}: ${scenario.name}. ${scenario.description}`);
  const bar = new SingleBar({
    stream: process.stderr,
    format: "{bar} {percentage} %, {value} of {total} simulated seconds",
    barCompleteChar: "=",
    barIncompleteChar: "-",
    hideCursor: true,
    noTTYOutput: !json,
    notTTYSchedule: 1_000,
  });
  bar.start(scenario.durationS, 0);
  const report = run(scenario, seed, (nowS) => bar.update(Math.round(nowS)));
  bar.stop();
  if (json) print(JSON.stringify(report));
  else printReport(report);
}

function loadScenario(name: string): Scenario {
  const file = name.endsWith(".json") ? name : join(packageFolder(), "sim", "scenarios", `${name}.json`);
  if (!existsSync(file)) {
    throw new RangeError(`There is no scenario ${name}: give a name from sim/scenarios, or the path of a .json file.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new RangeError(`${file} is not JSON: ${(error as Error).message}`);
  }
  const scenario = parseScenario(value);
  if (typeof scenario === "string") throw new RangeError(`${file}: ${scenario}`);
  return scenario;
}

function printReport(report: Report): void {
  const seconds = (value: number | null): string => (value === null ? "-" : `${value.toFixed(1)} s`);
  const { p50, p90, p99 } = report.latencySeconds;
  const table = new Table({ style: { head: [], border: [] } });
  const rows: [string, string | number][] = [
    ["Drops created", report.created],
    ["delivered", `${report.delivered} of ${report.wanted} (Drop, wanting node) pairs`],
    ["latency p50, p90, p99", `${seconds(p50)}, ${seconds(p90)}, ${seconds(p99)}`],
    ["contacts, Drops moved", `${report.contacts}, ${report.transferred}`],
    ["bytes on air, frames", `${report.bytesOnAir.toLocaleString("en")}, ${report.frames.toLocaleString("en")}`],
    ["airtime", `${report.airtimeSeconds.toFixed(1)} s of ${report.simulatedSeconds.toFixed(0)} s`],
    ["collisions", report.collisions],
    ["evictions", report.evictions],
    ["crashes", report.crashes],
    ...Object.entries(report.sleepersDays ?? {}).map(([battery, days]): [string, string] => [
      `days on ${battery}`,
      `${days.toFixed(0)} at ${report.sleepersMilliamperes!.toFixed(2)} mA, for the nodes that sleep`,
    ]),
    ["trace hash", report.traceHash],
  ];
  for (const [name, value] of rows) table.push({ [name]: value });
  print(table.toString());
}
