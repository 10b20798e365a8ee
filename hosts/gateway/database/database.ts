/**
 * What a gateway was told to keep (design section 10; docs/distsoc.md, "Delivery"): SQLite in one file.
 *
 * | table      | a row is                                                                                       |
 * |------------|------------------------------------------------------------------------------------------------|
 * | identity   | one: whose database this is, and the next own sequence number                                  |
 * | posts      | a post that was verified, its own or another's, with the DropId it holds                        |
 * | deliveries | the outbox: an own post that a peer is to have; state 0 owed, 1 delivered                       |
 * | awaiting   | a post of another whose Drop the air store does not hold yet                                    |
 *
 * Invariant: each method is one transaction, on the disk when it returns (write-ahead log, synchronous FULL). So a post is
 * never without its outbox rows, a sequence number is never given twice, and a post that was answered "stored" is stored.
 *
 * It refuses to be opened twice at once (an exclusive lock on a file beside it, which the system frees when a process
 * dies), to serve another identity than the one it began with, and to hold more than POSTS_MAX posts.
 *
 * Of libsql: parameters go in one array, since a bare Buffer aborts the process; `get` gives a Buffer for a blob but `all`
 * an ArrayBuffer; a closed database lives on as long as its statements do, hence the lock of our own.
 */
import Libsql from "libsql";
import { dropId } from "../../../modules/drop/drop.ts";
import { type NodeId, nodeIdBytes } from "../../distsoc/node-id.ts";
import { type Post, readPost } from "../../distsoc/post.ts";

/** About 2.5 GB of full Drops: years of a busy town, and no author can fill the disk. */
export const POSTS_MAX = 1_000_000;

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

/** A post in the order in which it came to be known here. */
export interface KeptPost {
  readonly number: number;
  readonly post: Post;
}

export interface Counts {
  posts: number;
  owed: number;
  awaiting: number;
}

type Row = Record<string, Buffer | ArrayBuffer | number>;

export class GatewayDatabase {
  readonly #database: Libsql.Database;
  readonly #lock: Libsql.Database;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #postsMax: number;
  #posts: number;
  #open = true;

  /** Opens or creates. Throws a DatabaseError. */
  constructor(path: string, self: NodeId, options: { postsMax?: number } = {}) {
    this.#postsMax = options.postsMax ?? POSTS_MAX;
    this.#lock = lock(path);
    try {
      this.#database = open(path);
      this.#statements = prepare(this.#database);
      this.#claim(self, path);
      this.#posts = Number(this.#get(this.#statements.countPosts)!.count);
    } catch (error) {
      unlock(this.#lock);
      if (error instanceof DatabaseError) throw error;
      throw new DatabaseError(`The database ${path} cannot be used (${(error as Error).message}).`);
    }
  }

  holdsDrop(id: Uint8Array): boolean {
    return this.#get(this.#statements.holdsDrop, id) !== undefined;
  }

  holdsPost(id: Uint8Array): boolean {
    return this.#get(this.#statements.holdsPost, id) !== undefined;
  }

  /** The record of a post, undefined when it is not held. */
  record(id: Uint8Array): Uint8Array | undefined {
    const row = this.#get(this.#statements.record, id);
    return row === undefined ? undefined : bytes(row.record!);
  }

  /**
   * Makes the Drop a post of this node, owed to each of the audience; `make` signs it with the number it is given. Known
   * when a post holds the Drop already, whoever wrote it: that is what ends loops.
   */
  post(drop: Uint8Array, audience: readonly NodeId[], make: (sequence: number) => Post): Post | "known" | "full" {
    const id = dropId(drop);
    return this.#transaction(() => {
      if (this.holdsDrop(id)) return "known";
      if (this.#posts >= this.#postsMax) return "full";
      const sequence = Number(this.#get(this.#statements.sequenceNext)!.sequence_next);
      const post = make(sequence);
      const number = this.#insert(post, id, 1);
      this.#run(this.#statements.sequenceTaken, sequence + 1);
      for (const peer of audience) this.#run(this.#statements.owe, number, nodeIdBytes(peer));
      return post;
    });
  }

  /** Keeps another's verified post, whose Drop then awaits the air. */
  keep(post: Post): "stored" | "known" | "full" {
    return this.#transaction(() => {
      if (this.holdsPost(post.id)) return "known";
      if (this.#posts >= this.#postsMax) return "full";
      const number = this.#insert(post, dropId(post.drop), 0);
      this.#run(this.#statements.await, number);
      return "stored";
    });
  }

