/** The folders that a host program knows: its own package, and the data of this person. It can make the latter. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json. The bundle may stand at any depth below it. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/**
 * The folder for this person's data, by the XDG Base Directory Specification. It may not exist yet. Undefined when
 * neither the environment nor the system's list of users names a folder.
 *
 * By the specification, a path that is not absolute counts as unset. Otherwise the data would depend on the folder in
 * which a command is typed. The same rule holds for HOME.
 */
export function dataFolder(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const data = absolutePath(environment.XDG_DATA_HOME);
  if (data !== undefined) return join(data, "throwie");
  const home = absolutePath(environment.HOME) ?? listedHome();
  return home === undefined ? undefined : join(home, ".local", "share", "throwie");
}

/**
 * Makes a folder that only this user may use, with the folders above it. A folder that is there stays as it is.
 *
 * Node can do this itself, but does not come back from a folder in which nobody can make another, like /proc.
 */
export function makeFolders(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
    if (code !== "ENOENT" || existsSync(dirname(folder))) throw error;
    makeFolders(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
  }
}

/** The path when it is absolute, else undefined. */
function absolutePath(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/** The home that the system lists for this user. A container or a service may run as a user who is not listed. */
function listedHome(): string | undefined {
  try {
    return absolutePath(userInfo().homedir);
  } catch {
    return undefined;
  }
}
