/**
 * The timers of hosts/retry/timers.ts on the simulator's kernel: time moves only when a test says so, and then from one
 * call to the next.
 *
 * Invariant: after each call all promises that it resolved have run, as they have on Node's event loop, so one history is
 * played each time, whatever the machine does meanwhile.
 */
import type { Timer, Timers } from "../hosts/retry/timers.ts";
import { Kernel } from "../sim/kernel.ts";

export class KernelTimers implements Timers {
  readonly #kernel = new Kernel();
  /** Calls that were made. */
  calls = 0;

  now(): number {
    return this.#kernel.nowUs / 1000;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = this.#kernel.after(Math.ceil(Math.max(0, delayMs) * 1000), run);
    return { cancel: () => this.#kernel.cancel(timer) };
  }

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

/** Node starts an immediate only when no promise has anything left to run. */
function promises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
