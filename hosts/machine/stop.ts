/**
 * Ends a command when it is asked to: by SIGINT (Ctrl-C), SIGTERM (a supervisor) or SIGHUP (the terminal was closed).
 *
 * A command that has a store open must come to the end of its step, write what is only in memory, and remove its
 * socket. So the first signal only aborts the AbortSignal, and the command does the rest. A person who sends a second
 * signal is impatient: the process ends at once.
 *
 * Not every second signal comes from an impatient person. A terminal sends Ctrl-C to all its programs, and a program
 * like npx passes it on to its child once more. A shell does the same with SIGHUP, and systemd sends SIGHUP right after
 * SIGTERM. So a second SIGHUP never ends the process, and another signal only after a moment.
 */
import { closeSync, openSync } from "node:fs";
import { constants, devNull } from "node:os";
import process from "node:process";
import { isatty } from "node:tty";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type StopName = (typeof SIGNALS)[number];
const SAME_REQUEST_MS = 300;

/** The reason of the abort. A command that did not begin its work passes it on as its error. */
export class StopRequest extends Error {
  /** The exit code of a command that a signal interrupted, by the convention of shells. */
  readonly exitCode: number;

  constructor(name: StopName) {
    super(`stopped by ${name}`);
    this.exitCode = 128 + constants.signals[name];
  }
}

/** From now on the signals do not end the process, but abort the result. To be called once in a process. */
export function stopRequests(): AbortSignal {
  const requested = new AbortController();
  let firstMs: number | undefined;
  const terminals = [0, 1, 2].filter((file) => isatty(file));
  process.on("exit", () => leaveClosed(terminals));
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (firstMs === undefined) {
        firstMs = performance.now();
        requested.abort(new StopRequest(name));
      } else if (name !== "SIGHUP" && performance.now() - firstMs >= SAME_REQUEST_MS) {
        process.exit(new StopRequest(name).exitCode);
      }
    });
  }
  return requested.signal;
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Gives up the terminals that were closed meanwhile. Node restores the modes of its terminals when it exits, and
 * crashes if one of them is gone.
 */
function leaveClosed(terminals: number[]): void {
  for (const file of terminals.filter((open) => !isatty(open))) {
    closeSync(file);
    // The system gives the smallest free number, which is that of the closed file.
    openSync(devNull, "r+");
  }
}
