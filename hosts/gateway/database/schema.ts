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
 * Invariant: a transaction is on the disk when it ends (write-ahead log, synchronous FULL).
 *
 * It refuses a file of a newer version of the schema.
 */
import Libsql from "libsql";

/** The database cannot be used. The message is one sentence for the operator. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
}

const SCHEMA_VERSION = 1;
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
CREATE TABLE IF NOT EXISTS awaiting (post_number INTEGER PRIMARY KEY REFERENCES posts) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Opens the file, or creates it if absent. Throws a DatabaseError, or an error of the library. */
export function openFile(path: string): Libsql.Database {
  const database = new Libsql(path);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  const [row] = database.pragma("user_version") as { user_version: number }[];
  if (row !== undefined && row.user_version > SCHEMA_VERSION) {
    throw new DatabaseError(`The database ${path} was written by a newer version of this program; use that version.`);
  }
  database.exec(SCHEMA);
  return database;
}
