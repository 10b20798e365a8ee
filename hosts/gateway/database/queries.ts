/**
 * The queries of a gateway to its database (schema.ts), as statements that are prepared once.
 *
 * Two facts about libsql: The parameters must be passed in one array, because a Buffer that is passed alone aborts the
 * process. For a blob `get` returns a Buffer, but `all` returns an ArrayBuffer.
 */
import type Libsql from "libsql";

export type Statement = Libsql.Statement<unknown[]>;
export type Row = Record<string, Buffer | ArrayBuffer | number>;
export type Queries = ReturnType<typeof prepareQueries>;

export function prepareQueries(database: Libsql.Database) {
  const sql = (text: string): Statement => database.prepare(text);
  return {
    setOwner: sql("INSERT OR IGNORE INTO identity VALUES (1, ?, 1)"),
    owner: sql("SELECT node FROM identity"),
    sequenceNext: sql("SELECT sequence_next FROM identity"),
    sequenceTaken: sql("UPDATE identity SET sequence_next = ?"),
    holdsDrop: sql("SELECT 1 AS held FROM posts WHERE drop_id = ? LIMIT 1"),
    holdsPost: sql("SELECT 1 AS held FROM posts WHERE post_id = ?"),
    record: sql("SELECT record FROM posts WHERE post_id = ?"),
    insert: sql("INSERT INTO posts (post_id, author, own, sequence, drop_id, record) VALUES (?, ?, ?, ?, ?, ?)"),
    owe: sql("INSERT INTO deliveries VALUES (?, ?, 0)"),
    owed: sql(
      "SELECT number, record FROM deliveries JOIN posts ON number = post_number WHERE peer = ? AND state = 0 AND post_number > ? ORDER BY post_number LIMIT ?",
    ),
    delivered: sql("UPDATE deliveries SET state = 1 WHERE peer = ? AND post_number = ?"),
    await: sql("INSERT INTO awaiting VALUES (?)"),
    awaiting: sql(
      "SELECT number, record FROM awaiting JOIN posts ON number = post_number WHERE post_number > ? ORDER BY post_number LIMIT ?",
    ),
    aired: sql("DELETE FROM awaiting WHERE post_number = ?"),
    settled: sql(
      `SELECT number FROM posts
       WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE post_number = number AND state = 0)
       AND NOT EXISTS (SELECT 1 FROM awaiting WHERE post_number = number) ORDER BY number LIMIT ?`,
    ),
    oldest: sql("SELECT number FROM posts ORDER BY number LIMIT ?"),
    forgetDeliveries: sql("DELETE FROM deliveries WHERE post_number = ?"),
    forgetAwaiting: sql("DELETE FROM awaiting WHERE post_number = ?"),
    forgetPost: sql("DELETE FROM posts WHERE number = ?"),
    usedBytes: sql(
      `SELECT (page_count - freelist_count) * page_size AS bytes
       FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`,
    ),
    countPosts: sql("SELECT count(*) AS count FROM posts"),
    countOwed: sql("SELECT count(*) AS count FROM deliveries WHERE state = 0"),
    countAwaiting: sql("SELECT count(*) AS count FROM awaiting"),
  };
}

/** Returns a copy of a blob. */
export function blobBytes(blob: Buffer | ArrayBuffer | number): Uint8Array {
  return Uint8Array.from(blob instanceof ArrayBuffer ? new Uint8Array(blob) : (blob as Buffer));
}
