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
 * The database has a bound in bytes. When it is full, the oldest posts that are delivered and aired are forgotten. Only
 * when there are no more of these, the oldest posts that are still due are forgotten too, and the log says so.
 *
 * A failure of the disk is logged once, and so is its end. A call that fails has had no effect, and throws a
 * PostsFault. Reading goes on while the disk is full.
 *
 * It refuses two things:
 * - To be opened by two processes at the same time (lock.ts).
 * - To serve another identity than the one that opened the database first.
 */
import { lstatSync, rmSync } from "node:fs";
import type Libsql from "libsql";
import { dropId } from "../../../modules/drop/drop.ts";
import { type NodeId, nodeIdBytes } from "../../distsoc/node-id.ts";
import { type KeptPost, type OverlayLog, type Posts, PostsFault } from "../../distsoc/ports.ts";
import { type Post, readPost } from "../../distsoc/post.ts";
import { SYSTEM_TIMERS, type Timers } from "../../retry/timers.ts";
import { sentenceOf } from "./faults.ts";
import { lock, lockFileOf, unlock } from "./lock.ts";
import { blobBytes, prepareQueries, type Queries, type Row, type Statement } from "./queries.ts";
import { BESIDE, DatabaseError, databaseError, openFile } from "./schema.ts";

/**
 * Some 400,000 posts of full size. A town that writes a hundred Drops a day fills this in ten years. A board that posts
 * as much as its radio can fills it in ten days, and then pushes out only the oldest posts.
 */
const KEPT_BYTES_MAX = 1024 ** 3;
/** The number of posts that are forgotten at a time. So the search for them is rare. */
const FORGET_POSTS = 1024;
/** A failure that comes back within this time is not logged again. */
const SAME_FAILURE_MS = 60_000;

export interface DatabaseOptions {
  log: OverlayLog;
  timers?: Timers;
  keptBytesMax?: number;
  forgetPosts?: number;
}

export interface Counts {
  posts: number;
  owed: number;
  awaiting: number;
}

export class GatewayDatabase implements Posts {
  readonly #database: Libsql.Database;
  readonly #lock: Libsql.Database;
  readonly #queries: Queries;
  readonly #path: string;
  readonly #log: OverlayLog;
  readonly #timers: Timers;
  readonly #keptBytesMax: number;
  readonly #forgetPosts: number;
  #posts: number;
  #open = true;
  /** The failure that lasts. */
  #failure: string | undefined;
  /** The failure that was logged last, and when. */
  #failureSaid: string | undefined;
  #failureSaidMs = 0;

  /** Opens the database, or creates it if absent. Throws a DatabaseError. */
  constructor(path: string, self: NodeId, options: DatabaseOptions) {
    const { log, timers = SYSTEM_TIMERS, keptBytesMax = KEPT_BYTES_MAX, forgetPosts = FORGET_POSTS } = options;
    this.#path = path;
    this.#log = log;
    this.#timers = timers;
    this.#keptBytesMax = keptBytesMax;
    this.#forgetPosts = forgetPosts;
    this.#lock = lock(path);
    const created = lstatSync(path, { throwIfNoEntry: false }) === undefined;
    try {
      this.#database = openFile(path, (reason) => log.warn({ event: "narrowed", reason }));
      this.#queries = prepareQueries(this.#database);
      this.#mustBelongTo(self, path);
      this.#posts = Number(this.#get(this.#queries.countPosts)!.count);
    } catch (error) {
      // Nothing of a database that could not be made is left behind.
      if (created) for (const end of ["", ...BESIDE]) rmSync(path + end, { force: true });
      if (created) rmSync(lockFileOf(path), { force: true });
      unlock(this.#lock);
      throw databaseError(error, path);
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
  post(drop: Uint8Array, audience: readonly NodeId[], make: (sequence: number) => Post): Post | "known" {
    const id = dropId(drop);
    return this.#transaction(() => {
      if (this.holdsDrop(id)) return "known";
      const sequence = Number(this.#get(this.#queries.sequenceNext)!.sequence_next);
      const post = make(sequence);
      const number = this.#insert(post, id, 1);
      this.#run(this.#queries.sequenceTaken, sequence + 1);
      for (const peer of audience) this.#run(this.#queries.owe, number, nodeIdBytes(peer));
      return post;
    });
  }

  /** Stores a verified post of another author. Its Drop then awaits the air. */
  keep(post: Post): "stored" | "known" {
    return this.#transaction(() => {
      if (this.holdsPost(post.id)) return "known";
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
    this.#shrink();
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
    return (this.#guarded(() => statement.all(parameters)) as Row[]).map((row) => {
      const post = readPost(blobBytes(row.record!));
      if (typeof post === "string")
        throw new Error(`database: a post that was verified when it was stored now reads as ${post}`);
      return { number: Number(row.number), post };
    });
  }

  #get(statement: Statement, ...parameters: unknown[]): Row | undefined {
    return this.#guarded(() => statement.get(parameters)) as Row | undefined;
  }

  #run(statement: Statement, ...parameters: unknown[]): void {
    this.#guarded(() => {
      const { changes } = statement.run(parameters);
      if (changes > 0 && !this.#database.inTransaction) this.#works();
    });
  }

  /** Runs one of the two methods that add a post. A result other than "known" means that one post was added. */
  #transaction<T extends Post | "stored" | "known">(work: () => T): T {
    return this.#guarded(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const forgotten = this.#full() ? this.#forget() : 0;
        const result = work();
        this.#database.exec("COMMIT");
        this.#posts += (result === "known" ? 0 : 1) - forgotten;
        if (result !== "known") this.#works();
        return result;
      } catch (error) {
        // A full disk has ended the transaction already.
        if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
        this.#shrink();
        throw error;
      }
    });
  }

  /** Empties the write-ahead log. Where that fails, the log stays as it is, and the next start reads it. */
  #shrink(): void {
    try {
      this.#database.pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // The disk has no room for what the log holds.
    }
  }

  #full(): boolean {
    return Number(this.#get(this.#queries.usedBytes)!.bytes) > this.#keptBytesMax;
  }

  /** Forgets the oldest posts for which nothing is due, else the oldest posts. Returns their number. */
  #forget(): number {
    const { settled, oldest, forgetDeliveries, forgetAwaiting, forgetPost } = this.#queries;
    const numbers = (query: Statement): number[] =>
      (query.all([this.#forgetPosts]) as Row[]).map(({ number }) => Number(number));
    const done = numbers(settled);
    const forgotten = done.length > 0 ? done : numbers(oldest);
    for (const number of forgotten)
      for (const query of [forgetDeliveries, forgetAwaiting, forgetPost]) query.run([number]);
    const line = { event: "forgotten", posts: forgotten.length, due: done.length === 0 };
    this.#log[line.due ? "warn" : "info"](line);
    return forgotten.length;
  }

  /** Logs a failure of the database, unless it lasts, and throws it as a PostsFault. */
  #guarded<T>(work: () => T): T {
    this.#mustBeOpen();
    try {
      return work();
    } catch (error) {
      const reason = sentenceOf(error, this.#path);
      if (reason === undefined) throw error;
      this.#fails(reason);
      throw new PostsFault(reason);
    }
  }

  #fails(reason: string): void {
    if (this.#failure === reason) return;
    this.#failure = reason;
    const nowMs = this.#timers.now();
    if (reason === this.#failureSaid && nowMs - this.#failureSaidMs < SAME_FAILURE_MS) return;
    this.#failureSaid = reason;
    this.#failureSaidMs = nowMs;
    this.#log.error({ event: "database-fails", reason });
  }

  #works(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#log.info({ event: "database-works" });
  }
}
