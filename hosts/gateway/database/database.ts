/**
 * The state of a gateway in one SQLite file: its posts, the deliveries that are owed, and the Drops that await the air
 * (docs/distsoc.md, "Delivery").
 *
 * The problem: a process may be killed at any time, and no post may be lost or sent under a number that was used
 * before.
 *
 * Invariant: each method is one transaction, which is on the disk when the method returns. So a post always has its
 * outbox rows, no sequence number is used twice, and a post that was answered "stored" is stored.
 *
 * It refuses three things:
 * - To be opened by two processes at the same time. An exclusive lock on a second file ensures this, and the system
 *   frees the lock when a process dies. A lock on the database itself would not do, because a closed libsql database
 *   remains open as long as its statements exist.
 * - To serve another identity than the one that opened the database first.
 * - To hold more than POSTS_MAX posts.
 */
import Libsql from "libsql";
import { dropId } from "../../../modules/drop/drop.ts";
import { type NodeId, nodeIdBytes } from "../../distsoc/node-id.ts";
import type { KeptPost, Posts } from "../../distsoc/ports.ts";
import { type Post, readPost } from "../../distsoc/post.ts";
import { blobBytes, prepareQueries, type Queries, type Row, type Statement } from "./queries.ts";
import { DatabaseError, openFile } from "./schema.ts";

/** As full Drops these posts take about 2.5 GB: years of a busy town. The bound keeps authors from filling the disk. */
const POSTS_MAX = 1_000_000;

export interface Counts {
  posts: number;
  owed: number;
  awaiting: number;
}

export class GatewayDatabase implements Posts {
  readonly #database: Libsql.Database;
  readonly #lock: Libsql.Database;
  readonly #queries: Queries;
  readonly #postsMax: number;
  #posts: number;
  #open = true;

  /** Opens the database, or creates it if absent. Throws a DatabaseError. */
  constructor(path: string, self: NodeId, options: { postsMax?: number } = {}) {
    this.#postsMax = options.postsMax ?? POSTS_MAX;
    this.#lock = lock(path);
    try {
      this.#database = openFile(path);
      this.#queries = prepareQueries(this.#database);
      this.#mustBelongTo(self, path);
      this.#posts = Number(this.#get(this.#queries.countPosts)!.count);
    } catch (error) {
      unlock(this.#lock);
      if (error instanceof DatabaseError) throw error;
      throw new DatabaseError(
        `The database ${path} cannot be used (${(error as Error).message}); check the file and its disk.`,
      );
    }
  }

  holdsDrop(id: Uint8Array): boolean {
    return this.#get(this.#queries.holdsDrop, id) !== undefined;
  }

  holdsPost(id: Uint8Array): boolean {
    return this.#get(this.#queries.holdsPost, id) !== undefined;
  }

  /** Returns the record of a post, or undefined when the post is not held. */
  record(id: Uint8Array): Uint8Array | undefined {
    const row = this.#get(this.#queries.record, id);
    return row === undefined ? undefined : blobBytes(row.record!);
  }

  /**
   * Stores a post of this node that holds the Drop, as owed to each node of the audience. `make` signs the post with
   * the given sequence number. Returns "known" when a post of any author holds the Drop already. This rule ends loops.
   */
  post(drop: Uint8Array, audience: readonly NodeId[], make: (sequence: number) => Post): Post | "known" | "full" {
    const id = dropId(drop);
    return this.#transaction(() => {
      if (this.holdsDrop(id)) return "known";
      if (this.#posts >= this.#postsMax) return "full";
      const sequence = Number(this.#get(this.#queries.sequenceNext)!.sequence_next);
      const post = make(sequence);
      const number = this.#insert(post, id, 1);
      this.#run(this.#queries.sequenceTaken, sequence + 1);
      for (const peer of audience) this.#run(this.#queries.owe, number, nodeIdBytes(peer));
      return post;
    });
  }

  /** Stores a verified post of another author. Its Drop then awaits the air. */
  keep(post: Post): "stored" | "known" | "full" {
    return this.#transaction(() => {
      if (this.holdsPost(post.id)) return "known";
      if (this.#posts >= this.#postsMax) return "full";
      const number = this.#insert(post, dropId(post.drop), 0);
      this.#run(this.#queries.await, number);
      return "stored";
    });
  }

