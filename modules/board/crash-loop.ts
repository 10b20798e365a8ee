/**
 * Keeps a board that crashes in every life from doing so at full power for ever (docs/firmware.md, "Crashes").
 *
 * Crashes and stuck loops are counted in the few bytes that outlive them. From the third in a row on, the board sleeps
 * before it starts again: first a minute, then twice as long each time, at most an hour. The count is forgotten when a
 * life has lasted, when it went to sleep as it should (sleeper.ts), and when someone took the power or reset the board.
 *
 * To be asked before anything else is started, so that it holds whatever it is that crashes. A board woken from such a sleep
 * goes on to start.
 */
import Timer from "timer";
import type { Kept } from "./kept.ts";
import type { Log } from "./log.ts";
import type { Board } from "./ports.ts";

/** Two may be an accident, and people within reach. */
const PATIENCE_CRASHES = 3;
/** Far longer than a start of a second, so that it draws next to nothing on average. */
const SLEEP_MS_MIN = 60_000;
/** What was wrong may be the neighbours, who move on: a board must not miss its town for a day. */
const SLEEP_MS_MAX = 3_600_000;
/** Many contacts, and all that a board does by the clock. */
const LASTING_MS = 600_000;

export function restrain(board: Board, kept: Kept, log: Log): void {
  const { wakeCause } = board;
  if (wakeCause === "crash" || wakeCause === "watchdog") {
    kept.keepCrashes(kept.crashes + 1);
    const over = kept.crashes - PATIENCE_CRASHES;
    if (over >= 0) {
      // So many doublings that no shift overflows, and more than lead to the longest.
      const sleepMs = Math.min(SLEEP_MS_MIN << Math.min(over, 6), SLEEP_MS_MAX);
      log.say(`crashed ${kept.crashes} times in a row: sleeping for ${sleepMs} ms`);
      board.sleep(sleepMs);
    }
  } else if (wakeCause !== "timer") kept.keepCrashes(0);
  // It repeats, because the SDK forgets a timer that does not.
  Timer.set(() => kept.keepCrashes(0), LASTING_MS, LASTING_MS);
}
