/**
 * What the overlay node needs of its owner: a place for its posts, and somebody who reads its log.
 *
 * Network and time are ports too: transport/transport.ts, hosts/retry/timers.ts.
 */
import type { NodeId } from "./node-id.ts";
import type { Post } from "./post.ts";

/** A post in the order in which it came to be known here: numbers from 1, later posts have greater ones. */
export interface KeptPost {
  readonly number: number;
  readonly post: Post;
}

/**
 * The posts that this node keeps, its own and others'. Each call is one transaction, and durable when it returns; it may
 * throw, which is an operating failure of the owner's (a full disk) and leaves nothing half done.
 */
export interface Posts {
  holdsPost(postId: Uint8Array): boolean;
  /** The record of a post, undefined when it is not held. */
  record(postId: Uint8Array): Uint8Array | undefined;
  /** Keeps another's verified post. full: there is no room for one more. */
  keep(post: Post): "stored" | "known" | "full";
  /** Own posts owed to this peer with a number above `after`, oldest first. */
  owed(peer: NodeId, after: number, countMax: number): KeptPost[];
  /** The peer has said that it has this post. */
  delivered(number: number, peer: NodeId): void;
}

/** One event, with ids in hexadecimal. A program may read it, so fields are added and not renamed. */
export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** Never throws, and never waits. pino's logger is one. */
export interface Log {
  debug(line: LogLine): void;
  info(line: LogLine): void;
  warn(line: LogLine): void;
  error(line: LogLine): void;
}
