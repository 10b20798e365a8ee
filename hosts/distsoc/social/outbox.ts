/**
 * Delivers own posts to the audience (docs/distsoc.md, "Delivery").
 *
 * The problem: a peer may be away for days, and an answer may be lost.
 *
 * The rule: `Posts` stores which posts are owed to which peer. While there is a connection, the outbox pushes the owed
 * posts to each peer, one at a time, oldest first. After a failure the outbox tries again with growing delays. It tries
 * immediately when the peer connects again.
 *
 * Invariant: only the peer's answer "stored" or "known" ends a delivery. After a lost answer the post is pushed a
 * second time, and the peer answers "known". So a post may be sent more than once, but it takes effect once.
 *
 * The outbox never gives a delivery up. A peer that refuses (it does not follow this node yet, or its disk is full) is
 * asked again at the longest delay. A post that a peer cannot read is skipped until the next round, so that it does not
 * block the other posts.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import type { RetryTimings } from "../../retry/backoff.ts";
import type { Timers } from "../../retry/timers.ts";
import { Worker } from "../../retry/worker.ts";
import type { Peers } from "../connections/peers.ts";
import { ask } from "../exchange.ts";
import type { NodeId } from "../node-id.ts";
import type { OverlayLog, Posts } from "../ports.ts";
import type { Post } from "../post.ts";
import type { Refusals } from "../refusals.ts";
import { type Connection, ProtocolError, TransportError } from "../transport/transport.ts";
import { ERROR_CODES, errorName } from "../wire/error-codes.ts";

/** The number of posts that are read at a time. They take 35 KB of memory for each peer. */
const BATCH_POSTS = 16;

/**
 * The codes that refuse one post. The other codes tell of a problem of the peer or of this node, so the next post would
 * be refused too.
 */
const ABOUT_THE_POST: ReadonlySet<number> = new Set([
  ERROR_CODES.malformed,
  ERROR_CODES["too-large"],
  ERROR_CODES["bad-signature"],
]);

export interface OutboxOptions {
  posts: Posts;
  peers: Peers;
  audience: readonly NodeId[];
  timers: Timers;
  timings: RetryTimings;
  requestDeadlineMs: number;
  log: OverlayLog;
  refusals: Refusals;
  onFault(error: unknown): void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #workers = new Map<NodeId, Worker>();

  constructor(options: OutboxOptions) {
    this.#options = options;
    for (const peer of options.audience) {
      this.#workers.set(peer, new Worker({ ...options, job: () => this.#workOff(peer) }));
    }
  }

  /** There is a new post for every peer. */
  wake(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  /** This peer is connected again. */
  wakeFor(peer: NodeId): void {
    this.#workers.get(peer)?.wake();
  }

  stop(): void {
    for (const worker of this.#workers.values()) worker.stop();
  }

  async #workOff(peer: NodeId): Promise<"done" | "again"> {
    const { posts, peers } = this.#options;
    let result: "done" | "again" = "done";
    let after = 0;
    for (;;) {
      const owed = posts.owed(peer, after, BATCH_POSTS);
      if (owed.length === 0) return result;
      for (const { number, post } of owed) {
        const connection = peers.connection(peer);
        if (connection === undefined) return "done";
        const outcome = await this.#push(connection, post);
        if (outcome === "delivered") posts.delivered(number, peer);
        else if (outcome === "stop") return "again";
        else result = "again";
        after = number;
      }
    }
  }

  async #push(connection: Connection, post: Post): Promise<"delivered" | "skip" | "stop"> {
    const { log, refusals, requestDeadlineMs } = this.#options;
    const line = { event: "pushed", peer: connection.peer, post: bytesToHex(post.id) };
    try {
      const request = { type: "PushPost", record: post.record } as const;
      const answer = await ask(connection, request, { deadlineMs: requestDeadlineMs });
      if (typeof answer === "string") {
        refusals.note({ ...line, outcome: `answered ${answer}` }, answer);
        return "stop";
      }
      log.info({ ...line, outcome: answer.outcome });
      return "delivered";
    } catch (error) {
      if (error instanceof ProtocolError) {
        refusals.note({ ...line, outcome: errorName(error.code) }, errorName(error.code));
        return ABOUT_THE_POST.has(error.code) ? "skip" : "stop";
      }
      if (!(error instanceof TransportError)) throw error;
      refusals.note({ ...line, outcome: error.failure }, error.failure);
      // The peer did not answer in time, so the peer is gone or blocked. A new dial shows which of the two is true.
      if (error.failure === "deadline") connection.close("too-slow");
      return "stop";
    }
  }
}
