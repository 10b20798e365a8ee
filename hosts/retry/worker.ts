import { Backoff, type RetryTimings } from "./backoff.ts";
import type { Timer, Timers } from "./timers.ts";

export interface WorkerOptions {
  timers: Timers;
  timings: RetryTimings;
  job(): Promise<"done" | "again">;
  /** Receives an error that the job threw. */
  onFault(error: unknown): void;
}

/**
 * Runs one job repeatedly, and never two runs at the same time. `wake` asks for a run soon. The job returns "again"
 * when it wants another run after a delay, and "done" when it does not. An error that the job throws goes to `onFault`
 * and counts as "again".
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

  /** Starts a run immediately, or right after the run that is under way. */
  wake(): void {
    if (this.#stopped) return;
    this.#woken = true;
    if (!this.#running) void this.#run();
  }

  /** After this call no run begins. This call does not wait for a run that is under way. */
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
