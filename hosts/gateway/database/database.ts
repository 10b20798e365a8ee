/**
 * What a gateway was told to keep (design section 10; docs/distsoc.md, "Delivery"): SQLite in one file.
 *
 * Invariant: each method is one transaction, on the disk when it returns. So a post is never without its outbox rows, a
 * sequence number is never given twice, and a post that was answered "stored" is stored.
 *
 * It refuses to be opened twice at once (an exclusive lock on a file beside it, which the system frees when a process
 * dies: a closed libsql database lives on as long as its statements do), to serve another identity than the one it began
 * with, and to hold more than POSTS_MAX posts.
 */
import Libsql from "libsql";
import { dropId } from "../../../modules/drop/drop.ts";
import { type NodeId, nodeIdBytes } from "../../distsoc/node-id.ts";
import type { KeptPost, Posts } from "../../distsoc/ports.ts";
import { type Post, readPost } from "../../distsoc/post.ts";
import { blobBytes, prepareQueries, type Queries, type Row, type Statement } from "./queries.ts";
import { DatabaseError, openFile } from "./schema.ts";

/** About 2.5 GB of full Drops: years of a busy town, and no author can fill the disk. */
export const POSTS_MAX = 1_000_000;

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

  /** Opens or creates. Throws a DatabaseError. */
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
      throw new DatabaseError(`The database ${path} cannot be used (${(error as Error).message}).`);
    }
  }

  holdsDrop(id: Uint8Array): boolean {
    return this.#get(this.#queries.holdsDrop, id) !== undefined;
  }

  holdsPost(id: Uint8Array): boolean {
    return this.#get(this.#queries.holdsPost, id) !== undefined;
  }

  /** The record of a post, undefined when it is not held. */
  record(id: Uint8Array): Uint8Array | undefined {
    const row = this.#get(this.#queries.record, id);
    return row === undefined ? undefined : blobBytes(row.record!);
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
      const sequence = Number(this.#get(this.#queries.sequenceNext)!.sequence_next);
      const post = make(sequence);
      const number = this.#insert(post, id, 1);
      this.#run(this.#queries.sequenceTaken, sequence + 1);
      for (const peer of audience) this.#run(this.#queries.owe, number, nodeIdBytes(peer));
      return post;
    });
  }

  /** Keeps another's verified post, whose Drop then awaits the air. */
  keep(post: Post): "stored" | "known" | "full" {
    return this.#transaction(() => {
      if (this.holdsPost(post.id)) return "known";
      if (this.#posts >= this.#postsMax) return "full";
      const number = this.#insert(post, dropId(post.drop), 0);
      this.#run(this.#queries.await, number);
      return "stored";
    });
  }

  /** Own posts owed to this peer with a number above `after`, oldest first. */
  owed(peer: NodeId, after: number, countMax: number): KeptPost[] {
    return this.#kept(this.#queries.owed, nodeIdBytes(peer), after, countMax);
  }

  delivered(number: number, peer: NodeId): void {
    this.#run(this.#queries.delivered, nodeIdBytes(peer), number);
  }

  /** Posts whose Drops the air store does not hold yet, above `after`, oldest first. */
  awaiting(after: number, countMax: number): KeptPost[] {
    return this.#kept(this.#queries.awaiting, after, countMax);
  }

  /** The air store holds it now. */
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

  /** A new database belongs to whoever opens it first. */
  #mustBelongTo(self: NodeId, path: string): void {
    this.#run(this.#queries.setOwner, nodeIdBytes(self));
    const owner = Buffer.from(blobBytes(this.#get(this.#queries.owner)!.node!)).toString("hex");
    if (owner === self) return;
    throw new DatabaseError(
      `The database ${path} belongs to node ${owner}, and the key here is that of ${self}; put its key file back.`,
    );
  }

  #insert(post: Post, drop: Uint8Array, own: 0 | 1): number {
    const { insert } = this.#queries;
    const { lastInsertRowid } = insert.run([post.id, nodeIdBytes(post.author), own, post.sequence, drop, post.record]);
    return Number(lastInsertRowid);
  }

  /** libsql would go on, without our lock. */
  #mustBeOpen(): void {
    if (!this.#open) throw new Error("database: used after close");
  }

  #kept(statement: Statement, ...parameters: unknown[]): KeptPost[] {
    this.#mustBeOpen();
    return (statement.all(parameters) as Row[]).map((row) => {
      const post = readPost(blobBytes(row.record!));
      if (typeof post === "string") throw new Error(`database: a post that was verified now reads as ${post}`);
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
