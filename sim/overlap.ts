/**
 * When two sleeping boards first hear each other (docs/protocol.md, "Wake schedule"): the longest time until then, and
 * the usual time.
 *
 * Two boards meet when one begins to listen, and so to beacon, while the other listens. `worstMeetingMs` covers all
 * phases at once. It keeps the set of phases that have not met, as intervals, and removes the phases that each wake-up
 * meets, until none is left. So its answer is exact, not a sample. It counts the windows of both boards, but the sweeps
 * of the first board only, and adds a whole period for the time before that board's first wake-up. So its answer is
 * never too short. `sampledMeetingMs` plays one pair of boards instead; their clocks may change with each sleep.
 *
 * Times are real, in milliseconds: a board's own times, stretched by the error of its clock. Boot times and lost frames
 * are left out, because a window has room for several beacons.
 */
import {
  DRIFT_PER_MILLE,
  sweepMs,
  sweepPeriods,
  WAKE_PRIMES_S,
  type WakeCycle,
  WINDOW_MS,
} from "../modules/throwie/wake-schedule.ts";
import type { SeededRandom } from "./random.ts";

/**
 * A beacon is heard when it begins this long before the listener stops: its time on air at 1 Mbit/s, and a back-off.
 */
const BEACON_MS = 5;
/** The longest resonances to check: up to this many periods of one board in up to as many of the other. */
const RESONANCE_MAX = 12;
/** Next to a resonance, the phases do not stand still but move slowly. */
const CREEP = [0, 1e-6, 1e-5, 1e-4, 1e-3];

/** How a board wakes up. */
export interface Rhythm {
  periodMs: number;
  windowMs: number;
  sweepMs: number;
  /** Infinity: the board never sweeps. */
  sweepPeriods: number;
}

/** `stretch` is real time divided by the board's own time. */
export function rhythm(primeS: number, cycle: WakeCycle, stretch: number): Rhythm {
  return {
    periodMs: primeS * 1_000 * stretch,
    windowMs: WINDOW_MS * stretch,
    sweepMs: sweepMs(cycle) * stretch,
    sweepPeriods: sweepPeriods(cycle),
  };
}

/** The rest of a circle after arcs were removed. */
class Arcs {
  readonly #length: number;
  /** The begin and the end of each arc, in order. Arcs do not overlap. */
  readonly #bounds: number[];

  constructor(length: number) {
    this.#length = length;
    this.#bounds = [0, length];
  }

  get empty(): boolean {
    return this.#bounds.length === 0;
  }

