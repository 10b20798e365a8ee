/**
 * The time as a port.
 *
 * The problem: a test or a simulator must run a thousand nodes in one process without real waiting. So code that waits,
 * tries again or gives up asks a `Timers` for the time, and asks it for a call at a later time.
 *
 * Each implementation keeps these rules:
 * - Times and delays are in milliseconds. `now` counts from any start, never goes back, and may have a fraction.
 * - `after` calls `run` once, at `now() + delayMs` or later, and never before `after` has returned. Of two calls with
 *   the same delay, the call that was requested first happens first.
 * - A delay of 0 means the next occasion: after the caller and its promises have finished, and after input that waits
 *   already. A negative delay counts as 0. The largest delay is 2^31 - 1.
 * - `cancel` prevents the call of `run`. A second `cancel`, or a `cancel` after the call of `run`, does nothing.
 * - `run` must not throw, because no caller can catch the error.
 *
 * The port does not tell the time of day, and it does not repeat a call.
 */
export interface Timers {
  now(): number;
  after(delayMs: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** The clock of Node. Only this file and the QUIC library use it. */
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

/** Resolves after the delay. The pause cannot be ended early. */
export function pause(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => void timers.after(delayMs, resolve));
}
