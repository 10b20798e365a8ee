/**
 * Two boards that sleep meet only if each of them sweeps often enough. These tests follow a single board on its own
 * clock and check the invariants of modules/throwie/wake-schedule.ts. test/overlap.test.ts checks the meetings of
 * boards. Replay the random part with SEED=n.
 */
import test from "ava";
import {
  DRIFT_PER_MILLE,
  periodS,
  sweepMs,
  sweepPeriods,
  WAKE_CYCLES,
  WAKE_PRIMES_S,
  WAKING_BEACON_INTERVAL_MS,
  type WakeCycle,
  WakeSchedule,
  WINDOW_MS,
} from "../modules/throwie/wake-schedule.ts";
import { SeededRandom } from "../sim/random.ts";

const seed = Number(process.env.SEED ?? 20261121);
const ID = Uint8Array.of(0x24, 0x6f, 0x28, 0x01, 0x02, 0x03);

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
}

test("the periods of a cycle are the largest primes above two thirds of the cycle, at most 16 of them", (t) => {
  t.deepEqual(Object.keys(WAKE_PRIMES_S).map(Number), [...WAKE_CYCLES]);
  for (const cycle of WAKE_CYCLES) {
    const fitting = [];
    for (let n = cycle; n * 3 > cycle * 2; n--) if (isPrime(n)) fitting.unshift(n);
    t.deepEqual([...WAKE_PRIMES_S[cycle]] as number[], fitting.slice(-16));
  }
});

test("the boards of a batch get each prime about equally often, for every step between their ids", (t) => {
  const BOARDS = 4_096;
  for (const cycle of WAKE_CYCLES) {
    for (const step of [1, 2, 4, 8]) {
      const counts = new Map<number, number>();
      for (let i = 0; i < BOARDS; i++) {
        const serial = i * step;
        const id = Uint8Array.of(0x24, 0x6f, 0x28, serial >>> 16, serial >>> 8, serial);
        counts.set(periodS(id, cycle), (counts.get(periodS(id, cycle)) ?? 0) + 1);
      }
      const fair = BOARDS / WAKE_PRIMES_S[cycle].length;
      t.is(counts.size, WAKE_PRIMES_S[cycle].length);
      for (const count of counts.values())
        t.true(count > fair * 0.75 && count < fair * 1.25, `${cycle} s, step ${step}`);
    }
  }
});

test("a sweep outlasts every period of its own and of shorter cycles, with the worst error of both clocks", (t) => {
  for (const cycle of WAKE_CYCLES) {
    for (const other of WAKE_CYCLES.filter((one) => one <= cycle)) {
      const longestMs = Math.max(...WAKE_PRIMES_S[other]) * (1_000 + DRIFT_PER_MILLE);
      t.true(sweepMs(cycle) * (1_000 - DRIFT_PER_MILLE) >= longestMs, `${cycle} s against ${other} s`);
    }
    t.true(sweepPeriods(cycle) > 0 && sweepPeriods(cycle) < 65_536, "the state is two bytes");
  }
  t.true(WINDOW_MS - 740 >= WAKING_BEACON_INTERVAL_MS * 1.125, "the window leaves time to answer the second beacon");
});

test("the first wake-up after a loss of power is a sweep, and then one in sweepPeriods", (t) => {
  let state = 0;
  let now = 0;
  const sweeps = [];
  for (let wake = 0; wake < 200; wake++) {
    const schedule = new WakeSchedule({ id: ID, cycle: 60, state, now });
    if (schedule.sweeping) sweeps.push(Math.round(now / schedule.periodMs));
    const until = schedule.awakeUntil(now, false);
    t.is(until - now, schedule.sweeping ? sweepMs(60) : WINDOW_MS);
    const sleepMs = schedule.sleepMs(until);
    t.is((until + sleepMs) % schedule.periodMs, 0);
    state = schedule.state;
    now = until + sleepMs + 900;
  }
  t.deepEqual(
    sweeps.slice(0, 4),
    [0, 1, 2, 3].map((n) => n * sweepPeriods(60)),
  );
});

test("a busy board stays awake until it has been idle for more than a second, and keeps its phase", (t) => {
  const schedule = new WakeSchedule({ id: ID, cycle: 30, state: 5, now: 1_000 });
  t.is(schedule.awakeUntil(1_000, false), 1_000 + WINDOW_MS);
  t.true(schedule.awakeUntil(2_100, true) > 2_100 + 1_000, "a peer may return a second after its contact");
  const idleAt = schedule.awakeUntil(70_000, true);
  t.is(schedule.awakeUntil(idleAt - 1, false), idleAt);
  t.is((idleAt + schedule.sleepMs(idleAt)) % schedule.periodMs, 0);
  t.is(schedule.sleepMs(idleAt), schedule.sleepMs(idleAt), "a second call answers the same");
});

/**
 * The longest time without a sweep in a board's history, in periods. The history has random contacts and crashes,
 * sleeps that end early, and boots that take long.
 */
function longestUnswept(random: SeededRandom, cycle: WakeCycle, Schedule: typeof WakeSchedule): number {
  const below = (n: number): number => random.below(n);
  let state = 0;
  let now = below(2_000);
  let sweptFromMs = now;
  let worstPeriods = 0;
  for (let wake = 0; wake < 1_000; wake++) {
    const schedule = new Schedule({ id: ID, cycle, state, now });
    const awokeMs = now;
    worstPeriods = Math.max(worstPeriods, (now - sweptFromMs) / schedule.periodMs);
    let until = schedule.awakeUntil(now, false);
    if (below(20) === 0) {
      // A crash: the power stays on but RAM is lost, and with it all that the schedule was told.
      now += below(until - now);
      continue;
    }
    if (below(4) === 0) {
      now += below(until - now);
      until = schedule.awakeUntil(now + below(2 * sweepMs(cycle)), true);
    }
    now = until;
    if (now - awokeMs >= sweepMs(cycle)) sweptFromMs = now;
    const sleepMs = schedule.sleepMs(now);
    state = schedule.state;
    const early = Math.min(below(600), sleepMs - 1);
    now += sleepMs - early + 600 + below(1_000);
  }
  return worstPeriods;
}

test("no board goes without a sweep for longer than sweepPeriods", (t) => {
  for (const cycle of WAKE_CYCLES) {
    for (let life = 0; life < 40; life++) {
      const worst = longestUnswept(new SeededRandom(seed, `life ${cycle} ${life}`), cycle, WakeSchedule);
      // A crash during a sweep makes the board sweep again, which costs one period more.
      t.true(worst <= sweepPeriods(cycle) + 3, `SEED=${seed}: ${cycle} s, life ${life}: ${worst}`);
    }
  }
});

test("canary: a schedule that forgets how long contacts kept the board awake is caught", (t) => {
  class CountsWakes extends WakeSchedule {
    override sleepMs(now: number): number {
      const before = this.state;
      const sleepMs = super.sleepMs(now);
      this.state = before === 0 ? sweepPeriods(30) : before - 1;
      return sleepMs;
    }
  }
  let worst = 0;
  for (let life = 0; life < 40; life++) {
    worst = Math.max(worst, longestUnswept(new SeededRandom(seed, `life 30 ${life}`), 30, CountsWakes));
  }
  t.true(worst > sweepPeriods(30) + 3, `SEED=${seed}: ${worst}`);
});

test("a schedule with an impossible state sweeps at once", (t) => {
  t.true(new WakeSchedule({ id: ID, cycle: 30, state: 60_000, now: 0 }).sweeping);
  t.false(new WakeSchedule({ id: ID, cycle: 600, state: 300, now: 0 }).sweeping);
});
