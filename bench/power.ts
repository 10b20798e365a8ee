/**
 * A board that sleeps longer lives longer on its battery, but other nodes meet it later. For each wake cycle this bench
 * prints both: the days of battery, and the time until two boards that sleep first meet (docs/power.md).
 *
 * - Currents are those of boards that meet no other node. Contacts come on top.
 * - The longest time to a meeting covers every ordered pair of primes, all phases, and clocks up to 5 % off in every
 *   ratio that `stretches` gives. The limit beside it is the promise of the schedule.
 * - The median time to a meeting is over pairs drawn by chance.
 * - The rows of Disco show the published schedule that ours is compared with (disco.ts). Half of its pairs have clocks
 *   of any error, half have clocks in resonance.
 * - The rows of `town` are the scenario `sleepers`, with its boards in each cycle, contacts included. In `full town`
 *   its stores are full, and the boards' sleeps keep the state of their nodes or not.
 */
import { WAKE_CYCLES, WAKE_PRIMES_S, type WakeCycle } from "../modules/throwie/wake-schedule.ts";
import { meetingBoundMs, rhythm, sampledMeetingMs, stretches, worstMeetingMs } from "../sim/overlap.ts";
import {
  BATTERIES,
  batteryDays,
  CHIPS,
  type Chip,
  type ClockMhz,
  chargeMah,
  deepSleepPaysAfterS,
  fromDeepSleep,
  idleUsage,
  meanMilliamperes,
  Usage,
} from "../sim/power.ts";
import { SeededRandom } from "../sim/random.ts";
import { parseScenario } from "../sim/scenario.ts";
import sleepers from "../sim/scenarios/sleepers.json" with { type: "json" };
import { simulate } from "../sim/world.ts";
import { sampledDiscoMs } from "./disco.ts";
import type { Result } from "./result.ts";

const SEED = 1;
const PAIRS = 20_000;
const RATIOS = 400;
/** The people of the town write 60 Drops. */
const FULL_CAPACITY = 40;
/** The cycles in which the full town is played. */
export const FULL_TOWN_CYCLES = [60, 300] as const;

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function idleMilliamperes(cycle: WakeCycle, chip: Chip, sleep: "deep" | "light", clock?: ClockMhz): number {
  const currents = WAKE_PRIMES_S[cycle].map((primeS) =>
    meanMilliamperes(idleUsage(primeS, cycle, sleep, clock), chip, clock),
  );
  return mean(currents);
}

/** How a board with an ESP32-C3 sleeps. */
function chosenSleep(cycle: WakeCycle): "deep" | "light" {
  return cycle < deepSleepPaysAfterS(CHIPS[0]!) ? "light" : "deep";
}

function longestMs(cycle: WakeCycle): number {
  let longest = 0;
  for (const primeS of WAKE_PRIMES_S[cycle]) {
    for (const otherS of WAKE_PRIMES_S[cycle]) {
      for (const [stretch, otherStretch] of stretches(primeS, otherS, RATIOS)) {
        const ms = worstMeetingMs(rhythm(primeS, cycle, stretch), rhythm(otherS, cycle, otherStretch));
        longest = Math.max(longest, ms);
      }
    }
  }
  return longest;
}

function ascendingMs(draw: (i: number) => number): number[] {
  return Array.from({ length: PAIRS }, (_, i) => draw(i)).sort((a, b) => a - b);
}

function ofCycle(cycle: WakeCycle): Result[] {
  const primes = WAKE_PRIMES_S[cycle];
  const longestS = primes[primes.length - 1]!;
  const name = (what: string): string => `${cycle} s: ${what}`;
  const results: Result[] = [];
  const usages = primes.map((primeS) => idleUsage(primeS, cycle, chosenSleep(cycle)));
  const listening = mean(usages.map((usage) => usage.listenUs / usage.totalUs));
  results.push({ name: name("radio on"), value: rounded(100 * listening, 2), unit: "%" });
  for (const chip of CHIPS) {
    for (const sleep of ["deep", "light"] as const) {
      const current = idleMilliamperes(cycle, chip, sleep);
      const what = `${chip.name}, ${sleep} sleep`;
      results.push({ name: name(what), value: rounded(current, 3), unit: "mA" });
      for (const battery of BATTERIES) {
        results.push({
          name: name(`${what}, ${battery.name}`),
          value: Math.floor(batteryDays(current, battery)),
          unit: "days",
        });
      }
    }
  }
  const random = new SeededRandom(SEED, `pairs ${cycle}`);
  const times = ascendingMs(() => sampledMeetingMs(cycle, cycle, random, false));
  const discoRandom = new SeededRandom(SEED, `disco ${cycle}`);
  const disco = ascendingMs((i) => sampledDiscoMs(cycle, discoRandom, i % 2 === 1));
  const minutes = (ms: number): number => rounded(ms / 60_000, 1);
  const boundMinutes = minutes(meetingBoundMs(longestS, cycle, longestS));
  results.push(
    { name: name("two boards meet, median"), value: minutes(times[times.length >> 1]!), unit: "minutes" },
    {
      name: name("two boards meet, 99 of 100"),
      value: minutes(times[Math.floor(0.99 * times.length)]!),
      unit: "minutes",
    },
    { name: name("two boards meet, longest"), value: minutes(longestMs(cycle)), unit: "minutes", limit: boundMinutes },
    { name: name("Disco, median"), value: minutes(disco[disco.length >> 1]!), unit: "minutes" },
    { name: name("Disco, longest drawn"), value: minutes(disco[disco.length - 1]!), unit: "minutes" },
    { name: name("a Mule meets a board, median"), value: rounded(mean([...primes]) / 2, 0), unit: "seconds" },
    { name: name("a Mule meets a board, longest"), value: rounded(longestS * 1.05, 0), unit: "seconds" },
  );
  return results;
}

