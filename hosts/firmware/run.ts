/** Runs a tool of a builder, which says on this terminal what it does. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { packageFolder } from "../machine/folders.ts";

/** Throws an Error of one sentence when the tool does not start, or fails. */
export function run(command: string, words: string[], environment: NodeJS.ProcessEnv): void {
  const { status, error } = spawnSync(command, words, { cwd: packageFolder(), env: environment, stdio: "inherit" });
  if (error !== undefined) throw new Error(`${command} did not start: ${error.message}`);
  if (status !== 0) throw new Error(`${command} failed with status ${status}; its messages are above.`);
  process.exitCode = 0;
}
