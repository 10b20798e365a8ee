/**
 * The tables of a gateway's database, and how its file is opened.
 *
 * | table      | a row is                                                                                       |
 * |------------|------------------------------------------------------------------------------------------------|
 * | identity   | one: whose database this is, and the next own sequence number                                  |
 * | posts      | a post that was verified, its own or another's, with the DropId it holds                        |
 * | deliveries | the outbox: an own post that a peer is to have; state 0 owed, 1 delivered                       |
 * | awaiting   | a post of another whose Drop the air store does not hold yet                                    |
 *
 * Invariant: a transaction is on the disk when it ends (write-ahead log, synchronous FULL). Refuses a file of a newer
 * version of the schema.
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

/** The file, created or as it was left. Throws a DatabaseError, or what the library throws. */
export function openFile(path: string): Libsql.Database {
  const database = new Libsql(path);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  const [row] = database.pragma("user_version") as { user_version: number }[];
  if (row !== undefined && row.user_version > SCHEMA_VERSION) {
    throw new DatabaseError(`The database ${path} was written by a newer version of this program.`);
  }
  database.exec(SCHEMA);
  return database;
}
