/**
 * Delays between tries of an action that is repeated until it works: a dial, a delivery, an offer to the air. The
 * delays double up to a bound.
 *
 * Invariant: the delay before a try is at least `baseMs` and at most `capMs`, no matter how many tries have failed.
 *
 * The delays are not random. When two gateways dial each other at the same time, both dials succeed, and for a short
 * time there is one connection too many (hosts/distsoc/connections/peers.ts).
 */
export interface RetryTimings {
  readonly baseMs: number;
  readonly capMs: number;
}

/** A peer that restarts is found again within a few seconds. A peer that is away for days costs 12 tries a minute. */
export const RETRY_TIMINGS: RetryTimings = { baseMs: 200, capMs: 5000 };

export class Backoff {
  readonly #timings: RetryTimings;
  #nextMs: number;

  constructor(timings: RetryTimings) {
    this.#timings = timings;
    this.#nextMs = timings.baseMs;
  }

  /** Returns the delay before the next try. */
  next(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, this.#timings.capMs);
    return delayMs;
  }

  /** The action worked, so the next delay is the shortest one again. */
  reset(): void {
    this.#nextMs = this.#timings.baseMs;
  }
}
