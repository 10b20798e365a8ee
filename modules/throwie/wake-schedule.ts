/**
 * When a board sleeps, and until when it is awake (docs/protocol.md, "Wake schedule").
 *
 * A board on a battery sleeps most of the time, so two boards meet only when both are awake. Nothing on the air says
 * when a board sleeps.
 *
 * A board wakes each time its clock passes a multiple of its period, which is a prime number of seconds drawn from its
 * id. It beacons at once, and listens for a window. The windows of boards with different primes slide along each other,
 * so that they soon overlap. That alone promises nothing. With clocks that are 5 % off, p (1 + a) may equal q (1 + b),
 * and two boards may have the same prime. Their windows then keep their distance for ever.
 *
 * So one wake-up in `sweepPeriods` is a sweep. A sweep lasts longer than the longest period of any board of the same or
 * a quicker cycle, with the error of both clocks allowed for. Every such board in range wakes within the sweep, and is
 * heard.
 *
 * Invariant: from the start of one sweep to the start of the next pass at most `sweepPeriods` periods of the board's
 * own clock. Having been awake for as long as a sweep, for any reason, counts as a sweep. The bound on the time to a
 * first meeting follows from this and from the sweep's length alone. It holds for any phases, and for clocks whose
 * errors change from one sleep to the next.
 *
 * A schedule is made at each wake-up. Only the clock and one small number, `state`, survive a sleep. A board that
 * restarts before it slept still has its old `state`, so a sweep that was cut short is done again. The schedule refuses
 * to know why the board woke, and to judge what keeps it awake: the caller says whether its node is busy. So a peer
 * that goes on sending keeps a board awake.
 */
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";

/**
 * The periods of each cycle in seconds. A cycle is named by the longest period that a builder wants; its periods are
 * the largest primes between two thirds of that and all of it, at most 16.
 */
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

/** How far the length of a sleep may be off, either way. The RC oscillator that counts the time is not corrected. */
export const DRIFT_PER_MILLE = 50;
/**
 * How long a board listens at least. A beacon is useful if its sender still listens when the answer comes. A board of
 * 750 Drops took 0.74 s to look at a beacon and open a contact before its hashing was native. So the beacons of the
 * first 460 ms are useful, and later ones by now (docs/protocol.md, "Wake schedule").
 */
export const WINDOW_MS = 1_200;
/** The beacon interval of a board that sleeps. At least two beacons fall into those 460 ms, so that one may be lost. */
export const WAKING_BEACON_INTERVAL_MS = 250;
/**
 * How long a board stays awake after it was busy. A peer may come back a second after a contact (acquaintances.ts), and
 * the board must hear that peer before it goes to sleep.
 */
const IDLE_MS = 1_500;
/**
 * Margin of a sweep: a board with a full store takes longer from wake-up to its first beacon, and the beacon has to be
 * received.
 */
const BOOT_VARIES_MS = 3_000;
/** A wake-up costs as much charge as listening for so long: its window, and the boot at a third of the current. */
const WAKE_WORTH_MS = 1_750;

/** The length of a sweep in milliseconds, on the clock of the board that sweeps. */
export function sweepMs(cycle: WakeCycle): number {
  const primes = WAKE_PRIMES_S[cycle];
  const longestMs = primes[primes.length - 1]! * 1_000;
  return Math.ceil((longestMs * (1_000 + DRIFT_PER_MILLE)) / (1_000 - DRIFT_PER_MILLE)) + BOOT_VARIES_MS;
}

/**
 * The number of periods from one sweep to the next. The time to a meeting grows with the product of this number and the
 * period. The charge is the sum of what windows and sweeps take. For a given charge the product is smallest when
 * windows and sweeps take the same charge.
 */
export function sweepPeriods(cycle: WakeCycle): number {
  return Math.floor(sweepMs(cycle) / WAKE_WORTH_MS);
}

/**
 * Seconds from one wake-up to the next. The ids of boards of one batch differ by a few units, so the id is hashed:
 * FNV-1a, and one more step.
 */
export function periodS(id: MacAddress, cycle: WakeCycle): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < ADDRESS_BYTES; i++) hash = Math.imul(hash ^ id[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const primes = WAKE_PRIMES_S[cycle];
  return primes[(hash >>> 16) % primes.length]!;
}

/** The state of a board when it wakes. */
export interface WakeScheduleOptions {
  /** The radio's own address. */
  id: MacAddress;
  /** The builder's choice. It stays the same when the board restarts. */
  cycle: WakeCycle;
  /** The value of `state` before the sleep; 0 after a loss of power. */
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
  /** Milliseconds from one wake-up to the next. */
  readonly periodMs: number;
  /** Whether this wake-up is a sweep. */
  readonly sweeping: boolean;
  /**
   * Periods left until the next sweep; 0 when the sweep is due. It fits into two bytes. The caller saves it when the
   * board goes to sleep, not earlier.
   */
  state: number;
  readonly #sweepMs: number;
  readonly #sweepPeriods: number;
  readonly #left: number;
  readonly #awokeMs: number;
  #busyMs = Number.NEGATIVE_INFINITY;

  /** Takes any `state`. A `state` that is too large counts as 0. */
  constructor(options: WakeScheduleOptions) {
    const { id, cycle, state, now } = options;
    this.periodMs = periodS(id, cycle) * 1_000;
    this.#sweepMs = sweepMs(cycle);
    this.#sweepPeriods = sweepPeriods(cycle);
    // A state that is too large means that another cycle was set, or that the memory is damaged.
    this.#left = state <= this.#sweepPeriods ? state : 0;
    this.sweeping = this.#left === 0;
    this.state = this.#left;
    this.#awokeMs = now;
  }

  /**
   * Until when the board must stay awake, as far as is known now, in clock milliseconds. `busy`: a contact is open, or
   * Drops wait for their check.
   */
  awakeUntil(now: number, busy: boolean): number {
    if (busy) this.#busyMs = now;
    return Math.max(this.#awokeMs + (this.sweeping ? this.#sweepMs : WINDOW_MS), this.#busyMs + IDLE_MS);
  }

  /**
   * The board goes to sleep now. Returns for how many milliseconds, so that its phase stays the same. Afterwards
   * `state` has the value that the caller saves.
   */
  sleepMs(now: number): number {
    const next = Math.floor(now / this.periodMs) + 1;
    // A sleep may end a little early, so this wake-up belongs to the nearest multiple of the period.
    const passed = next - Math.floor(this.#awokeMs / this.periodMs + 0.5);
    const swept = now - this.#awokeMs >= this.#sweepMs;
    this.state = Math.max((swept ? this.#sweepPeriods : this.#left) - passed, 0);
    return next * this.periodMs - now;
  }
}
