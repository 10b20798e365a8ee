/**
 * Every node must compute the same heat from the same history, on V8 and on XS. These tests hold modules/temperature to
 * its vectors and to a reference in floating point.
 *
 * They also check the promises of docs/temperature.md: cooling never changes the order of Drops; one contact gives at
 * most one movement; no effort raises a Drop above the cap; no claim gives more heat than a fresh Drop has.
 * Replay the random part with SEED=n.
 */
import test from "ava";
import * as temperature from "../modules/temperature/temperature.ts";
import vectors from "./vectors/temperature.json" with { type: "json" };

type Temperature = Pick<typeof temperature, "freshKey" | "coldKey" | "raise" | "claim" | "keyOfClaim" | "heatTime">;

const { HALF_LIFE_MS_DEFAULT, HALF_LIFE_MS_MAX, HEAT_CAP, HEAT_RANGE, HEAT_TIME_MAX } = temperature;
const HALF_LIFE = temperature.HEAT_UNITS_PER_HALF_LIFE;
const INT32_MAX = 2 ** 31 - 1;

interface Vector {
  op: string;
  [argument: string]: string | number;
}

function runVector(vector: Vector, tested: Temperature): number {
  const { key, now, elapsedMs, halfLifeMs, stepUnits, count } = vector as unknown as Record<string, number>;
  switch (vector.op) {
    case "heatTime":
      return tested.heatTime(elapsedMs!, halfLifeMs!);
    case "freshKey":
      return tested.freshKey(now!);
    case "coldKey":
      return tested.coldKey(now!);
    case "raise":
      return tested.raise(key!, now!);
    case "claim":
      return tested.claim(key!, now!);
    case "keyOfClaim":
      return tested.keyOfClaim(vector.claim as number, now!);
    case "history": {
      let moved = key!;
      for (let movement = 1; movement <= count!; movement++) moved = tested.raise(moved, now! + movement * stepUnits!);
      return moved;
    }
    default:
      throw new Error(`runVector does not know the vector's op ${vector.op}`);
  }
}

function vectorFaults(tested: Temperature): string[] {
  const found: string[] = [];
  for (const vector of vectors.valid as Vector[]) {
    const got = runVector(vector, tested);
    if (got !== vector.expect) found.push(`${JSON.stringify(vector)} gave ${got}`);
  }
  for (const vector of vectors.invalid as Vector[]) {
    let sentence = "";
    try {
      runVector(vector, tested);
    } catch (error) {
      sentence = (error as Error).message;
    }
    if (!sentence.includes(vector.reason as string)) found.push(`${JSON.stringify(vector)} is not refused`);
  }
  return found;
}

/** The reference for `raise` in floating point: log2(heat + 1) in units, without the rounding and without the cap. */
const raisedReference = (logHeat: number): number =>
  HALF_LIFE *
  (logHeat > 0
    ? logHeat / HALF_LIFE + Math.log2(1 + 2 ** (-logHeat / HALF_LIFE))
    : Math.log2(1 + 2 ** (logHeat / HALF_LIFE)));

/** Checks the promises of `raise` at every `stride`-th heat, from far below the range to above the cap. */
function raiseFaults(tested: Temperature, stride: number): string[] {
  const found: string[] = [];
  const now = 123_456_789;
  let before = Number.NEGATIVE_INFINITY;
  for (let logHeat = -20 * HALF_LIFE; logHeat <= HEAT_CAP + HALF_LIFE && found.length < 10; logHeat += stride) {
    const raised = tested.raise(now + logHeat, now) - now;
    const exact = Math.max(logHeat, Math.min(HEAT_CAP, raisedReference(logHeat)));
    if (!Number.isInteger(raised)) found.push(`${logHeat}: not an integer`);
    if (raised < logHeat) found.push(`${logHeat}: lowered to ${raised}`);
    if (raised < before) found.push(`${logHeat}: order lost, ${raised} after ${before}`);
    // `raise` never gives more than one movement. The reference errs by far less than a millionth of a unit.
    if (raised > exact + 1e-6) found.push(`${logHeat}: more than one movement, ${raised} for ${exact}`);
    if (raised < exact - 1.01) found.push(`${logHeat}: ${raised} is more than a unit below ${exact}`);
    before = raised;
  }
  return found;
}

test("all temperature vectors hold", (t) => {
  t.deepEqual(vectorFaults(temperature), []);
  t.true(vectors.valid.length >= 300);
});

