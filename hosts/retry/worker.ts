import { Backoff, type RetryTimings } from "./backoff.ts";

/**
 * Runs one job at a time, again and again as long as there is reason to: `wake` asks for a run soon, `job` answers whether
 * it wants another after a delay. A failure that the job throws goes to `onFault` and counts as "again later".
 */
export class Worker {
  readonly #job: () => Promise<"done" | "again">;
  readonly #backoff: Backoff;
  readonly #onFault: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #woken = false;
  #stopped = false;

  constructor(timings: RetryTimings, job: () => Promise<"done" | "again">, onFault: (error: unknown) => void) {
    this.#backoff = new Backoff(timings);
    this.#job = job;
    this.#onFault = onFault;
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
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.#running = true;
    let outcome: "done" | "again" = "done";
    while (this.#woken && !this.#stopped) {
      this.#woken = false;
      clearTimeout(this.#timer);
      try {
        outcome = await this.#job();
      } catch (error) {
        outcome = "again";
        if (!this.#stopped) this.#onFault(error);
      }
      if (outcome === "done") this.#backoff.reset();
    }
    this.#running = false;
    if (outcome === "again" && !this.#stopped) this.#timer = setTimeout(() => this.wake(), this.#backoff.next());
  }
}
