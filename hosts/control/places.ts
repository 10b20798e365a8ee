/**
 * Where the socket of a running node lies: a command finds it from the store file alone.
 *
 * The name has the device and the inode of the store file, so every link, relative name and other mount of the file
 * leads to the same socket. It lies in a folder of its own, below the folder of the user's session (XDG_RUNTIME_DIR)
 * and below /tmp. A node serves both, and a command tries both, because the two may run with different environments: in
 * a terminal, from cron, as a service.
 *
 * Other users of the machine cannot connect: the folder has mode 0700, and the socket 0600. Every user may write to
 * /tmp. So a folder there counts only if it is a real folder of the right owner that nobody else may use, in a folder
 * where no other user can replace it.
 *
 * Refuses a name that is longer than a socket's name may be: the system would cut it short. On Windows there are no
 * places.
 */
import { type BigIntStats, chmodSync, lstatSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import process from "node:process";

/** The largest name of a socket on macOS; Linux allows 107 bytes. */
const SOCKET_NAME_BYTES_MAX = 103;
const NAME = /^throwie-\d+-\d+$/;
/** A node takes much less time to make a folder and to listen there. */
const OLD_MS = 600_000;
/** The rest waits for the next node. */
const OLD_PLACES_MAX = 64;
const BIG = { bigint: true } as const;
const STICKY = 0o1000n;
const WRITE_OF_OTHERS = 0o022n;
const RIGHTS_OF_OTHERS = 0o077n;

export interface Place {
  readonly folder: string;
  readonly socket: string;
}

/** The places that belong to the store file, as the file is named now. None if there is no such file. */
export function placesOf(storePath: string): Place[] {
  const store = statSync(storePath, { bigint: true, throwIfNoEntry: false });
  return store === undefined ? [] : bases().flatMap((base) => placeIn(base, `throwie-${store.dev}-${store.ino}`));
}

/**
 * Places of this user that no node has touched for a while. Killed nodes leave them behind, and a store in a temporary
 * folder never comes back to its place. A node that runs may be among them.
 */
export function oldPlaces(nowMs: number): Place[] {
  return bases()
    .flatMap((base) => namesIn(base).flatMap((name) => (NAME.test(name) ? placeIn(base, name) : [])))
    .filter(({ folder }) => belongsTo(folder, [process.getuid?.() ?? -1]))
    .filter(({ folder }) => Number(statsOf(() => lstatSync(folder, BIG))?.mtimeMs ?? nowMs) < nowMs - OLD_MS)
    .slice(0, OLD_PLACES_MAX);
}

/** The folders that may hold places. */
function bases(): string[] {
  const self = process.getuid?.();
  if (self === undefined) return [];
  const bases = new Set([process.env.XDG_RUNTIME_DIR ?? "", "/tmp"].filter(isAbsolute).map((base) => resolve(base)));
  return [...bases].filter((base) =>
    keepsEntries(
      statsOf(() => statSync(base, BIG)),
      self,
    ),
  );
}

function placeIn(base: string, name: string): Place[] {
  const folder = join(base, name);
  const socket = join(folder, "node");
  return Buffer.byteLength(socket) <= SOCKET_NAME_BYTES_MAX ? [{ folder, socket }] : [];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Makes the folder of a place for this user's node. False: another user has it, or the system refuses. */
export function makePlace({ folder }: Place): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    // The umask may have taken rights away from the owner too.
    chmodSync(folder, 0o700);
  } catch {
    // A node that was killed leaves its folder behind.
  }
  return belongsTo(folder, [process.getuid?.() ?? -1]);
}

/**
 * Whether a command may talk to a node at this place. The owner of the store file may do with the file what they want,
 * so a node of theirs is as good as one of this user. This is how root writes to a service's store.
 */
export function trusted({ folder }: Place, storePath: string): boolean {
  const store = statsOf(() => statSync(storePath, BIG));
  return store !== undefined && belongsTo(folder, [process.getuid?.() ?? -1, Number(store.uid)]);
}

function belongsTo(folder: string, owners: number[]): boolean {
  const stats = statsOf(() => lstatSync(folder, BIG));
  return stats?.isDirectory() === true && owners.includes(Number(stats.uid)) && (stats.mode & RIGHTS_OF_OTHERS) === 0n;
}

/** Whether no other user can replace an entry of this folder: the folder is ours alone, or sticky as /tmp is. */
function keepsEntries(folder: BigIntStats | undefined, self: number): boolean {
  if (folder?.isDirectory() !== true) return false;
  return (folder.mode & STICKY) !== 0n || (Number(folder.uid) === self && (folder.mode & WRITE_OF_OTHERS) === 0n);
}

function statsOf(look: () => BigIntStats): BigIntStats | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
