/**
 * The parts of a board besides its radio and its flash: clock, random numbers, sleep, and the few bytes that outlive a
 * life.
 *
 * `board.ts` is the real board; the tests bring their own. No call here fails. A board that cannot do one of them is
 * broken, and restarts.
 */
import type { Clock, Random } from "../throwie/ports.ts";

/**
 * Why this life began. power: the power came. timer: the sleep was over. crash: the life before ended in an error.
 * watchdog: the life before was stuck, and the watchdog ended it. other: for example, a computer or a debugger reset
 * the board.
 */
export type WakeCause = "power" | "timer" | "crash" | "watchdog" | "other";

/** The number of bytes that outlive sleep and restart. A loss of power sets them to 0. */
export const MEMORY_BYTES = 16;

export interface Memory {
  /** Copy the memory into the first MEMORY_BYTES of `into`. */
  read(into: Uint8Array): void;
  /** Copy the first MEMORY_BYTES of `from` into the memory. */
  write(from: Uint8Array): void;
}

export interface Board extends Clock, Random {
  readonly wakeCause: WakeCause;
  readonly memory: Memory;
  /** Set the processor's clock, once, before the radio is opened. Throws an Error if the chip has no such clock. */
  setClock(mhz: number): void;
  /**
   * Keep the RETAINED_BYTES (modules/throwie/retained.ts) of `from` for the next life. After a loss of power the bytes
   * may be noise: whoever takes them must find out.
   */
  retain(from: Uint8Array): void;
  /** Take the retained bytes into `into`, and clear them, because they are true only until something changes. */
  recall(into: Uint8Array): void;
  /** Deep sleep. The radio must be closed. The board wakes by a boot. */
  sleep(ms: number): never;
  /**
   * Up to so many milliseconds, a light sleep costs this chip less charge than a deep sleep and its boot
   * (docs/power.md, "Deep sleep or light sleep"). 0: the chip's currents are not known.
   */
  lightSleepMsMax(): number;
  /**
   * Light sleep: RAM is kept, and the call returns when it is over. The radio must be closed. False: the chip refused,
   * and did not sleep.
   */
  lightSleep(ms: number): boolean;
  restart(): never;
  /**
   * A loop that does not call this for 30 seconds is stuck, and the board restarts. A mount takes longest: some
   * seconds.
   */
  feedWatchdog(): void;
  /** Print one line of ASCII for a person who watches the serial port. */
  log(line: string): void;
}
