/**
 * Delivers own posts to the audience (docs/distsoc.md, "Delivery").
 *
 * What is owed stands in `Posts`; this only works it off, for each peer one post at a time and oldest first, as long
 * as there is a connection. After a failure it tries again with growing delays, and at once when the peer comes back.
 *
 * Invariant: a delivery is closed by nothing but the peer's word that it has the post, "stored" or "known". A lost answer
 * costs a second push, which is answered "known": at least once on the wire, once in effect.
 *
 * It gives up on nothing. A peer that refuses (it does not follow this node yet, or its disk is full) is asked again at
 * the longest delay; only a post that a peer cannot read is passed over until the next round, so that it blocks no other.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import type { RetryTimings } from "../../retry/backoff.ts";
import type { Timers } from "../../retry/timers.ts";
import { Worker } from "../../retry/worker.ts";
import type { Peers } from "../connections/peers.ts";
import { ask } from "../exchange.ts";
import type { NodeId } from "../node-id.ts";
import type { Log, Posts } from "../ports.ts";
import type { Post } from "../post.ts";
import { type Connection, ProtocolError, TransportError } from "../transport/transport.ts";
import { ERROR_CODES, errorName } from "../wire/error-codes.ts";

/** Posts read at once: 35 KB of memory a peer. */
const BATCH_POSTS = 16;

/** Codes that are about the post; the others are about the peer or this node, and the next post would fare no better. */
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
  log: Log;
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

  /** There is something new for all. */
  wake(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  /** This peer is back. */
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
    const { log, requestDeadlineMs } = this.#options;
    const line = { event: "pushed", peer: connection.peer, post: bytesToHex(post.id) };
    try {
      const request = { type: "PushPost", record: post.record } as const;
      const answer = await ask(connection, request, { deadlineMs: requestDeadlineMs });
      if (typeof answer === "string") {
        log.warn({ ...line, outcome: `answered ${answer}` });
        return "stop";
      }
      log.info({ ...line, outcome: answer.outcome });
      return "delivered";
    } catch (error) {
      if (error instanceof ProtocolError) {
        log.warn({ ...line, outcome: errorName(error.code) });
        return ABOUT_THE_POST.has(error.code) ? "skip" : "stop";
      }
      if (!(error instanceof TransportError)) throw error;
      log.info({ ...line, outcome: error.failure });
      // No word in time: the peer is gone or stuck, and dialling anew finds out which.
      if (error.failure === "deadline") connection.close("too-slow");
      return "stop";
    }
  }
}