test("at every heat raise is monotone, never lowers, adds at most one movement, and is within a unit of it", (t) => {
  t.deepEqual(raiseFaults(temperature, 1), []);
});

test("canary: each broken variant is caught", (t) => {
  const { raise, claim, keyOfClaim, heatTime, coldKey } = temperature;
  const broken: Record<string, Partial<Temperature>> = {
    "rounds up": { raise: (key, now) => (key - now >= HEAT_CAP ? key : raise(key, now) + 1) },
    "two movements": { raise: (key, now) => raise(raise(key, now), now) },
    "a bonus of one half-life whatever the heat": { raise: (key, now) => Math.min(key + HALF_LIFE, now + HEAT_CAP) },
    "no cap": {
      raise: (key, now) => Math.max(raise(key, now), Math.floor(now + raisedReference(key - now))),
    },
    "lowers what is above the cap": { raise: (key, now) => Math.min(raise(key, now), now + HEAT_CAP) },
    "a wrong bit of the table": { raise: (key, now) => raise(key, now) - ((key - now) & 0x4000 ? 2 : 0) },
  };
  for (const [name, part] of Object.entries(broken)) {
    t.not(raiseFaults({ ...temperature, ...part }, 97).length, 0, `raiseFaults did not catch: ${name}`);
    t.not(vectorFaults({ ...temperature, ...part }).length, 0, `the vectors did not catch: ${name}`);
  }
  const caughtByVectors: Record<string, Partial<Temperature>> = {
    "a claim rounded up": { claim: (key, now) => Math.min(255, claim(key + 4095, now)) },
    "a claim above a fresh Drop believed": {
      keyOfClaim: (claimed, now) => {
        keyOfClaim(claimed, now);
        return coldKey(now) + claimed * temperature.CLAIM_STEP;
      },
    },
    "time from a single product beyond 2^53": {
      heatTime: (elapsedMs, halfLifeMs) => {
        heatTime(elapsedMs, halfLifeMs);
        return Math.floor((elapsedMs * 65536) / halfLifeMs);
      },
    },
    "time in 32-bit multiplication": {
      heatTime: (elapsedMs, halfLifeMs) => Math.floor(Math.imul(elapsedMs, 65536) / halfLifeMs),
    },
  };
  for (const [name, part] of Object.entries(caughtByVectors)) {
    t.not(vectorFaults({ ...temperature, ...part }).length, 0, `the vectors did not catch: ${name}`);
  }
});

test("the table of factors follows from its formula, and no entry lies close to a rounding boundary", (t) => {
  t.is(temperature.FACTORS_Q26.length, 16);
  temperature.FACTORS_Q26.forEach((factor, index) => {
    const exact = 2 ** 26 * 2 ** -(2 ** -(index + 1));
    t.is(factor, Math.round(exact));
    t.true(Math.abs(exact - Math.floor(exact) - 0.5) > 1e-3, `entry ${index}`);
  });
});

const seed = Number(process.env.SEED ?? 1) >>> 0;
const replay = `replay with SEED=${seed}`;

