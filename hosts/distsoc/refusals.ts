/**
 * The log of what was refused, in few lines.
 *
 * The problem: anyone can make a node refuse something a thousand times a second, and each line of a log costs space on
 * a disk.
 *
 * The rule: in each minute the first LINES_A_MINUTE refusals have a line each. The others are counted by their reasons,
 * and the line `refusals` tells the sums at the end of the minute.
 *
 * Invariant: refusals cause at most LINES_A_MINUTE + 1 lines in a minute, and each refusal is in exactly one line. The
 * reasons are of a closed set, but a reason may name a code of a peer, so REASONS_MAX bounds them.
 */
import type { Timer, Timers } from "../retry/timers.ts";
import type { LogLine, OverlayLog } from "./ports.ts";

const LINES_A_MINUTE = 6;
const MINUTE_MS = 60_000;
const REASONS_MAX = 32;

export class Refusals {
  readonly #log: OverlayLog;
  readonly #timers: Timers;
  readonly #sums = new Map<string, number>();
  #lines = 0;
  /** The end of the minute. Between minutes nothing was refused. */
  #minute: Timer | undefined;

  constructor(log: OverlayLog, timers: Timers) {
    this.#log = log;
    this.#timers = timers;
  }

  /** The line is logged now, or only its reason is counted. */
  note(line: LogLine, reason: string): void {
    this.#minute ??= this.#timers.after(MINUTE_MS, () => this.#end());
    if (this.#lines < LINES_A_MINUTE) {
      this.#lines += 1;
      this.#log.warn(line);
    } else {
      this.count(reason);
    }
  }

  /** Only the sum matters. */
  count(reason: string): void {
    this.#minute ??= this.#timers.after(MINUTE_MS, () => this.#end());
    const known = this.#sums.has(reason) || this.#sums.size < REASONS_MAX ? reason : "other";
    this.#sums.set(known, (this.#sums.get(known) ?? 0) + 1);
  }

  /** Logs the sums that are left. */
  stop(): void {
    this.#minute?.cancel();
    this.#end();
  }

  #end(): void {
    this.#minute = undefined;
    this.#lines = 0;
    if (this.#sums.size === 0) return;
    this.#log.warn({ event: "refusals", reasons: Object.fromEntries(this.#sums) });
    this.#sums.clear();
  }
}
