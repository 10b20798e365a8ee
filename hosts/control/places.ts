/**
 * Where the socket of a running node lies: a command finds it from the store file alone.
 *
 * The name has the device and the inode of the store file, so every link, relative name and other mount of the file
 * leads to the same socket. It lies in a folder of its own, below the folder of the user's session (XDG_RUNTIME_DIR)
 * and below /tmp. A node serves both, and a command tries both, because the two may run with different environments: in
 * a terminal, from cron, as a service.
 *
 * Every user may write to /tmp. A name that all can foresee could be taken by a stranger first, and then the node would
 * have no place. So the name of the folder ends at random, and a command lists the names that begin right. A folder
 * counts only if it is a real folder of the right owner that nobody else may use, in a folder where no other user can
 * replace it. Other users cannot connect: the folder has mode 0700, and the socket 0600.
 *
 * Refuses a name that is longer than a socket's name may be: the system would cut it short. On Windows there are no
 * places.
 */
import { type BigIntStats, chmodSync, lstatSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import process from "node:process";

/** The largest name of a socket on macOS; Linux allows 107 bytes. */
const SOCKET_NAME_BYTES_MAX = 103;
const NAME = /^throwie-\d+-\d+-[0-9A-Za-z]{6}$/;
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

/**
 * The places of the store file where a command may talk to a node: those of this user, and those of the owner of the
 * file. The owner may do with the file what they want, so a node of theirs is as good as one of this user. This is how
 * root writes to a service's store.
 */
export function placesOf(storePath: string): Place[] {
  const store = storeStats(storePath);
  return store === undefined ? [] : placesOfStore(store, [self(), Number(store.uid)]);
}

/**
 * Places of this user that no node serves, most likely. The caller holds the store's lock, so those of the store itself
 * are dead. Of the others, those that no node has touched for a while: killed nodes leave them behind, and a store in a
 * temporary folder never comes back to its place. A node that runs may be among the others.
 */
export function leftPlaces(storePath: string, nowMs: number): { ofStore: Place[]; others: Place[] } {
  const store = storeStats(storePath);
  const touchedMs = (folder: string): number => Number(statsOf(() => lstatSync(folder, BIG))?.mtimeMs ?? nowMs);
  const others = bases()
    .flatMap((base) => placesIn(base, "throwie-", [self()]))
    .filter(({ folder }) => touchedMs(folder) < nowMs - OLD_MS);
  return {
    ofStore: store === undefined ? [] : placesOfStore(store, [self()]),
    others: others.slice(0, OLD_PLACES_MAX),
  };
}

/** Makes the folders of new places for this user's node. A base where the system refuses is left out. */
export function makePlaces(storePath: string): Place[] {
  const store = storeStats(storePath);
  if (store === undefined) return [];
  return bases().flatMap((base) => {
    const prefix = join(base, prefixOf(store));
    const { socket } = placeAt(`${prefix}random`);
    if (Buffer.byteLength(socket) > SOCKET_NAME_BYTES_MAX) return [];
    try {
      const folder = mkdtempSync(prefix);
      // The umask may have taken rights away from the owner too.
      chmodSync(folder, 0o700);
      return [placeAt(folder)];
    } catch {
      return [];
    }
  });
}

function placesOfStore(store: BigIntStats, owners: number[]): Place[] {
  return bases().flatMap((base) => placesIn(base, prefixOf(store), owners));
}

/** The places below this folder whose names begin so, and that belong to one of these users. */
function placesIn(base: string, prefix: string, owners: number[]): Place[] {
  return namesIn(base)
    .filter((name) => name.startsWith(prefix) && NAME.test(name))
    .map((name) => placeAt(join(base, name)))
    .filter(({ folder }) => belongsTo(folder, owners));
}

function prefixOf(store: BigIntStats): string {
  return `throwie-${store.dev}-${store.ino}-`;
}

function placeAt(folder: string): Place {
  return { folder, socket: join(folder, "node") };
}

/** The folders that may hold places. */
function bases(): string[] {
  if (self() < 0) return [];
  const bases = new Set([process.env.XDG_RUNTIME_DIR ?? "", "/tmp"].filter(isAbsolute).map((base) => resolve(base)));
  return [...bases].filter((base) => keepsEntries(statsOf(() => statSync(base, BIG))));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function belongsTo(folder: string, owners: number[]): boolean {
  const stats = statsOf(() => lstatSync(folder, BIG));
  return stats?.isDirectory() === true && owners.includes(Number(stats.uid)) && (stats.mode & RIGHTS_OF_OTHERS) === 0n;
}

/** Whether no other user can replace an entry of this folder: the folder is ours alone, or sticky as /tmp is. */
function keepsEntries(folder: BigIntStats | undefined): boolean {
  if (folder?.isDirectory() !== true) return false;
  return (folder.mode & STICKY) !== 0n || (Number(folder.uid) === self() && (folder.mode & WRITE_OF_OTHERS) === 0n);
}

/** The number of this user; -1 where the system has none. */
function self(): number {
  return process.getuid?.() ?? -1;
}

function storeStats(path: string): BigIntStats | undefined {
  return statsOf(() => statSync(path, BIG));
}

function statsOf(look: () => BigIntStats): BigIntStats | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
