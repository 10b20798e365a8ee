/**
 * The kind of file system that holds an open file, like "vfat", "nfs4" or "proc".
 *
 * A person can do something about a refusal only if the sentence names the file system: the same path looks the same on
 * every disk. Linux tells the kind for an open file, so no other file can take its place meanwhile.
 *
 * Refuses to guess: where the system does not tell, the answer is undefined.
 */
import { readFileSync } from "node:fs";

export function fileSystemOf(file: number): string | undefined {
  try {
    const mount = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, "latin1"))?.[1];
    const mounts = readFileSync("/proc/self/mountinfo", "latin1").split("\n");
    return / - (\S+) /.exec(mounts.find((line) => line.startsWith(`${mount} `)) ?? "")?.[1];
  } catch {
    return undefined;
  }
}

/** The file system of an open file, for a sentence: "the file system (vfat) of PATH". */
export function fileSystemWords(file: number, path: string): string {
  const kind = fileSystemOf(file);
  return `the file system${kind === undefined ? "" : ` (${kind})`} of ${path}`;
}
