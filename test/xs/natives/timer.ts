/** Stands for the SDK's `timer`. */
import type { DeskTimer } from "../desk.ts";

export default {
  set(callback: () => void, delayMs: number, intervalMs: number): DeskTimer {
    const timer = { callback, dueMs: globalThis.desk.nowMs + delayMs, intervalMs };
    globalThis.desk.timers.push(timer);
    return timer;
  },

  schedule(timer: DeskTimer, delayMs: number, intervalMs: number): void {
    timer.dueMs = globalThis.desk.nowMs + delayMs;
    timer.intervalMs = intervalMs;
  },
};
