/**
 * Delays that double up to a bound, for whatever is tried until it works: dialling, delivering, offering to the air.
 *
 * Invariant: however often something fails, it is tried at least every `capMs`, and never more often than every `baseMs`.
 * Refuses to draw chance: two gateways that dial each other in step both succeed, which costs one connection too many for
 * a moment (peers.ts).
 */
export interface RetryTimings {
  readonly baseMs: number;
  readonly capMs: number;
}

/** A peer that restarts is back within a few seconds; one that is away for days costs 12 tries a minute. */
export const RETRY_TIMINGS: RetryTimings = { baseMs: 200, capMs: 5000 };

export class Backoff {
  readonly #timings: RetryTimings;
  #nextMs: number;

  constructor(timings: RetryTimings) {
    this.#timings = timings;
    this.#nextMs = timings.baseMs;
  }

  /** The delay before the next try. */
  next(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, this.#timings.capMs);
    return delayMs;
  }

  /** It worked. */
  reset(): void {
    this.#nextMs = this.#timings.baseMs;
  }
}
