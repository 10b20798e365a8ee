/**
 * The board's event loop: a turn when one is due, a turn soon after an event, and sleep when nothing keeps the board
 * awake.
 *
 * There is one timer, made once, so scheduling it makes no garbage. The timer repeats, because the SDK frees a timer
 * that does not. Each turn gives it another interval. One turn serves all events since the turn before, for example a
 * burst of frames.
 *
 * An exception here reaches XS and ends this life (`crash.ts`). Catching it and going on would leave the node in a
 * state that nobody has designed.
 */
import Timer from "timer";
import type { Board } from "./ports.ts";

/** A node or a dongle. */
export interface Task {
  /** Do the work that is due. Returns when to call again at the latest, in clock milliseconds. */
  turn(): number;
}

/** Decides about sleep, on a board that may sleep. */
export interface Rest {
  /** Until when the board must be awake, as far as is known now. */
  awakeUntil(now: number): number;
  /** Nothing keeps the board awake: put the board to sleep. Returns if RAM was kept; then a turn is due. */
  sleep(now: number): void;
}

/** The shortest interval of the timer. */
const SOON_MS = 1;
/** A task that asks for no turn gets one after this time, a third of the watchdog's 30 seconds. */
const IDLE_MS_MAX = 10_000;

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

  /** Run a turn soon, because something happened: a frame was received, or the radio has room. */
  wake(): void {
    Timer.schedule(this.#timer, SOON_MS, SOON_MS);
  }

  #turn(): void {
    this.#board.feedWatchdog();
    let dueMs = this.#task.turn();
    const now = this.#board.now();
    if (this.#rest !== undefined) {
      const awakeUntilMs = this.#rest.awakeUntil(now);
      if (now >= awakeUntilMs) {
        this.#rest.sleep(now);
        dueMs = now;
      } else dueMs = Math.min(dueMs, awakeUntilMs);
    }
    const intervalMs = Math.min(Math.max(dueMs - now, SOON_MS), IDLE_MS_MAX);
    Timer.schedule(this.#timer, intervalMs, intervalMs);
  }
}
