/**
 * When a board sleeps, and until when it is awake (docs/protocol.md, "Wake schedule").
 *
 * A board wakes each time its clock passes a multiple of its period, a prime number of seconds drawn from its id,
 * beacons at once, and listens for a window. Boards of different primes slide along each other, so that their windows
 * soon overlap. That alone promises nothing: with clocks that are 5 % off, p (1 + a) may equal q (1 + b), and two boards
 * may have one prime; their windows then keep their distance for ever. So one wake-up in `sweepPeriods` is a sweep: it
 * lasts longer than the longest period of any board of the same or a quicker cycle, the error of both clocks allowed
 * for. Whoever is in range wakes within it, and is heard.
 *
 * Invariant: from one sweep's start to the next pass at most `sweepPeriods` periods of the board's own clock, or it was
 * awake for as long as a sweep in between, which is one. The bound on the time to a first meeting follows from this and
 * the sweep's length alone: it holds for any phases, and for clocks whose errors change from one sleep to the next.
 *
 * Made at each wake-up; what outlives a sleep is the clock and one small number, `state`. It refuses to know why the
 * board woke, and to judge what keeps it awake: the caller says whether its node is busy, and a peer that goes on
 * sending keeps a board awake. A board that restarts before it slept still has its old `state`, so a sweep that was cut
 * short is done again.
 */
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";

/** By the longest period that a builder wants, in seconds: the largest primes above two thirds of it, at most 16. */
export const WAKE_PRIMES_S = {
  30: [23, 29],
  60: [41, 43, 47, 53, 59],
  120: [83, 89, 97, 101, 103, 107, 109, 113],
  300: [211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271, 277, 281, 283, 293],
  600: [491, 499, 503, 509, 521, 523, 541, 547, 557, 563, 569, 571, 577, 587, 593, 599],
} as const;
/** The longest period of a board in seconds, as its builder chooses it. */
export type WakeCycle = keyof typeof WAKE_PRIMES_S;
/** Every WakeCycle. */
export const WAKE_CYCLES: readonly WakeCycle[] = [30, 60, 120, 300, 600];

/** How far a board's sleep may be off, either way: the RC oscillator that counts it, uncorrected. */
export const DRIFT_PER_MILLE = 50;
/**
 * How long a board listens at least. A beacon is of use if its sender still listens when the answer comes, and to look at
 * one and open a contact takes a board of 750 Drops 0.74 s at 3,000,000 bytecodes a second (docs/protocol.md,
 * "Measured"): so those of the first 460 ms are.
 */
export const WINDOW_MS = 1_200;
/** Of a board that sleeps: two beacons fall into that time at least, so that one may be lost. */
export const WAKING_BEACON_INTERVAL_MS = 250;
/** A peer may come back a second after a contact (acquaintances.ts), and has to be heard first. */
const IDLE_MS = 1_500;
/** From wake-up to first beacon a board takes longer when its store is full; and a beacon has to be received. */
const BOOT_VARIES_MS = 3_000;
/** A wake-up costs as much charge as listening for so long: its window, and booting at a third of the current. */
const WAKE_WORTH_MS = 1_750;

/** How long a sweep is, on the clock of the board that sweeps. */
export function sweepMs(cycle: WakeCycle): number {
  const primes = WAKE_PRIMES_S[cycle];
  const longestMs = primes[primes.length - 1]! * 1_000;
  return Math.ceil((longestMs * (1_000 + DRIFT_PER_MILLE)) / (1_000 - DRIFT_PER_MILLE)) + BOOT_VARIES_MS;
}

/**
 * From one sweep to the next, in periods. Time to meet is as the product of this and the period, charge as the sum of
 * what windows and sweeps take: for a given charge the product is least where both take the same.
 */
export function sweepPeriods(cycle: WakeCycle): number {
  return Math.floor(sweepMs(cycle) / WAKE_WORTH_MS);
}

/** Seconds from one wake-up to the next. Boards of one batch have ids a few apart, so they are mixed: FNV-1a, and a last step. */
export function periodS(id: MacAddress, cycle: WakeCycle): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < ADDRESS_BYTES; i++) hash = Math.imul(hash ^ id[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const primes = WAKE_PRIMES_S[cycle];
  return primes[(hash >>> 16) % primes.length]!;
}

/** The state in which a board wakes. */
export interface WakeScheduleOptions {
  /** The radio's own address. */
  id: MacAddress;
  /** The builder's choice, the same in every life of the board. */
  cycle: WakeCycle;
  /** What `state` was before the sleep; 0 after a loss of power. */
  state: number;
  /** When the board was ready to listen, in clock milliseconds. */
  now: number;
}

/**
 * The schedule of one wake-up (docs/protocol.md, "Wake schedule"). Ask `awakeUntil` while the board is awake, then
 * `sleepMs`, and keep `state` over the sleep. Times are milliseconds of the board's clock, which goes on while the
 * board sleeps. Throws nothing.
 */
export class WakeSchedule {
  /** From one wake-up to the next. */
  readonly periodMs: number;
  /** This wake-up is a sweep. */
  readonly sweeping: boolean;
  /** Periods left until the next sweep, 0 when it is due: at most two bytes. To be kept over the sleep, not before it. */
  state: number;
  readonly #sweepMs: number;
  readonly #sweepPeriods: number;
  readonly #left: number;
  readonly #awokeMs: number;
  #busyMs = Number.NEGATIVE_INFINITY;

  /** Any `state` is taken: one that cannot be counts as 0. */
  constructor(options: WakeScheduleOptions) {
    const { id, cycle, state, now } = options;
    this.periodMs = periodS(id, cycle) * 1_000;
    this.#sweepMs = sweepMs(cycle);
    this.#sweepPeriods = sweepPeriods(cycle);
    // More than there can be: another cycle was set, or memory was spoilt.
    this.#left = state <= this.#sweepPeriods ? state : 0;
    this.sweeping = this.#left === 0;
    this.state = this.#left;
    this.#awokeMs = now;
  }

  /** Until when the board is to be awake, as far as is known now. `busy`: a contact is open, or Drops wait for their check. */
  awakeUntil(now: number, busy: boolean): number {
    if (busy) this.#busyMs = now;
    return Math.max(this.#awokeMs + (this.sweeping ? this.#sweepMs : WINDOW_MS), this.#busyMs + IDLE_MS);
  }

  /** The board sleeps now: for how long, so that its phase stays what it was. `state` is then what to keep. */
  sleepMs(now: number): number {
    const next = Math.floor(now / this.periodMs) + 1;
    // A sleep may end a little early, so the wake-up that this was is the nearest.
    const passed = next - Math.floor(this.#awokeMs / this.periodMs + 0.5);
    const swept = now - this.#awokeMs >= this.#sweepMs;
    this.state = Math.max((swept ? this.#sweepPeriods : this.#left) - passed, 0);
    return next * this.periodMs - now;
  }
}