/** The figures of the scenario `sleepers` when its boards sleep in this cycle. */
function ofTown(wake: WakeCycle | "always"): Result[] {
  const sleep = wake === "always" ? "deep" : chosenSleep(wake);
  const nodes = sleepers.nodes.map((node) => (node.role === "throwie" ? { ...node, wake, sleep } : node));
  const scenario = parseScenario({ ...sleepers, nodes });
  if (typeof scenario === "string") throw new Error(scenario);
  const report = simulate(scenario, SEED);
  const name = (what: string): string => `town, ${wake === "always" ? wake : `${wake} s`}: ${what}`;
  const results: Result[] = [
    { name: name("delivered"), value: rounded((100 * report.delivered) / report.wanted, 1), unit: "%" },
    { name: name("latency, median"), value: rounded(report.latencySeconds.p50! / 60, 1), unit: "minutes" },
    { name: name("latency, 90 of 100"), value: rounded(report.latencySeconds.p90! / 60, 1), unit: "minutes" },
  ];
  if (report.sleepersMilliamperes !== null) {
    results.push({ name: name(CHIPS[0]!.name), value: rounded(report.sleepersMilliamperes, 3), unit: "mA" });
  }
  return results;
}

/** The town with stores that are full, and what its boards spend when their sleeps keep their nodes' state or not. */
function ofFullTown(wake: WakeCycle, sleep: "deep" | "forgetful"): Result[] {
  const nodes = sleepers.nodes.map((node) => ({
    ...node,
    capacity: FULL_CAPACITY,
    ...(node.role === "throwie" ? { wake, sleep } : {}),
  }));
  const scenario = parseScenario({ ...sleepers, nodes });
  if (typeof scenario === "string") throw new Error(scenario);
  const { contacts, transferred, airtimeSeconds, sleepersMilliamperes } = simulate(scenario, SEED);
  const name = (what: string): string => `full town, ${wake} s, ${sleep === "deep" ? "kept" : "forgotten"}: ${what}`;
  return [
    { name: name("contacts"), value: contacts, unit: "at both ends" },
    { name: name("moved"), value: transferred, unit: "Drops" },
    { name: name("airtime"), value: rounded(airtimeSeconds, 0), unit: "s" },
    { name: name(CHIPS[0]!.name), value: rounded(sleepersMilliamperes!, 3), unit: "mA" },
  ];
}

/** What the clock of the processor changes: a wake-up from deep sleep, and with it the mean current. */
function ofClock(chip: Chip, clock: ClockMhz): Result[] {
  const { bootUs, tuneInUs } = fromDeepSleep(clock);
  const wakeUp = new Usage();
  wakeUp.bootUs = bootUs;
  wakeUp.listenUs = tuneInUs;
  const name = (what: string): string => `${chip.name} at ${clock} MHz: ${what}`;
  return [
    { name: name("wake-up"), value: rounded((bootUs + tuneInUs) / 1_000, 0), unit: "ms" },
    { name: name("charge of a wake-up"), value: rounded(3_600 * chargeMah(wakeUp, chip, clock), 0), unit: "mAs" },
    { name: name("deep sleep, 60 s"), value: rounded(idleMilliamperes(60, chip, "deep", clock), 3), unit: "mA" },
    { name: name("light sleep, 60 s"), value: rounded(idleMilliamperes(60, chip, "light", clock), 3), unit: "mA" },
  ];
}

export async function power(): Promise<{ bench: "power"; results: Result[] }> {
  const results = WAKE_CYCLES.flatMap(ofCycle);
  results.push(...(["always", ...WAKE_CYCLES] as const).flatMap(ofTown));
  for (const wake of FULL_TOWN_CYCLES) results.push(...ofFullTown(wake, "deep"), ...ofFullTown(wake, "forgetful"));
  for (const chip of CHIPS) {
    for (const clock of Object.keys(chip.computeMa)) results.push(...ofClock(chip, Number(clock) as ClockMhz));
    for (const battery of BATTERIES) {
      const days = rounded(batteryDays(chip.listenMa, battery), 1);
      results.push({ name: `always awake: ${chip.name}, ${battery.name}`, value: days, unit: "days" });
    }
    results.push({
      name: `deep sleep costs less than light sleep: ${chip.name}, from`,
      value: rounded(deepSleepPaysAfterS(chip), 0),
      unit: "seconds of sleep",
    });
  }
  return { bench: "power", results };
}