  /** Removes the arc from `from` to `to`. Both count modulo the length. */
  remove(from: number, to: number): void {
    if (to - from >= this.#length) {
      this.#bounds.length = 0;
      return;
    }
    const start = from - Math.floor(from / this.#length) * this.#length;
    const end = start + (to - from);
    this.#cut(start, Math.min(end, this.#length));
    if (end > this.#length) this.#cut(0, end - this.#length);
  }

  #cut(from: number, to: number): void {
    const bounds = this.#bounds;
    let first = 0;
    while (first < bounds.length && bounds[first + 1]! <= from) first += 2;
    let last = first;
    const left: number[] = [];
    while (last < bounds.length && bounds[last]! < to) {
      if (bounds[last]! < from) left.push(bounds[last]!, from);
      if (bounds[last + 1]! > to) left.push(to, bounds[last + 1]!);
      last += 2;
    }
    bounds.splice(first, last - first, ...left);
  }
}

/**
 * The time within which the two boards meet, whatever their phases are. Infinity when some phases have not met after
 * `periodsMax` periods.
 */
export function worstMeetingMs(sweeper: Rhythm, other: Rhythm, periodsMax = sweeper.sweepPeriods): number {
  const unmet = new Arcs(other.periodMs);
  for (let i = 0; i < periodsMax; i++) {
    const timeMs = i * sweeper.periodMs;
    // The count begins just after a sweep. The windows of the round meet their phases first; the sweep comes last.
    const listensMs = (i === sweeper.sweepPeriods - 1 ? sweeper.sweepMs : sweeper.windowMs) - BEACON_MS;
    unmet.remove(-timeMs - listensMs, -timeMs + other.windowMs - BEACON_MS);
    if (unmet.empty) return sweeper.periodMs + timeMs + Math.min(listensMs, other.periodMs);
  }
  return Infinity;
}

/** The upper bound of `worstMeetingMs`, for boards with the largest clock errors that are allowed. */
export function meetingBoundMs(primeS: number, cycle: WakeCycle, otherPrimeS: number): number {
  return ((sweepPeriods(cycle) * primeS + otherPrimeS) * 1_000 * (1_000 + DRIFT_PER_MILLE)) / 1_000;
}

/**
 * The pairs of stretches to check: those at which phases stand still or move slowly, and `steps` between them. The
 * larger stretch of a pair is always the largest that is allowed, because all times grow with it.
 */
export function stretches(primeS: number, otherPrimeS: number, steps: number): [number, number][] {
  const most = 1 + DRIFT_PER_MILLE / 1_000;
  const widest = most / (1 - DRIFT_PER_MILLE / 1_000);
  const ratios: number[] = [];
  for (let step = 0; step <= steps; step++) ratios.push(1 / widest + ((widest - 1 / widest) * step) / steps);
  for (let many = 1; many <= RESONANCE_MAX; many++) {
    for (let few = 1; few <= RESONANCE_MAX; few++) {
      const ratio = (many * otherPrimeS) / (few * primeS);
      for (const creep of CREEP) ratios.push(ratio * (1 + creep), ratio * (1 - creep));
    }
  }
  return ratios
    .filter((ratio) => ratio >= 1 / widest && ratio <= widest)
    .map((ratio) => (ratio >= 1 ? [most, most / ratio] : [most * ratio, most]));
}

/** The wake-ups of one board, from a random moment of its life on. */
class Waking {
  startMs: number;
  listensMs: number;
  readonly #rhythm: Rhythm;
  readonly #random: SeededRandom;
  readonly #wanders: boolean;
  #left: number;
  #stretch: number;

  /** `wanders`: each sleep has a clock error of its own. Otherwise all sleeps have the same error. */
  constructor(primeS: number, cycle: WakeCycle, random: SeededRandom, wanders: boolean) {
    this.#rhythm = rhythm(primeS, cycle, 1);
    this.#random = random;
    this.#wanders = wanders;
    this.#stretch = this.#drawStretch();
    this.#left = random.below(sweepPeriods(cycle));
    this.startMs = -this.#fraction() * this.#periodMs;
    this.listensMs = this.#listensMs;
  }

  get endMs(): number {
    return this.startMs + this.listensMs - BEACON_MS;
  }

  next(): void {
    this.startMs += this.#periodMs;
    this.#left = this.#left === 0 ? this.#rhythm.sweepPeriods - 1 : this.#left - 1;
    if (this.#wanders) this.#stretch = this.#drawStretch();
    this.listensMs = this.#listensMs;
  }

  get #listensMs(): number {
    return this.#left === 0 ? this.#rhythm.sweepMs : this.#rhythm.windowMs;
  }

  get #periodMs(): number {
    return this.#rhythm.periodMs * this.#stretch;
  }

  #fraction(): number {
    return this.#random.below(1_000_001) / 1_000_000;
  }

  #drawStretch(): number {
    return 1 + ((2 * this.#fraction() - 1) * DRIFT_PER_MILLE) / 1_000;
  }
}

/** The time until a random pair of boards meets. */
export function sampledMeetingMs(
  cycle: WakeCycle,
  otherCycle: WakeCycle,
  random: SeededRandom,
  wanders: boolean,
): number {
  const primes = WAKE_PRIMES_S[cycle];
  const otherPrimes = WAKE_PRIMES_S[otherCycle];
  const one = new Waking(primes[random.below(primes.length)]!, cycle, random, wanders);
  const other = new Waking(otherPrimes[random.below(otherPrimes.length)]!, otherCycle, random, wanders);
  for (;;) {
    const sinceMs = Math.max(one.startMs, other.startMs, 0);
    if (sinceMs <= Math.min(one.endMs, other.endMs)) return sinceMs;
    (one.endMs < other.endMs ? one : other).next();
  }
}
