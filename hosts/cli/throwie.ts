#!/usr/bin/env node
/**
 * The `throwie` command. The options of all subcommands are in commands.ts; each subcommand is a file beside this one.
 *
 * A failure that a person can correct gives one sentence on standard error and exit code 1. `--json` prints JSON on
 * standard output, and nothing else there.
 */
import process from "node:process";
import { harmlessLine } from "../machine/harmless.ts";
import { note, OutputClosed } from "../machine/standard-streams.ts";
import { StopRequest } from "../machine/stop.ts";
import { systemSentence } from "../machine/system-error.ts";
import { commands } from "./commands.ts";
import { refuseSpoiltArguments } from "./text.ts";

/**
 * Ends the command after a failure. What the command had opened may keep the event loop alive, and a supervisor waits
 * for the exit.
 */
function fail(thrown: unknown): never {
  if (thrown instanceof OutputClosed) process.exit(OutputClosed.EXIT_CODE);
  if (thrown instanceof StopRequest) process.exit(thrown.exitCode);
  const error: NodeJS.ErrnoException = thrown instanceof Error ? thrown : new Error(String(thrown));
  note(harmlessLine(`throwie: ${systemSentence(error, error.path || "a file or device") ?? error.message}`));
  if (process.env.THROWIE_DEBUG !== undefined) note(error.stack ?? "");
  process.exit(1);
}

process.on("uncaughtException", fail);
try {
  refuseSpoiltArguments();
  await commands().parseAsync();
} catch (error) {
  fail(error);
}
