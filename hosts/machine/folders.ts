/** The folders that a program here knows: its own package, and where this person's data is kept. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json, wherever the bundle stands below it. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** This person's data, by the XDG Base Directory Specification. It need not exist yet. */
export function dataFolder(): string {
  return join(process.env.XDG_DATA_HOME ?? join(homedir(), ".local", "share"), "throwie");
}