/** Mulberry32: fractions from 0 to below 1, the same for the same seed. */
function stream(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("heatTime is exact for a century of milliseconds and never goes back", (t) => {
  const next = stream(seed);
  const centuryMs = 36_525 * 86_400_000;
  for (let round = 0; round < 20_000; round++) {
    const halfLifeMs =
      round % 2 === 0 ? HALF_LIFE_MS_DEFAULT : 100_000_000 + Math.floor(next() * (HALF_LIFE_MS_MAX - 1e8));
    const elapsedMs = Math.floor(next() * centuryMs);
    const exact = Number((BigInt(elapsedMs) * 65536n) / BigInt(halfLifeMs));
    t.is(temperature.heatTime(elapsedMs, halfLifeMs), exact, `${elapsedMs} ${halfLifeMs}; ${replay}`);
    t.true(temperature.heatTime(elapsedMs + 1, halfLifeMs) >= exact, replay);
  }
  t.is(temperature.heatTime(centuryMs, HALF_LIFE_MS_DEFAULT), Number((BigInt(centuryMs) * 65536n) / 604_800_000n));
});

test("keys fit into 32 bits at every heat time", (t) => {
  for (const now of [0, HEAT_TIME_MAX]) {
    const hottest = temperature.raise(now + HEAT_CAP - 1, now);
    t.is(hottest, now + HEAT_CAP);
    for (const key of [hottest, temperature.coldKey(now), temperature.freshKey(now)]) t.is(key, key | 0);
  }
  t.is(HEAT_TIME_MAX + HEAT_CAP, INT32_MAX);
  t.true(
    HEAT_TIME_MAX * (HALF_LIFE_MS_DEFAULT / HALF_LIFE) > 600 * 365.25 * 86_400_000,
    "with a half-life of a week, heat time lasts for more than 600 years",
  );
  t.is(temperature.raise(-(2 ** 31), HEAT_TIME_MAX), HEAT_TIME_MAX, "the smallest possible key");
});

test("cooling changes no order, and a later reading of a key is colder by exactly the time that passed", (t) => {
  const next = stream(seed ^ 1);
  for (let round = 0; round < 2000; round++) {
    const now = Math.floor(next() * 1e8);
    const one = temperature.raise(now - Math.floor(next() * 1e6), now);
    const two = temperature.raise(now - Math.floor(next() * 1e6), now);
    const later = now + Math.floor(next() * 2e6);
    // The heats at the later time, in floating point, have the order of the keys. So have the claims, and so have both
    // keys after a movement.
    const heat = (key: number): number => 2 ** ((key - later) / HALF_LIFE);
    t.is(Math.sign(heat(one) - heat(two)), Math.sign(one - two), replay);
    if (one <= two) {
      t.true(temperature.claim(one, later) <= temperature.claim(two, later), replay);
      t.true(temperature.raise(one, later) <= temperature.raise(two, later), replay);
    }
    if (later > now + 4 * HALF_LIFE) t.true(temperature.claim(one, later) <= temperature.claim(one, now), replay);
  }
});

test("a Drop that is moved at random times has the heat that floating point gives", (t) => {
  const next = stream(seed ^ 2);
  for (let drop = 0; drop < 50; drop++) {
    let now = Math.floor(next() * 1e6);
    let key = temperature.freshKey(now);
    let heat = 1;
    let movements = 0;
    for (; movements < 100; movements++) {
      const pause = Math.floor(next() * HALF_LIFE);
      now += pause;
      heat = Math.min(2 ** (HEAT_CAP / HALF_LIFE), heat * 2 ** (-pause / HALF_LIFE) + 1);
      key = temperature.raise(key, now);
    }
    const exact = now + HALF_LIFE * Math.log2(heat);
    t.true(key <= exact + 1e-3 && key > exact - 1.01 * movements, `${key} for ${exact}; ${replay}`);
  }
});

test("no effort raises a Drop above the cap, and at the cap a movement changes nothing", (t) => {
  let key = temperature.coldKey(0);
  for (let movement = 0; movement < 1000; movement++) key = temperature.raise(key, 0);
  t.is(key, HEAT_CAP);
  t.is(temperature.raise(key, 0), key);
  // This key comes from a time when the clock was ahead of now. It stays: raise neither raises nor lowers it.
  t.is(temperature.raise(HEAT_CAP + 5, 0), HEAT_CAP + 5);
});

test("a claim gives no more heat than a fresh Drop has, and a claim that is passed on adds nothing", (t) => {
  const next = stream(seed ^ 3);
  const now = 50_000_000;
  for (let claimed = 0; claimed <= temperature.CLAIM_MAX; claimed++) {
    const key = temperature.keyOfClaim(claimed, now);
    t.true(key <= temperature.freshKey(now) && key >= temperature.coldKey(now));
    t.is(temperature.claim(key, now), Math.min(claimed, 128), "a node claims the heat that it believed");
  }
  for (let round = 0; round < 2000; round++) {
    const key = now - HEAT_RANGE + Math.floor(next() * (HEAT_RANGE + HEAT_CAP + 1));
    t.true(temperature.keyOfClaim(temperature.claim(key, now), now) <= key, replay);
  }
  t.is(temperature.claim(temperature.freshKey(now), now), 128);
  t.is(temperature.claim(temperature.coldKey(now), now), 0);
  t.is(temperature.claim(now + HEAT_CAP, now), 255);
  t.is((HEAT_RANGE + HEAT_CAP) / temperature.CLAIM_STEP, temperature.CLAIM_MAX + 1);
});

test("Drops that lay still for longer than the range claim 0 and keep their order", (t) => {
  const now = 20 * HALF_LIFE;
  const older = now - 12 * HALF_LIFE;
  const old = older + 1;
  t.true(older < old && old < temperature.coldKey(now));
  t.is(temperature.claim(older, now), 0);
  t.is(temperature.claim(old, now), 0);
});
