/**
 * The end of a life by an uncaught error, and its telling in the next (crash-log.ts).
 *
 * XS calls the global `abort` with the reason, and with what was thrown if something was, before it gives up; the
 * manifest asks for that (`defines.xs.abortHook`). It does not for a stack that overflowed: such a life ends untold, and
 * the next knows only its cause.
 */
import { CrashLog } from "./crash-log.ts";
import type { Log } from "./log.ts";
import { Partition } from "./partition.ts";
import type { Board } from "./ports.ts";

declare global {
  var abort: (reason: string, thrown: unknown) => void;
}

/** From now on an uncaught error is written down and restarts the board. Tells of the last one, if nobody has. */
export function catchUncaught(board: Board, log: Log): void {
  const crashes = new CrashLog(new Partition("crash"));
  let dying = false;
  globalThis.abort = (reason, thrown) => {
    // What fails while it is written down, for want of memory for one, comes here again.
    if (dying) board.restart();
    dying = true;
    try {
      crashes.write(thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : reason, board.now());
    } finally {
      board.restart();
    }
  };
  const crash = crashes.tell();
  if (crash === undefined) return;
  log.say(`crash ${crash.number} of this board, after ${crash.uptimeS} s: ${crash.message}`);
}
