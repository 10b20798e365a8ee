/**
 * The timers of hosts/retry/timers.ts on the kernel of the simulator. The time moves only when a test says so, and then
 * it jumps from one call to the next.
 *
 * Invariant: after each call all promises that the call resolved have run, as on the event loop of Node. So every run
 * has the same history, no matter how busy the machine is.
 */
import type { Timer, Timers } from "../hosts/retry/timers.ts";
import { Kernel } from "../sim/kernel.ts";

export class KernelTimers implements Timers {
  readonly #kernel = new Kernel();
  /** The number of calls that were made. */
  calls = 0;

  now(): number {
    return this.#kernel.nowUs / 1000;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = this.#kernel.after(Math.ceil(Math.max(0, delayMs) * 1000), run);
    return { cancel: () => this.#kernel.cancel(timer) };
  }

  /** Makes all calls up to this time, and then sets the time to it. */
  async runTo(untilMs: number): Promise<void> {
    await promises();
    while (this.#kernel.nextUs <= untilMs * 1000) {
      this.#kernel.step();
      this.calls += 1;
      await promises();
    }
    this.#kernel.run(untilMs * 1000);
  }
}

/** Resolves when all promises have run: Node starts an immediate only when no promise has anything left to run. */
function promises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
