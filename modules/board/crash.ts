/**
 * The end of a life by an uncaught error, and the report of that error in the next life (crash-log.ts).
 *
 * Before XS gives up, it calls the global `abort` with the reason, and with the thrown value if there is one. The
 * manifest asks for this (`defines.xs.abortHook`). XS does not call `abort` when the stack overflowed: such a life ends
 * without a record, and the next life knows only the cause of its start.
 */
import { CrashLog } from "./crash-log.ts";
import type { Log } from "./log.ts";
import { Partition } from "./partition.ts";
import type { Board } from "./ports.ts";

declare global {
  var abort: (reason: string, thrown: unknown) => void;
}

/**
 * From now on, an uncaught error is recorded and restarts the board. Reports the last crash, if no boot has done so.
 */
export function catchUncaught(board: Board, log: Log): void {
  const crashes = new CrashLog(new Partition("crash"));
  let dying = false;
  globalThis.abort = (reason, thrown) => {
    // An error while the record is written, such as a lack of memory, calls this function again.
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
