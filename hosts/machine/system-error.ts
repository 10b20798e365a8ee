/**
 * What a failure of the system means for a person.
 *
 * Node reports such a failure as an Error with a code, like "EISDIR: illegal operation on a directory, read". This file
 * turns the code into one sentence: what is wrong, with which thing, and what to do. All commands use this one table,
 * so the same failure reads the same everywhere.
 *
 * Refuses nothing: a code that the table does not have gives a sentence with the system's own words.
 */
import { getSystemErrorMap } from "node:util";

/** Each function takes the name of the thing, usually a path, and returns the sentence. */
const SENTENCES: Record<string, (what: string) => string> = {
  EACCES: (what) => `This user may not use ${what}: change the permissions of the file or its folder, or name another.`,
  EADDRINUSE: (what) => `Another program uses ${what}: stop that program, or name another address.`,
  EADDRNOTAVAIL: (what) => `${what} is not an address of this machine: name one of its own addresses.`,
  EAGAIN: (what) => `${what} is not ready: try again.`,
  EBADF: (what) => `${what} is closed: open it, or redirect it to a file.`,
  EBUSY: (what) => `${what} is in use: wait for the program that uses it, or name another.`,
  EDQUOT: (what) => `The disk quota of this user is used up at ${what}: remove some files, then try again.`,
  EEXIST: (what) => `${what} exists already: move it away, or name another.`,
  EFBIG: (what) => `${what} would become larger than this system allows: name another file.`,
  EINVAL: (what) => `${what} cannot be used in this way: name another.`,
  EIO: (what) => `The device that holds ${what} fails: save what you need from it, and check the device.`,
  EISDIR: (what) => `${what} is a folder: name a file.`,
  ELOOP: (what) => `The symbolic links at ${what} go in a circle: name the file itself.`,
  EMFILE: (what) =>
    `This program has too many files open, and cannot open ${what}: raise the limit (ulimit -n), then try again.`,
  ENAMETOOLONG: (what) => `The name ${what} is too long for this file system: name another.`,
  ENFILE: (what) =>
    `This machine has too many files open, and cannot open ${what}: close other programs, then try again.`,
  ENODEV: (what) => `There is no device behind ${what}: connect the device, or name another.`,
  ENOENT: (what) => `There is no ${what}: check the name and the folders in it.`,
  ENOMEM: (what) => `There is too little free memory for ${what}: close other programs, then try again.`,
  ENOSPC: (what) => `The disk that holds ${what} is full: make room, then try again.`,
  ENOTDIR: (what) => `A folder is needed at ${what}, and a file is there: name another path.`,
  ENOTEMPTY: (what) => `The folder ${what} is not empty: empty it, or name another.`,
  ENOTSUP: (what) => `The file system of ${what} cannot do this: name a file on another disk.`,
  ENXIO: (what) => `There is no device behind ${what}: connect the device, or name another.`,
  EPERM: (what) => `The system does not allow this with ${what}: check its owner and its file system, or name another.`,
  EPIPE: (what) => `The program that reads ${what} has ended.`,
  EROFS: (what) => `${what} is on a read-only file system: name a file that can be written.`,
  ESTALE: (what) => `The server that holds ${what} no longer knows it: mount the file system again.`,
  ETIMEDOUT: (what) => `${what} does not answer: check the connection, then try again.`,
  ETXTBSY: (what) => `${what} is a program that runs: stop it, or name another.`,
};
SENTENCES.EOPNOTSUPP = SENTENCES.ENOTSUP!;

/**
 * One sentence about a failure of the system. `what` names the thing that failed, usually by its path. Undefined when
 * the error is not a failure of the system.
 */
export function systemSentence(error: unknown, what: string): string | undefined {
  const code = systemCode(error);
  if (code === undefined) return undefined;
  if ((error as NodeJS.ErrnoException).syscall === "uv_cwd")
    return "The current folder was removed: change to another.";
  return SENTENCES[code]?.(what) ?? `${what} cannot be used: ${wordsOf(code)} (${code}).`;
}

/** The code of a failure of the system, like "ENOENT". Undefined for every other error. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errno } = error as NodeJS.ErrnoException;
  return typeof code === "string" && typeof errno === "number" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** The system's own words for a code, like "no such file or directory". */
function wordsOf(code: string): string {
  for (const [name, words] of getSystemErrorMap().values()) if (name === code) return words;
  return "the system refused";
}
