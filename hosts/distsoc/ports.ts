/**
 * The ports that the owner of an overlay node must provide: `Posts`, which stores posts, and `OverlayLog`, which
 * receives events.
 *
 * The network and the time are ports too: see transport/transport.ts and hosts/retry/timers.ts.
 */
import type { NodeId } from "./node-id.ts";
import type { Post } from "./post.ts";

/** A post with its number. The first post that this node stored has number 1, and later posts have greater numbers. */
export interface KeptPost {
  readonly number: number;
  readonly post: Post;
}

/**
 * An operating failure of the owner's posts, for example a full disk. The owner has told the operator already, so the
 * node does not log it.
 */
export class PostsFault extends Error {
  override readonly name = "PostsFault";
}

/**
 * The posts that this node keeps: its own posts and the posts of other authors. Each call is one transaction, and its
 * effect is durable when the call returns. A call may throw a PostsFault, and then the call has had no effect.
 */
export interface Posts {
  holdsPost(postId: Uint8Array): boolean;
  /** Returns the record of a post, or undefined when the post is not held. */
  record(postId: Uint8Array): Uint8Array | undefined;
  /** Keeps a verified post of another author. */
  keep(post: Post): "stored" | "known";
  /** Returns the own posts that are owed to this peer and whose number is above `after`, oldest first. */
  owed(peer: NodeId, after: number, countMax: number): KeptPost[];
  /** The peer has confirmed that it holds this post, so the post is no longer owed to the peer. */
  delivered(number: number, peer: NodeId): void;
}

/** One event, with ids in hexadecimal. Programs may read the events, so fields may be added but never renamed. */
export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A log never throws and never waits. The logger of pino is a `OverlayLog`. */
export interface OverlayLog {
  debug(line: LogLine): void;
  info(line: LogLine): void;
  warn(line: LogLine): void;
  error(line: LogLine): void;
}
