/**
 * Which names can be a store's file.
 *
 * A person names any path, by tab-completion or by mistake, and a file holds Drops that nobody can send again. So a
 * name that cannot be a store is refused before anything is opened for writing: an empty name, a folder, a pipe, a
 * socket, a device, a file that the kernel makes up (/proc, /sys), a link to nothing. The check is made again on the
 * open file, so no other file can take its place between.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileSystemOf } from "../machine/file-system.ts";
import { dataFolder, makeFolders } from "../machine/folders.ts";

/** File systems whose files are made up by the kernel. A new file in /dev would take the place of a device. */
const MADE_UP =
  /^(proc|sysfs|devtmpfs|devpts|cgroup2?|debugfs|tracefs|securityfs|configfs|bpf|pstore|efivarfs|selinuxfs|binfmt_misc|mqueue|fusectl)$/;
/** 0 where the system has no such flag. A pipe or a device must not keep the program waiting. */
export const NO_WAIT = (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** Opens a file that is there. Undefined when nothing has this name. Throws a sentence when it cannot be a store. */
export function openExisting(path: string, access: number): number | undefined {
  if (path === "") refuse("The name of the store is empty: name a file.");
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
      refuse(`${path} is a link to a file that does not exist: name the file itself.`);
    return undefined;
  }
  refuseKind(path, stats);
  let file: number;
  try {
    file = openSync(path, access | NO_WAIT);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    refuseKind(path, fstatSync(file));
    refuseMadeUp(path, file);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function refuseKind(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory() ? "folder" : stats.isFIFO() ? "pipe" : stats.isSocket() ? "socket" : "device";
  refuse(`${path} is a ${kind}: name a file for the Drops.`);
}

function refuseMadeUp(path: string, file: number): void {
  const kind = fileSystemOf(file);
  if (kind !== undefined && MADE_UP.test(kind))
    refuse(`${path} is in a file system of the kernel (${kind}), which keeps nothing: name another file.`);
}

/** Throws a sentence when no new file can have this name, because of its folder. Creates nothing. */
export function refuseFolder(path: string): void {
  const folder = dirname(resolve(path));
  let above = folder;
  while (statSync(above, { throwIfNoEntry: false }) === undefined && above !== dirname(above)) above = dirname(above);
  if (above !== folder && folder !== dataFolder())
    refuse(`There is no folder ${folder}: create the folder, or name another file.`);
  let file: number;
  try {
    file = openSync(above, constants.O_RDONLY | NO_WAIT);
  } catch {
    // A folder that this user may write but not list.
    return;
  }
  try {
    refuseMadeUp(path, file);
  } finally {
    closeSync(file);
  }
}

/** Makes the folder ready for a new file. Only the data folder is created: a typing error must not make a tree. */
export function prepareFolder(path: string): void {
  refuseFolder(path);
  makeFolders(dirname(resolve(path)));
}

export function refuse(sentence: string): never {
  throw new Error(sentence);
}
