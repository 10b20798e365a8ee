/**
 * A board that sleeps saves its battery, but it must still meet other nodes and keep its Drops. These tests run
 * sleeping boards in the simulator: which nodes they meet and when, what survives a sleep, and what they draw from a
 * battery.
 *
 * Replay with SEED=n.
 */
import { readFileSync } from "node:fs";
import test from "ava";
import { HEAT_UNITS_PER_HALF_LIFE } from "../modules/temperature/temperature.ts";
import { periodS, sweepMs } from "../modules/throwie/wake-schedule.ts";
import type { SimNode } from "../sim/node.ts";
import { meetingBoundMs } from "../sim/overlap.ts";
import {
  BATTERIES,
  batteryDays,
  CHIPS,
  deepSleepPaysAfterS,
  FROM_POWER,
  idleUsage,
  meanMilliamperes,
  Usage,
} from "../sim/power.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, nameOf, namesOf, seed, untilAwake, worldOf, write } from "./contact-world.ts";

const chip = CHIPS[0]!;
const HOUR_S = 3_600;

function writeWhenAwake(world: ReturnType<typeof worldOf>, node: SimNode, random: SeededRandom): Uint8Array {
  while (node.throwie === undefined) world.run(world.nowS + 0.1);
  return write(node, random, 1, 500)[0]!;
}

test("two boards that sleep exchange a Drop within the bound, whenever the Drop was written", (t) => {
  for (let i = 0; i < 6; i++) {
    const stored: number[] = [];
    const nodes = [board("a", 0, { wake: 60 }), board("b", 30, { wake: 60 })];
    const world = worldOf(nodes, {
      radio: { lossPerMille: 20 },
      seed: seed + i,
      observer: { dropVerified: (node) => stored.push(node.station.index) },
    });
    const [a, b] = world.nodes as [SimNode, SimNode];
    const random = new SeededRandom(seed + i, "sleepers");
    world.run(300 + random.below(1_200));
    writeWhenAwake(world, a, random);
    const sinceS = world.nowS;
    const boundS = meetingBoundMs(periodS(a.station.address, 60), 60, periodS(b.station.address, 60)) / 1_000;
    world.run(sinceS + boundS + 10);
    t.true(stored.includes(b.station.index), `SEED=${seed + i}: not within ${boundS} s`);
  }
});

test("boards of different cycles meet, and a carrier that stays for a period meets each board", (t) => {
  const world = worldOf([
    board("quick", 0, { wake: 30 }),
    board("slow", 30, { wake: 120 }),
    {
      name: "mule",
      role: "mule",
      path: [
        [0, 500, 0],
        [1_000, 500, 0],
        [1_001, 15, 0],
        [1_140, 15, 0],
        [1_141, 500, 0],
      ],
    },
  ]);
  const [quick, slow, mule] = world.nodes as [SimNode, SimNode, SimNode];
  const random = new SeededRandom(seed, "cycles");
  const drops = [...write(mule, random, 2), writeWhenAwake(world, slow, random)];
  world.run(1_150);
  t.deepEqual(holdings(mule), namesOf(drops), "the Mule met the slow board");
  for (const node of [quick, slow]) {
    while (node.throwie === undefined) world.run(world.nowS + 0.1);
    t.true(
      drops.every((drop) => holdings(node).includes(nameOf(drop))),
      node.name,
    );
  }
});

test("after a sleep the RAM is empty, the flash is not, and time has passed", (t) => {
  const lives: unknown[] = [];
  const halfLifeS = 600;
  const world = worldOf([board("a", 0, { wake: 60 })], {
    observer: { started: (node) => lives.push(node.throwie) },
    scenario: { halfLifeS },
  });
  const a = world.nodes[0]!;
  untilAwake(world, a);
  const [drop] = write(a, new SeededRandom(seed, "flash"), 1) as [Uint8Array];
  const heat = a.throwie!.store.heat(a.throwie!.store.lastSlot);
  const sinceS = world.nowS;
  world.run(3_000);
  while (a.throwie === undefined) world.run(world.nowS + 0.1);
  t.true(new Set(lives).size > 20);
  t.deepEqual(holdings(a), [nameOf(drop)]);
  t.is(a.throwie.store.heat(0), heat, "the key of a Drop that does not move stays the same");
  const halfLives = (a.throwie.custody.heatNow() - heat) / HEAT_UNITS_PER_HALF_LIFE;
  const trueHalfLives = (world.nowS - sinceS) / halfLifeS;
  t.true(
    Math.abs(halfLives / trueHalfLives - 1) < 0.06,
    `the Drop cooled by ${halfLives} half-lives in ${trueHalfLives}`,
  );
});

