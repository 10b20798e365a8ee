/**
 * Time as a port. What waits, tries again or gives up asks a `Timers` for the time and to be called later, so that a
 * test or a simulator can drive a thousand nodes in one process without waiting.
 *
 * Rules that each implementation keeps:
 * - Times and delays are in milliseconds. `now` counts from any start, never goes back, and need not be whole.
 * - `after` calls `run` once, at `now() + delayMs` or later, and never before `after` has returned. Of two calls that
 *   were asked for with one delay the first one asked for happens first.
 * - A delay of 0 means the next occasion: after the caller and its promises are done, and after input that waits already.
 *   A negative delay counts as 0. The largest delay is 2^31 - 1.
 * - `cancel` keeps `run` from being called. Repeating it does nothing, and so does calling it after `run` was called.
 * - `run` must not throw: nobody is there to catch what it throws.
 *
 * Refuses to tell the time of day, and to repeat a call.
 */
export interface Timers {
  now(): number;
  after(delayMs: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Node's own clock. Only this file and the QUIC library know that there is one. */
export const SYSTEM_TIMERS: Timers = {
  now: () => performance.now(),
  after: (delayMs, run) => {
    if (delayMs <= 0) {
      const immediate = setImmediate(run);
      return { cancel: () => clearImmediate(immediate) };
    }
    const timeout = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  },
};

/** Resolves after the delay. There is no way to cut it short. */
export function pause(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => void timers.after(delayMs, resolve));
}
