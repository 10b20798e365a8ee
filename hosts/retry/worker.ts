import { Backoff, type RetryTimings } from "./backoff.ts";
import type { Timer, Timers } from "./timers.ts";

export interface WorkerOptions {
  timers: Timers;
  timings: RetryTimings;
  job(): Promise<"done" | "again">;
  /** Is given what the job threw. */
  onFault(error: unknown): void;
}

/**
 * Runs one job at a time, again and again as long as there is reason to: `wake` asks for a run soon, `job` answers whether
 * it wants another after a delay. A failure that the job throws goes to `onFault` and counts as "again later".
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #backoff: Backoff;
  #timer: Timer | undefined;
  #running = false;
  #woken = false;
  #stopped = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.timings);
  }

  /** Run at once, or right after the run that is under way. */
  wake(): void {
    if (this.#stopped) return;
    this.#woken = true;
    if (!this.#running) void this.#run();
  }

  /** No run begins after this; one that is under way is not awaited. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #run(): Promise<void> {
    this.#running = true;
    let outcome: "done" | "again" = "done";
    while (this.#woken && !this.#stopped) {
      this.#woken = false;
      this.#timer?.cancel();
      try {
        outcome = await this.#options.job();
      } catch (error) {
        outcome = "again";
        if (!this.#stopped) this.#options.onFault(error);
      }
      if (outcome === "done") this.#backoff.reset();
    }
    this.#running = false;
    if (outcome === "done" || this.#stopped) return;
    this.#timer = this.#options.timers.after(this.#backoff.next(), () => this.wake());
  }
}
