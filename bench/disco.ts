/**
 * The wake schedule must be compared with a published one. This file plays meetings under Disco (Dutta and Culler,
 * SenSys 2008): a node wakes at each multiple of either of its two primes.
 *
 * The two primes come from one wake cycle of our schedule. A Disco node then has two windows where a node of our
 * schedule has one window and a share of a sweep. Both cost the same, so both schedules draw about the same charge.
 *
 * Disco's bound follows from the Chinese remainder theorem. The theorem needs clocks that run at the same rate. For
 * other clocks this file proves nothing: it draws pairs by chance. `resonant` says whether the two clocks of a pair are
 * in resonance or have errors of any size.
 */
import { DRIFT_PER_MILLE, WAKE_PRIMES_S, type WakeCycle, WINDOW_MS } from "../modules/throwie/wake-schedule.ts";
import type { SeededRandom } from "../sim/random.ts";

const BEACON_MS = 5;
const RESONANCE_MAX = 6;
/** A year. Two boards that have not met by then count as boards that never meet. */
const PATIENCE_MS = 365 * 86_400_000;

/** The wake-ups of one node, from the moment when the node is `ageMs` old. */
class Waking {
  startMs = 0;
  readonly #primesS: readonly [number, number];
  readonly #stretch: number;
  readonly #bornMs: number;
  readonly #counts: [number, number];

  constructor(primesS: readonly [number, number], stretch: number, ageMs: number) {
    this.#primesS = primesS;
    this.#stretch = stretch;
    this.#bornMs = ageMs;
    this.#counts = [Math.ceil(ageMs / 1_000 / primesS[0]), Math.ceil(ageMs / 1_000 / primesS[1])];
    this.next();
  }

  next(): void {
    const counts = this.#counts;
    const firstS = counts[0] * this.#primesS[0];
    const secondS = counts[1] * this.#primesS[1];
    if (firstS <= secondS) counts[0]++;
    if (secondS <= firstS) counts[1]++;
    this.startMs = (Math.min(firstS, secondS) * 1_000 - this.#bornMs) * this.#stretch;
  }
}

/** Draws one pair of nodes. Returns the time until they meet, in milliseconds; Infinity if they never meet. */
export function sampledDiscoMs(cycle: WakeCycle, random: SeededRandom, resonant: boolean): number {
  const primes = WAKE_PRIMES_S[cycle];
  const most = 1 + DRIFT_PER_MILLE / 1_000;
  const least = 1 - DRIFT_PER_MILLE / 1_000;
  const draw = (): readonly [number, number] => {
    const first = random.below(primes.length);
    const second = (first + 1 + random.below(primes.length - 1)) % primes.length;
    return [primes[first]!, primes[second]!];
  };
  for (;;) {
    const one = draw();
    const other = draw();
    let stretch = random.between(least, most);
    let otherStretch = random.between(least, most);
    if (resonant) {
      const many = 1 + random.below(RESONANCE_MAX);
      const few = 1 + random.below(RESONANCE_MAX);
      otherStretch = most;
      stretch = (most * many * other[0]) / (few * one[0]);
      if (stretch < least || stretch > most) continue;
    }
    const age = (pair: readonly [number, number]): number => random.between(0, pair[0] * pair[1] * 1_000);
    const a = new Waking(one, stretch, age(one));
    const b = new Waking(other, otherStretch, age(other));
    while (Math.min(a.startMs, b.startMs) < PATIENCE_MS) {
      if (Math.abs(a.startMs - b.startMs) <= WINDOW_MS - BEACON_MS) return Math.max(a.startMs, b.startMs);
      (a.startMs < b.startMs ? a : b).next();
    }
    return Infinity;
  }
}
