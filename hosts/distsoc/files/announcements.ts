/**
 * Announces own posts to connected nodes, and fetches the posts that other nodes announce (docs/distsoc.md,
 * "Delivery").
 *
 * The problem: a node that is not in the audience may want a new post, but most nodes do not want it. So a
 * PostNotification names the post and carries no content. A node that wants the post asks for it with a FileRequest.
 *
 * Invariant: an announcement is sent once, and an announced post is fetched once. A lost announcement or a failed fetch
 * is not repeated: a later pull brings the post. So nothing in this file is kept on the disk.
 *
 * It refuses a fetched post that is not the announced one, and announcements beyond FETCHES_MAX.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import type { RetryTimings } from "../../retry/backoff.ts";
import type { Timers } from "../../retry/timers.ts";
import { Worker } from "../../retry/worker.ts";
import type { Peers } from "../connections/peers.ts";
import { ask } from "../exchange.ts";
import type { NodeId } from "../node-id.ts";
import type { OverlayLog } from "../ports.ts";
import { type Post, readPost } from "../post.ts";
import { ProtocolError, TransportError } from "../transport/transport.ts";
import { errorName } from "../wire/error-codes.ts";
import type { PostNotification } from "../wire/files.ts";

/** The most announced posts that wait to be fetched, about 20 KB. A later pull brings the posts beyond this bound. */
const FETCHES_MAX = 256;

export interface AnnouncementsOptions {
  peers: Peers;
  timers: Timers;
  timings: RetryTimings;
  requestDeadlineMs: number;
  log: OverlayLog;
  /**
   * Keeps the post of a record that was fetched. Throws the same ProtocolError that a push of this record would be
   * answered with.
   */
  receive(from: NodeId, record: Uint8Array): string;
  onFault(error: unknown): void;
}

export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #worker: Worker;
  /** The key is the PostId in hexadecimal. `from` is the peer that announced the post last. */
  readonly #fetches = new Map<string, { from: NodeId; notification: PostNotification }>();

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
    this.#worker = new Worker({ ...options, job: () => this.#fetchAll() });
  }

  /** Announces the post to each of these nodes that is connected. */
  announce({ id, author, sequence }: Post, to: readonly NodeId[]): void {
    const { peers, requestDeadlineMs, onFault } = this.#options;
    const notification: PostNotification = { type: "PostNotification", author, sequence, postId: id };
    for (const peer of to) {
      const connection = peers.connection(peer);
      if (connection === undefined) continue;
      ask(connection, notification, { deadlineMs: requestDeadlineMs }).catch((error: unknown) => {
        if (error instanceof TransportError) {
          if (error.failure === "deadline") connection.close("too-slow");
        } else if (!(error instanceof ProtocolError)) onFault(error);
      });
    }
  }

  /**
   * A peer announced a post that this node wants. The fetch begins after the peer has the answer to its announcement.
   */
  note(from: NodeId, notification: PostNotification): void {
    if (this.#fetches.size >= FETCHES_MAX) return;
    this.#fetches.set(bytesToHex(notification.postId), { from, notification });
    this.#options.timers.after(0, () => this.#worker.wake());
  }

  stop(): void {
    this.#worker.stop();
  }

  async #fetchAll(): Promise<"done"> {
    for (const [id, { from, notification }] of this.#fetches) {
      let outcome: string;
      try {
        outcome = await this.#fetch(from, notification);
      } catch (error) {
        if (error instanceof ProtocolError) outcome = errorName(error.code);
        else if (error instanceof TransportError) outcome = error.failure;
        else throw error;
      } finally {
        this.#fetches.delete(id);
      }
      this.#options.log.info({ event: "fetched", peer: from, post: id, outcome });
    }
    return "done";
  }

  async #fetch(from: NodeId, { author, postId }: PostNotification): Promise<string> {
    const { peers, requestDeadlineMs, receive } = this.#options;
    const connection = peers.connection(from);
    if (connection === undefined) return "closed";
    const answer = await ask(connection, { type: "FileRequest", postId }, { deadlineMs: requestDeadlineMs });
    if (typeof answer === "string") return `answered ${answer}`;
    if (answer.record === undefined) return "absent";
    const post = readPost(answer.record);
    if (typeof post === "string") return post;
    if (bytesToHex(post.id) !== bytesToHex(postId) || post.author !== author) return "another post";
    return receive(from, answer.record);
  }
}
