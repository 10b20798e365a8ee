/** Replaces the SDK's `timer`. */
import type { DeskTimer } from "../desk.ts";

export default {
  set(callback: () => void, delayMs: number, intervalMs: number): DeskTimer {
    const timer = { callback, dueMs: globalThis.desk.nowMs + delayMs, intervalMs };
    globalThis.desk.timers.push(timer);
    return timer;
  },

  clear(timer: DeskTimer): void {
    globalThis.desk.timers = globalThis.desk.timers.filter((other) => other !== timer);
  },

  schedule(timer: DeskTimer, delayMs: number, intervalMs: number): void {
    // The SDK converts to a 32-bit integer, and 0 ends its timer. Infinity, for example, becomes 0.
    if ((delayMs | 0) !== delayMs || (intervalMs | 0) !== intervalMs || intervalMs < 1)
      throw new Error("timer: interval");
    timer.dueMs = globalThis.desk.nowMs + delayMs;
    timer.intervalMs = intervalMs;
  },
};