  /** Own posts owed to this peer with a number above `after`, oldest first. */
  owed(peer: NodeId, after: number, countMax: number): KeptPost[] {
    return this.#kept(this.#statements.owed, nodeIdBytes(peer), after, countMax);
  }

  delivered(number: number, peer: NodeId): void {
    this.#run(this.#statements.delivered, nodeIdBytes(peer), number);
  }

  /** Posts whose Drops the air store does not hold yet, above `after`, oldest first. */
  awaiting(after: number, countMax: number): KeptPost[] {
    return this.#kept(this.#statements.awaiting, after, countMax);
  }

  /** The air store holds it now. */
  aired(number: number): void {
    this.#run(this.#statements.aired, number);
  }

  counts(): Counts {
    const count = (statement: Libsql.Statement<unknown[]>): number => Number(this.#get(statement)!.count);
    return {
      posts: this.#posts,
      owed: count(this.#statements.countOwed),
      awaiting: count(this.#statements.countAwaiting),
    };
  }

  close(): void {
    this.#mustBeOpen();
    this.#open = false;
    this.#database.pragma("wal_checkpoint(TRUNCATE)");
    this.#database.close();
    unlock(this.#lock);
  }

  #claim(self: NodeId, path: string): void {
    const node = nodeIdBytes(self);
    this.#run(this.#statements.claim, node);
    const owner = Buffer.from(bytes(this.#get(this.#statements.owner)!.node!)).toString("hex");
    if (owner === self) return;
    throw new DatabaseError(
      `The database ${path} belongs to node ${owner}, and the key here is that of ${self}; put its key file back.`,
    );
  }

  #insert(post: Post, drop: Uint8Array, own: 0 | 1): number {
    const { insert } = this.#statements;
    const { lastInsertRowid } = insert.run([post.id, nodeIdBytes(post.author), own, post.sequence, drop, post.record]);
    return Number(lastInsertRowid);
  }

  /** libsql would go on, without our lock. */
  #mustBeOpen(): void {
    if (!this.#open) throw new Error("database: used after close");
  }

  #kept(statement: Libsql.Statement<unknown[]>, ...parameters: unknown[]): KeptPost[] {
    this.#mustBeOpen();
    return (statement.all(parameters) as Row[]).map((row) => {
      const post = readPost(bytes(row.record!));
      if (typeof post === "string") throw new Error(`database: a post that was verified now reads as ${post}`);
      return { number: Number(row.number), post };
    });
  }

  #get(statement: Libsql.Statement<unknown[]>, ...parameters: unknown[]): Row | undefined {
    this.#mustBeOpen();
    return statement.get(parameters) as Row | undefined;
  }

  #run(statement: Libsql.Statement<unknown[]>, ...parameters: unknown[]): void {
    this.#mustBeOpen();
    statement.run(parameters);
  }

  /** For the two that add a post: a result other than a reason means that there is one more. */
  #transaction<T extends Post | "stored" | "known" | "full">(work: () => T): T {
    this.#mustBeOpen();
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      if (typeof result !== "string" || result === "stored") this.#posts += 1;
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}

function open(path: string): Libsql.Database {
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

function prepare(database: Libsql.Database) {
  const sql = (text: string): Libsql.Statement<unknown[]> => database.prepare(text);
  return {
    claim: sql("INSERT OR IGNORE INTO identity VALUES (1, ?, 1)"),
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
    countPosts: sql("SELECT count(*) AS count FROM posts"),
    countOwed: sql("SELECT count(*) AS count FROM deliveries WHERE state = 0"),
    countAwaiting: sql("SELECT count(*) AS count FROM awaiting"),
  };
}

function lock(path: string): Libsql.Database {
  try {
    const held = new Libsql(`${path}.lock`);
    held.exec("BEGIN EXCLUSIVE");
    return held;
  } catch (error) {
    if ((error as { code?: string }).code === "SQLITE_BUSY") {
      throw new DatabaseError(`The database ${path} is in use by another process; one gateway at a time.`);
    }
    throw new DatabaseError(`The database ${path} cannot be opened (${(error as Error).message}).`);
  }
}

function unlock(held: Libsql.Database): void {
  held.exec("ROLLBACK");
  held.close();
}

/** A blob in an array of its own. */
function bytes(blob: Buffer | ArrayBuffer | number): Uint8Array {
  return Uint8Array.from(blob instanceof ArrayBuffer ? new Uint8Array(blob) : (blob as Buffer));
}
