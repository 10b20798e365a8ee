/**
 * The board's event loop: a turn when it is due, a turn soon after something happened, and sleep when there is nothing to
 * stay awake for.
 *
 * One timer, made once: scheduling it makes no garbage. It repeats at the interval it was last given, because the SDK
 * forgets a timer that does not; each turn gives it another. What happens between two turns, a burst of frames for one,
 * is served by one turn.
 *
 * Whatever is thrown in here reaches XS, and so ends this life (`crash-log.ts`): an error that was caught and passed over
 * would leave a node that nobody has thought about.
 */
import Timer from "timer";
import type { Board } from "./ports.ts";

/** A node, or a dongle. */
export interface Task {
  /** Do what is due. Returns when to call again at the latest, in clock milliseconds. */
  turn(): number;
}

/** What decides about sleep, for a board that may. */
export interface Rest {
  /** Until when the board is to be awake, as far as is known now. */
  awakeUntil(now: number): number;
  /** Nothing keeps it awake: put it to sleep. */
  sleep(now: number): never;
}

/** The timer's tick. */
const SOON_MS = 1;

export class Loop {
  readonly #board: Board;
  readonly #task: Task;
  readonly #rest: Rest | undefined;
  readonly #timer: Timer;

  constructor(board: Board, task: Task, rest?: Rest) {
    this.#board = board;
    this.#task = task;
    this.#rest = rest;
    this.#timer = Timer.set(() => this.#turn(), SOON_MS, SOON_MS);
  }

  /** Something happened: a frame was heard, or the radio has room. */
  wake(): void {
    Timer.schedule(this.#timer, SOON_MS, SOON_MS);
  }

  #turn(): void {
    this.#board.feedWatchdog();
    let dueMs = this.#task.turn();
    const now = this.#board.now();
    if (this.#rest !== undefined) {
      const awakeUntilMs = this.#rest.awakeUntil(now);
      if (now >= awakeUntilMs) this.#rest.sleep(now);
      dueMs = Math.min(dueMs, awakeUntilMs);
    }
    const intervalMs = Math.max(dueMs - now, SOON_MS);
    Timer.schedule(this.#timer, intervalMs, intervalMs);
  }
}
