/**
 * Stops a board that crashes in every life from doing so at full power for ever (docs/firmware.md, "Crashes").
 *
 * Crashes and stuck loops are counted in the few bytes that outlive them. From the third in a row on, the board sleeps
 * before it starts again: first for a minute, then twice as long each time, at most an hour. The count goes back to 0
 * when a life has lasted, when the board went to sleep normally (sleeper.ts), and when someone removed the power or
 * reset the board.
 *
 * `restrain` must run before anything else starts, so that it covers a crash in any part. A board that wakes from such
 * a sleep continues its start.
 */
import Timer from "timer";
import type { Kept } from "./kept.ts";
import type { Log } from "./log.ts";
import type { Board } from "./ports.ts";

/** Two crashes may be an accident, and people may wait beside the board. */
const PATIENCE_CRASHES = 3;
/** Far longer than a start, which takes a second. So the board draws almost no current on average. */
const SLEEP_MS_MIN = 60_000;
/** The cause may be neighbours that move on, so a board must not miss its town for a day. */
const SLEEP_MS_MAX = 3_600_000;
/** Long enough for many contacts, and for everything that a board does by the clock. */
const LASTING_MS = 600_000;

export function restrain(board: Board, kept: Kept, log: Log): void {
  const { wakeCause } = board;
  if (wakeCause === "crash" || wakeCause === "watchdog") {
    kept.keepCrashes(kept.crashes + 1);
    const over = kept.crashes - PATIENCE_CRASHES;
    if (over >= 0) {
      // The bound on the doublings prevents an overflow of the shift. Six doublings already exceed SLEEP_MS_MAX.
      const sleepMs = Math.min(SLEEP_MS_MIN << Math.min(over, 6), SLEEP_MS_MAX);
      log.say(`crashed ${kept.crashes} times in a row: sleeping for ${sleepMs} ms`);
      board.sleep(sleepMs);
    }
  } else if (wakeCause !== "timer") kept.keepCrashes(0);
  // The timer repeats, because the SDK frees a timer that does not repeat.
  Timer.set(() => kept.keepCrashes(0), LASTING_MS, LASTING_MS);
}
