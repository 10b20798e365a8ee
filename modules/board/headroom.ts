/**
 * What the board has left of its memory and of its tasks' stacks (docs/firmware.md, "Memory"). A leak and a stack that
 * is too small show in these figures before they end a life.
 *
 * A board says them when it was awake for a minute, and then once a day. A board that sleeps lives for moments, so it
 * says them in the first life of each day. A dongle's log would disturb its line, so a dongle only tells them to a host
 * that asks.
 */
import type { Log } from "./log.ts";
import type { Board } from "./ports.ts";

declare function native(name: string): { call(self: unknown, ...parameters: unknown[]): never };

const DAY_MS = 86_400_000;
/** After that time the radio and the line have what they need. */
const SETTLED_MS = 60_000;

/** Free memory, its low-water mark, and what each stack never used, in bytes. One line of ASCII. */
export function headroom(): string {
  return native("xs_board_headroom").call(undefined);
}

export interface HeadroomLogOptions {
  board: Board;
  log: Log;
  task: Turning;
  /** For a board that sleeps: how long its sleeps are. */
  sleepMs?: number;
}

/** A task of the loop (loop.ts). */
interface Turning {
  turn(): number;
}

/** A task that also logs the headroom. */
export class HeadroomLog implements Turning {
  readonly #board: Board;
  readonly #log: Log;
  readonly #task: Turning;
  #dueMs: number;

  constructor({ board, log, task, sleepMs }: HeadroomLogOptions) {
    this.#board = board;
    this.#log = log;
    this.#task = task;
    const now = board.now();
    // The clock goes on during sleep. A day that began during the sleep before this life has no line yet.
    const slept = sleepMs !== undefined && board.wakeCause === "timer";
    this.#dueMs = slept ? dayAfter(now - sleepMs) : now + SETTLED_MS;
  }

  turn(): number {
    const dueMs = this.#task.turn();
    const now = this.#board.now();
    if (now >= this.#dueMs) {
      this.#dueMs = dayAfter(now);
      this.#log.say(headroom());
    }
    return dueMs;
  }
}

/** When the next day of the board's clock begins. */
function dayAfter(ms: number): number {
  return (Math.floor(ms / DAY_MS) + 1) * DAY_MS;
}
