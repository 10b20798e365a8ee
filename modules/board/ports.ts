/**
 * What a board is besides its radio and its flash: clock, chance, sleep, and the few bytes that outlive it.
 *
 * `board.ts` is the real one; the tests bring their own. Nothing here fails: a board that cannot do one of these is
 * broken, and restarts.
 */
import type { Clock, Random } from "../throwie/ports.ts";

/**
 * Why this life began: the power came; the sleep was over; the life before ended in an error, in a silence that the
 * watchdog broke, or in some other way: a computer or a debugger reset it.
 */
export type WakeCause = "power" | "timer" | "crash" | "watchdog" | "other";

/** Bytes that outlive sleep and restart, not the loss of power: they are then zeros. */
export const MEMORY_BYTES = 16;

export interface Memory {
  /** Into the first MEMORY_BYTES of `into`. */
  read(into: Uint8Array): void;
  /** The first MEMORY_BYTES of `from`. */
  write(from: Uint8Array): void;
}

export interface Board extends Clock, Random {
  readonly wakeCause: WakeCause;
  readonly memory: Memory;
  /** Deep sleep: the radio must be closed. Waking is a boot. */
  sleep(ms: number): never;
  restart(): never;
  /** A loop that does not do so for 30 seconds is stuck, and the board restarts. Mounting takes the longest, seconds. */
  feedWatchdog(): void;
  /** One line of ASCII for whoever watches the serial port. */
  log(line: string): void;
}
