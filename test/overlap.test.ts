/**
 * When two boards that sleep first hear each other: never later than the bound, for every ordered pair of primes, all
 * phases, clocks 5 % off and every resonance of theirs. Replay the random part with SEED=n.
 */
import test from "ava";
import { sweepPeriods, WAKE_CYCLES, WAKE_PRIMES_S, type WakeCycle } from "../modules/throwie/wake-schedule.ts";
import { meetingBoundMs, type Rhythm, rhythm, sampledMeetingMs, stretches, worstMeetingMs } from "../sim/overlap.ts";
import { SeededRandom } from "../sim/random.ts";

const seed = Number(process.env.SEED ?? 20261121);

/** The longest time to a first meeting as a share of the bound, over all that is to be looked at. */
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
  test(`boards of a cycle of ${cycle} s meet within the bound, and boards of quicker ones do too`, (t) => {
    for (const other of WAKE_CYCLES.filter((one) => one <= cycle)) {
      const worst = worstOfBound(cycle, other, 60);
      t.true(worst <= 1, `${cycle} s with ${other} s: ${worst}`);
      if (other === cycle) t.true(worst > 0.9, `the bound is near: ${worst}`);
    }
  });
}

/** The same question, asked of one phase after another, and of nothing but two lists of wake-ups. */
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

test("intervals say what one phase after another says", (t) => {
  const random = new SeededRandom(seed, "phases");
  for (let i = 0; i < 30; i++) {
    const draw = (): Rhythm => {
      const periodMs = 2_000 + random.below(2_000);
      return { periodMs, windowMs: 150 + random.below(300), sweepMs: 4_100, sweepPeriods: 3 + random.below(20) };
    };
    const sweeper = draw();
    const other = draw();
    const exact = worstMeetingMs(sweeper, other);
    const played = worstOfPhases(sweeper, other, 7);
    const at = `SEED=${seed}, ${i}: ${exact} and ${played}`;
    t.true(played <= exact, at);
    t.true(played >= exact - sweeper.periodMs - Math.max(other.periodMs, sweeper.windowMs), at);
  }
});

test("of boards drawn by chance, half meet in a third of the bound, and none later, whether or not clocks wander", (t) => {
  for (const cycle of WAKE_CYCLES) {
    for (const wanders of [false, true]) {
      const random = new SeededRandom(seed, `boards ${cycle} ${wanders}`);
      const primes = WAKE_PRIMES_S[cycle];
      const longest = primes[primes.length - 1]!;
      const times: number[] = [];
      for (let i = 0; i < 2_000; i++) times.push(sampledMeetingMs(cycle, cycle, random, wanders));
      times.sort((a, b) => a - b);
      const boundMs = meetingBoundMs(longest, cycle, longest);
      t.true(times[times.length - 1]! <= boundMs, `SEED=${seed}: ${cycle} s, ${times[times.length - 1]} of ${boundMs}`);
      t.true(times[times.length >> 1]! <= boundMs / 3, `SEED=${seed}: ${cycle} s, ${times[times.length >> 1]}`);
    }
  }
});

test("without sweeps some phases never meet, and that shows", (t) => {
  const never = (primeS: number): number => {
    const one = { ...rhythm(primeS, 60, 1), sweepPeriods: Infinity };
    return worstMeetingMs(one, one, 100 * sweepPeriods(60));
  };
  for (const primeS of WAKE_PRIMES_S[60]) t.is(never(primeS), Infinity);
  // 41 s, 5 % slow, against 43 s that are 43.05 in the other's: different primes are no help.
  const slow = { ...rhythm(41, 60, 1.05), sweepPeriods: Infinity };
  t.is(
    worstMeetingMs(slow, { ...rhythm(43, 60, 43.05 / 43), sweepPeriods: Infinity }, 100 * sweepPeriods(60)),
    Infinity,
  );
});

test("a sweep that does not allow for both clocks is caught", (t) => {
  const slow = rhythm(59, 60, 1.05);
  const quick = { ...rhythm(59, 60, 0.95), sweepMs: 59_000 * 0.95 };
  t.is(worstMeetingMs(quick, slow), Infinity);
});
