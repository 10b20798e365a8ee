/**
 * Two boards that sleep could miss each other for ever. These tests show that they hear each other within the bound:
 * for every ordered pair of primes, for all phases, for clocks that are up to 5 % off, and for every resonance of the
 * two clocks.
 *
 * Replay the random part with SEED=n.
 */
import test from "ava";
import { sweepPeriods, WAKE_CYCLES, WAKE_PRIMES_S, type WakeCycle } from "../modules/throwie/wake-schedule.ts";
import { meetingBoundMs, type Rhythm, rhythm, sampledMeetingMs, stretches, worstMeetingMs } from "../sim/overlap.ts";
import { SeededRandom } from "../sim/random.ts";

const seed = Number(process.env.SEED ?? 20261121);

/** The longest time to a first meeting, as a share of the bound, over all primes, phases and clock errors. */
function worstOfBound(cycle: WakeCycle, otherCycle: WakeCycle, steps: number): number {
  let worst = 0;
  for (const primeS of WAKE_PRIMES_S[cycle]) {
    for (const otherS of WAKE_PRIMES_S[otherCycle]) {
      const boundMs = meetingBoundMs(primeS, cycle, otherS);
      for (const [stretch, otherStretch] of stretches(primeS, otherS, steps)) {
        const ms = worstMeetingMs(rhythm(primeS, cycle, stretch), rhythm(otherS, otherCycle, otherStretch));
        worst = Math.max(worst, ms / boundMs);
      }
    }
  }
  return worst;
}

for (const cycle of WAKE_CYCLES) {
  test.serial(
    `a board of a cycle of ${cycle} s meets boards of the same and of shorter cycles within the bound`,
    (t) => {
      for (const other of WAKE_CYCLES.filter((one) => one <= cycle)) {
        const worst = worstOfBound(cycle, other, 60);
        t.true(worst <= 1, `${cycle} s with ${other} s: ${worst}`);
        if (other === cycle) t.true(worst > 0.9, `the bound is too wide: the longest meeting takes ${worst} of it`);
      }
    },
  );
}

/** The same longest time, found without intervals: by one phase after another, from two lists of wake-ups. */
function worstOfPhases(sweeper: Rhythm, other: Rhythm, stepMs: number): number {
  const starts = (rhythm: Rhythm, fromMs: number, sweepAt: number): [number, number][] => {
    const list: [number, number][] = [];
    for (let i = 0; i < 60; i++) {
      const startMs = fromMs + i * rhythm.periodMs;
      list.push([startMs, startMs + (i === sweepAt ? rhythm.sweepMs : rhythm.windowMs) - 5]);
    }
    return list;
  };
  let worstMs = 0;
  for (let phaseMs = 0; phaseMs < other.periodMs; phaseMs += stepMs) {
    let firstMs = Infinity;
    for (const [start, end] of starts(sweeper, 0, sweeper.sweepPeriods - 1)) {
      for (const [otherStart, otherEnd] of starts(other, -phaseMs, -1)) {
        const sinceMs = Math.max(start, otherStart, 0);
        if (sinceMs <= Math.min(end, otherEnd)) firstMs = Math.min(firstMs, sinceMs);
      }
    }
    worstMs = Math.max(worstMs, firstMs);
  }
  return worstMs;
}

test.serial("the interval method gives what one phase after another gives", (t) => {
  const random = new SeededRandom(seed, "phases");
  for (let i = 0; i < 30; i++) {
    const draw = (): Rhythm => {
      const periodMs = 2_000 + random.below(2_000);
      return { periodMs, windowMs: 150 + random.below(300), sweepMs: 4_100, sweepPeriods: 3 + random.below(20) };
    };
    const sweeper = draw();
    const other = draw();
    const exact = worstMeetingMs(sweeper, other);
    const enoughMs = exact - sweeper.periodMs - Math.max(other.periodMs, sweeper.windowMs);
    let played = worstOfPhases(sweeper, other, 7);
    // The last phases to meet may all lie between two that were played, even between whole milliseconds.
    if (played < enoughMs) played = worstOfPhases(sweeper, other, 0.5);
    const at = `SEED=${seed}, ${i}: ${exact} and ${played}`;
    t.true(played <= exact, at);
    t.true(played >= enoughMs, at);
  }
});

test.serial(
  "half of the pairs drawn by chance meet in a third of the bound, and all within it, with steady or wandering clocks",
  (t) => {
    for (const cycle of WAKE_CYCLES) {
      for (const wanders of [false, true]) {
        const random = new SeededRandom(seed, `boards ${cycle} ${wanders}`);
        const primes = WAKE_PRIMES_S[cycle];
        const longest = primes[primes.length - 1]!;
        const times: number[] = [];
        for (let i = 0; i < 2_000; i++) times.push(sampledMeetingMs(cycle, cycle, random, wanders));
        times.sort((a, b) => a - b);
        const boundMs = meetingBoundMs(longest, cycle, longest);
        t.true(
          times[times.length - 1]! <= boundMs,
          `SEED=${seed}: ${cycle} s, ${times[times.length - 1]} of ${boundMs}`,
        );
        t.true(times[times.length >> 1]! <= boundMs / 3, `SEED=${seed}: ${cycle} s, ${times[times.length >> 1]}`);
      }
    }
  },
);

test.serial("without sweeps some phases never meet, and the calculation says so", (t) => {
  const never = (primeS: number): number => {
    const one = { ...rhythm(primeS, 60, 1), sweepPeriods: Infinity };
    return worstMeetingMs(one, one, 100 * sweepPeriods(60));
  };
  for (const primeS of WAKE_PRIMES_S[60]) t.is(never(primeS), Infinity);
  // With these clocks both periods are 43.05 s: 41 s on a clock that is 5 % slow, and 43 s on a clock that is nearly
  // right. Different primes do not help.
  const slow = { ...rhythm(41, 60, 1.05), sweepPeriods: Infinity };
  t.is(
    worstMeetingMs(slow, { ...rhythm(43, 60, 43.05 / 43), sweepPeriods: Infinity }, 100 * sweepPeriods(60)),
    Infinity,
  );
});

test.serial("canary: a sweep that does not allow for the errors of both clocks is caught", (t) => {
  const slow = rhythm(59, 60, 1.05);
  const quick = { ...rhythm(59, 60, 0.95), sweepMs: 59_000 * 0.95 };
  t.is(worstMeetingMs(quick, slow), Infinity);
});
