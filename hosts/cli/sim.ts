/** `throwie sim`: run a scenario in the simulator and print the report. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { SingleBar } from "cli-progress";
import type { Report } from "../../sim/report.ts";
import { parseScenario, type Scenario } from "../../sim/scenario.ts";
import { simulate as run } from "../../sim/world.ts";
import { packageFolder } from "../machine/folders.ts";
import { harmlessJson, harmlessLine } from "../machine/harmless.ts";
import { print } from "../machine/standard-streams.ts";
import { item, wrapped } from "./screen.ts";
import { textOf } from "./text.ts";

/** The bar and the figures beside it fit a narrow terminal. */
const BAR_COLUMNS = 16;

export function simulate(name: string, { seed, json }: { seed: number; json?: boolean }): void {
  const scenario = loadScenario(name);
  if (!json) print(wrapped(harmlessLine(`seed ${seed}: ${scenario.name}. ${scenario.description}`)));
  // A reader of standard error that has ended loses the bar, and nothing else.
  process.stderr.on("error", () => {});
  const bar = new SingleBar({
    stream: process.stderr,
    format: "{bar} {percentage} %, {value} of {total} simulated seconds",
    barCompleteChar: "=",
    barIncompleteChar: "-",
    barsize: BAR_COLUMNS,
    hideCursor: true,
    noTTYOutput: !json,
    notTTYSchedule: 1_000,
  });
  bar.start(scenario.durationS, 0);
  const report = run(scenario, seed, (nowS) => bar.update(Math.round(nowS)));
  bar.stop();
  if (json) print(harmlessJson(report));
  else printReport(report);
}

function loadScenario(name: string): Scenario {
  const file = name.endsWith(".json") ? name : join(packageFolder(), "sim", "scenarios", `${name}.json`);
  if (!existsSync(file)) {
    throw new RangeError(`There is no scenario ${name}: give ${scenarioNames()}, or the path of a .json file.`);
  }
  let value: unknown;
  const bytes = readFileSync(file);
  try {
    value = JSON.parse(textOf(bytes, file));
  } catch (error) {
    throw new RangeError(`${file} is not JSON: ${(error as Error).message.replaceAll("\n", " ")}`);
  }
  const scenario = parseScenario(value);
  if (typeof scenario === "string") throw new RangeError(`${file}: ${scenario}`);
  return scenario;
}

/** The scenarios that come with the program. */
function scenarioNames(): string {
  const files = readdirSync(join(packageFolder(), "sim", "scenarios")).filter((file) => file.endsWith(".json"));
  return files.map((file) => basename(file, ".json")).join(", ");
}

function printReport(report: Report): void {
  const seconds = (value: number | null): string => (value === null ? "-" : `${value.toFixed(1)} s`);
  const { p50, p90, p99 } = report.latencySeconds;
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
  const columns = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) print(item(name, columns, String(value)));
}