test("a power cut while a board sleeps, boots or writes ends its sleep, and the next life begins with a sweep", (t) => {
  for (const atS of [100.5, 130, 177, 200, 240, 290.25]) {
    const times: number[] = [];
    const nodes = [board("a", 0, { wake: 60, crashes: [{ atS, downS: 10, midWrite: atS === 200 }] })];
    // A board may start while its world is being made.
    let nowS = (): number => 0;
    const note = (): unknown => times.push(nowS());
    const world = worldOf(nodes, { observer: { stopped: note, started: note } });
    nowS = () => world.nowS;
    const a = world.nodes[0]!;
    untilAwake(world, a);
    const drops = write(a, new SeededRandom(seed, "crash"), 3);
    world.run(atS + 10 + (FROM_POWER.bootUs + FROM_POWER.tuneInUs) / 1e6 + 0.001);
    t.is(a.crashes, 1);
    t.truthy(a.throwie, `power cut at ${atS} s: the board is awake`);
    t.deepEqual(holdings(a), namesOf(drops));
    const wokeS = times[times.length - 1]!;
    world.run(wokeS + sweepMs(60) / 1_000 - 0.1);
    t.truthy(a.throwie, `power cut at ${atS} s: the board sweeps`);
    world.run(wokeS + sweepMs(60) / 1_000 + 2);
    t.is(a.throwie, undefined);
  }
});

test("an idle board draws what the formula says, and a board that is awake draws what the datasheet says", (t) => {
  const world = worldOf([board("a", 0, { wake: 60 }), board("mule", 500)], { scenario: { durationS: 12 * HOUR_S } });
  world.run(12 * HOUR_S);
  const [a, mule] = world.nodes as [SimNode, SimNode];
  const played = meanMilliamperes(a.usage(), chip);
  const computed = meanMilliamperes(idleUsage(periodS(a.station.address, 60), 60, "deep"), chip);
  t.true(Math.abs(played / computed - 1) < 0.05, `${played} and ${computed}`);
  t.true(Math.abs(a.usage().totalUs / (12 * HOUR_S * 1e6) - 1) < 0.01, "the board was in some state at every moment");
  const awake = meanMilliamperes(mule.usage(), chip);
  t.true(awake > chip.listenMa && awake < chip.listenMa * 1.01, `${awake}`);
});

test("a light sleep keeps RAM, ends in a deep sleep after each sweep, and draws what the formula says", (t) => {
  const woken: [life: unknown, sweeping: boolean][] = [];
  let awokeS = 0;
  let nowS = (): number => 0;
  const world = worldOf([board("a", 0, { wake: 60, sleep: "light" }), board("mule", 500)], {
    observer: {
      started: (node) => {
        awokeS = nowS();
        if (node.name === "a") woken.push([node.throwie, false]);
      },
      stopped: (node) => {
        if (node.name === "a") woken[woken.length - 1]![1] = nowS() - awokeS > 10;
      },
    },
    scenario: { durationS: 12 * HOUR_S },
  });
  nowS = () => world.nowS;
  world.run(12 * HOUR_S);
  t.true(woken.length > 500);
  for (let i = 1; i < woken.length; i++) {
    t.is(woken[i]![0] === woken[i - 1]![0], !woken[i - 1]![1], `wake-up ${i}: another life only after a sweep`);
  }
  const [a] = world.nodes as [SimNode, SimNode];
  const played = meanMilliamperes(a.usage(), chip);
  const light = meanMilliamperes(idleUsage(periodS(a.station.address, 60), 60, "light"), chip);
  t.true(Math.abs(played / light - 1) < 0.05, `${played} and ${light}`);
  t.true(Math.abs(a.usage().totalUs / (12 * HOUR_S * 1e6) - 1) < 0.01, "the board was in some state at every moment");
});

test("what a node heard before a light sleep still counts, also after a power cut in that sleep", (t) => {
  const world = worldOf([board("a", 0, { wake: 60, sleep: "light" }), board("mule", 30)]);
  const a = world.nodes[0]!;
  world.run(200);
  while (a.throwie !== undefined) world.run(world.nowS + 0.1);
  t.true(a.life!.counters.used > 0);
  const { used } = a.life!.counters;
  const before = a.counters.used ?? 0;
  a.crash();
  t.is(a.counters.used, before + used);
  t.is(a.life, undefined);
});

test("the C of each chip sleeps lightly as long as this costs less", (t) => {
  const c = readFileSync("modules/board/board-esp32.c", "utf8");
  for (const { name, ...figures } of CHIPS) {
    const ms = 1_000 * Math.floor(deepSleepPaysAfterS({ name, ...figures }));
    const target = name.replace("-", "").toUpperCase();
    const chosen = new RegExp(`CONFIG_IDF_TARGET_${target}\n#define LIGHT_SLEEP_MS_MAX (\\d+)\n`).exec(c)?.[1];
    t.is(chosen, String(ms), name);
  }
});

test("charge is current times time, and a battery loses charge by itself", (t) => {
  const usage = new Usage();
  usage.listenUs = 3_600_000_000;
  t.true(Math.abs(meanMilliamperes(usage, chip) - chip.listenMa) < 0.01);
  usage.transmitUs = 1_800_000_000;
  t.true(Math.abs(meanMilliamperes(usage, chip) - (chip.listenMa + chip.transmitMa) / 2) < 0.01);
  usage.flash({ programs: 0, programmedBytes: 0, erases: 80_000 });
  t.true(Math.abs(meanMilliamperes(usage, chip) - (chip.listenMa + chip.transmitMa) / 2 - 25) < 0.01);
  for (const battery of BATTERIES) {
    t.true(Math.abs(batteryDays(0, battery) - 30 / battery.selfDischargePerMonth) < 1e-6, "a battery without a load");
    t.true(batteryDays(1, battery) < battery.capacityMah / 24);
  }
});