  /** Returns the own posts that are owed to this peer and whose number is above `after`, oldest first. */
  owed(peer: NodeId, after: number, countMax: number): KeptPost[] {
    return this.#kept(this.#queries.owed, nodeIdBytes(peer), after, countMax);
  }

  delivered(number: number, peer: NodeId): void {
    this.#run(this.#queries.delivered, nodeIdBytes(peer), number);
  }

  /** Returns the posts with a number above `after` whose Drops still await the air, oldest first. */
  awaiting(after: number, countMax: number): KeptPost[] {
    return this.#kept(this.#queries.awaiting, after, countMax);
  }

  /** The air store holds the Drop of this post now. */
  aired(number: number): void {
    this.#run(this.#queries.aired, number);
  }

  counts(): Counts {
    const count = (statement: Statement): number => Number(this.#get(statement)!.count);
    return {
      posts: this.#posts,
      owed: count(this.#queries.countOwed),
      awaiting: count(this.#queries.countAwaiting),
    };
  }

  close(): void {
    this.#mustBeOpen();
    this.#open = false;
    this.#database.pragma("wal_checkpoint(TRUNCATE)");
    this.#database.close();
    unlock(this.#lock);
  }

  /** A new database belongs to the identity that opens it first. */
  #mustBelongTo(self: NodeId, path: string): void {
    this.#run(this.#queries.setOwner, nodeIdBytes(self));
    const owner = Buffer.from(blobBytes(this.#get(this.#queries.owner)!.node!)).toString("hex");
    if (owner === self) return;
    throw new DatabaseError(
      `The database ${path} belongs to node ${owner}, but the key file holds the key of ${self}; put its key file back.`,
    );
  }

  #insert(post: Post, drop: Uint8Array, own: 0 | 1): number {
    const { insert } = this.#queries;
    const { lastInsertRowid } = insert.run([post.id, nodeIdBytes(post.author), own, post.sequence, drop, post.record]);
    return Number(lastInsertRowid);
  }

  /** Without this check libsql would continue to work after `close`, but without the lock. */
  #mustBeOpen(): void {
    if (!this.#open) throw new Error("database: a method was called after close");
  }

  #kept(statement: Statement, ...parameters: unknown[]): KeptPost[] {
    this.#mustBeOpen();
    return (statement.all(parameters) as Row[]).map((row) => {
      const post = readPost(blobBytes(row.record!));
      if (typeof post === "string")
        throw new Error(`database: a post that was verified when it was stored now reads as ${post}`);
      return { number: Number(row.number), post };
    });
  }

  #get(statement: Statement, ...parameters: unknown[]): Row | undefined {
    this.#mustBeOpen();
    return statement.get(parameters) as Row | undefined;
  }

  #run(statement: Statement, ...parameters: unknown[]): void {
    this.#mustBeOpen();
    statement.run(parameters);
  }

  /** Runs one of the two methods that add a post. A result that is a Post or "stored" means that one post was added. */
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

function lock(path: string): Libsql.Database {
  try {
    const held = new Libsql(`${path}.lock`);
    held.exec("BEGIN EXCLUSIVE");
    return held;
  } catch (error) {
    if ((error as { code?: string }).code === "SQLITE_BUSY") {
      throw new DatabaseError(`The database ${path} is in use by another process; end the other gateway first.`);
    }
    throw new DatabaseError(
      `The database ${path} cannot be opened (${(error as Error).message}); check the path and its permissions.`,
    );
  }
}

function unlock(held: Libsql.Database): void {
  held.exec("ROLLBACK");
  held.close();
}
