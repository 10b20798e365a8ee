/**
 * The tables of a gateway's database, and how its file is opened.
 *
 * | table      | a row is                                                                                       |
 * |------------|------------------------------------------------------------------------------------------------|
 * | identity   | the only row: the NodeId that owns this database, and the next own sequence number              |
 * | posts      | a verified post of this node or of another author, with the DropId of its Drop                  |
 * | deliveries | the outbox: an own post for one peer; state 0 means owed, 1 means delivered                     |
 * | awaiting   | a post of another author whose Drop the air store does not hold yet                             |
 *
 * Invariant: a transaction is on the disk when it ends (write-ahead log, synchronous FULL). Only the owner of the files
 * may read them, because they tell who sent what to whom.
 *
 * It refuses a file of a newer version of the schema, a file of another program, and a file that is no database. Such a
 * file is not changed.
 */
import { closeSync, existsSync, fchmodSync, openSync, statSync } from "node:fs";
import Libsql from "libsql";
import { PostsFault } from "../../distsoc/ports.ts";
import { keepPathToOwner, PRIVATE_MODE } from "../../machine/private-file.ts";
import { systemSentence } from "../../machine/system-error.ts";
import { codeOf, sentenceOf } from "./faults.ts";

/** The database cannot be used. The message is one sentence for the operator. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
}

/** Version 2 has the indexes `owed_posts` and `delivered_posts`. */
const SCHEMA_VERSION = 2;
const SCHEMA = `
CREATE TABLE IF NOT EXISTS identity (
  only INTEGER PRIMARY KEY CHECK (only = 1), node BLOB NOT NULL, sequence_next INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS posts (
  number INTEGER PRIMARY KEY, post_id BLOB NOT NULL UNIQUE, author BLOB NOT NULL, own INTEGER NOT NULL,
  sequence INTEGER NOT NULL, drop_id BLOB NOT NULL, record BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS posts_by_drop ON posts (drop_id);
CREATE UNIQUE INDEX IF NOT EXISTS own_drops ON posts (drop_id) WHERE own = 1;
CREATE UNIQUE INDEX IF NOT EXISTS own_sequence ON posts (sequence) WHERE own = 1;
CREATE TABLE IF NOT EXISTS deliveries (
  post_number INTEGER NOT NULL REFERENCES posts, peer BLOB NOT NULL, state INTEGER NOT NULL,
  PRIMARY KEY (peer, post_number)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owed ON deliveries (peer, post_number) WHERE state = 0;
CREATE INDEX IF NOT EXISTS owed_posts ON deliveries (post_number) WHERE state = 0;
CREATE INDEX IF NOT EXISTS delivered_posts ON deliveries (post_number);
CREATE TABLE IF NOT EXISTS awaiting (post_number INTEGER PRIMARY KEY REFERENCES posts) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * The write-ahead log is emptied into the database after this many pages, 256 KB. A longer log could fill a small disk,
 * and then there is no room for what it holds.
 */
const LOG_PAGES = 64;

/** The endings of the files that SQLite puts beside a database. */
export const BESIDE = ["-wal", "-shm"];

/**
 * Opens the file, or creates it if absent. `tell` gets a sentence when others could read the file. Throws a
 * DatabaseError.
 */
export function openFile(path: string, tell: (sentence: string) => void): Libsql.Database {
  let database: Libsql.Database | undefined;
  try {
    createPrivate(path);
    database = new Libsql(path);
    mustBeOurs(database, path);
    keepPathToOwner(path, tell);
    // SQLite may have made these files just now, with the mode that the database had.
    for (const file of BESIDE.map((end) => path + end)) if (existsSync(file)) keepPathToOwner(file, () => {});
    return setUp(database);
  } catch (error) {
    database?.close();
    if (codeOf(error)?.startsWith("SQLITE_IOERR_SHM")) return openOnFullDisk(path);
    throw databaseError(error, path);
  }
}

/** The DatabaseError for an error of the library or of the system while the database was opened. */
export function databaseError(error: unknown, path: string): DatabaseError {
  if (error instanceof DatabaseError) return error;
  if (error instanceof PostsFault) return new DatabaseError(error.message);
  const system = systemSentence(error, path);
  if (system !== undefined) {
    return new DatabaseError(`The database cannot be opened: ${system.charAt(0).toLowerCase()}${system.slice(1)}`);
  }
  return new DatabaseError(
    sentenceOf(error, path) ?? `The database ${path} cannot be opened (${(error as Error).message}).`,
  );
}

/** A database that is complete is not written to, because the disk may be full. */
function setUp(database: Libsql.Database): Libsql.Database {
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.pragma(`wal_autocheckpoint = ${LOG_PAGES}`);
  if (versionOf(database) < SCHEMA_VERSION) database.exec(SCHEMA);
  return database;
}

function versionOf(database: Libsql.Database): number {
  return (database.pragma("user_version") as { user_version: number }[])[0]!.user_version;
}

/**
 * The write-ahead log needs 32 KB beside the database, which a full disk does not have. A connection that is alone with
 * the database keeps these bytes in memory, so a gateway starts on a full disk, and serves what it has.
 */
function openOnFullDisk(path: string): Libsql.Database {
  let database: Libsql.Database | undefined;
  try {
    database = new Libsql(path);
    database.pragma("locking_mode = EXCLUSIVE");
    return setUp(database);
  } catch (error) {
    database?.close();
    throw databaseError(error, path);
  }
}

/** SQLite gives the files beside the database the same mode. The umask may take even the owner's rights. */
function createPrivate(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined) {
    if (there.isFile()) return;
    throw new DatabaseError(`The database ${path} is not a file; move it away, or name another folder.`);
  }
  const file = openSync(path, "ax", PRIVATE_MODE);
  try {
    fchmodSync(file, PRIVATE_MODE);
  } finally {
    closeSync(file);
  }
}

/** Reads only, so a file of another program stays as it is. */
function mustBeOurs(database: Libsql.Database, path: string): void {
  const version = versionOf(database);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all([]) as { name: string }[];
  const ours =
    tables.length === 0 || ["identity", "posts"].every((name) => tables.some((table) => table.name === name));
  if (!ours) {
    throw new DatabaseError(`The database ${path} belongs to another program; name another folder.`);
  }
  if (version > SCHEMA_VERSION) {
    throw new DatabaseError(`The database ${path} was written by a newer version of this program; use that version.`);
  }
}
