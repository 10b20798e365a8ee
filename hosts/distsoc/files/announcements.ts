/**
 * Announces own posts to connected nodes, and fetches the posts that other nodes announce (docs/distsoc.md,
 * "Delivery").
 *
 * The problem: a node that is not in the audience may want a new post, but most nodes do not want it. So a
 * PostNotification names the post and carries no content. A node that wants the post asks for it with a FileRequest.
 *
 * Invariant: an announcement is sent once. An announced post is fetched from a peer that announced it, and a fetch that
 * failed is repeated with growing delays, up to TRIES_MAX times. A later pull brings the posts that are still missing,
 * so nothing in this file is kept on the disk.
 *
 * Anyone may announce posts that do not exist. So each peer has a list and a worker of its own: the lies of one
 * peer use up only the room of that peer, and no fetch waits for a fetch from another peer.
 *
 * It refuses a fetched post that is not the announced one, and announcements of a peer beyond ANNOUNCED_MAX.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import { Backoff, type RetryTimings } from "../../retry/backoff.ts";
import type { Timers } from "../../retry/timers.ts";
import { Worker } from "../../retry/worker.ts";
import type { Peers } from "../connections/peers.ts";
import { ask } from "../exchange.ts";
import type { NodeId } from "../node-id.ts";
import type { OverlayLog } from "../ports.ts";
import { type Post, readPost } from "../post.ts";
import type { Refusals } from "../refusals.ts";
import { ProtocolError, TransportError } from "../transport/transport.ts";
import { ERROR_CODES, errorName } from "../wire/error-codes.ts";
import type { PostNotification } from "../wire/files.ts";

/** The most announced posts of one peer that wait to be fetched, about 10 KB. */
const ANNOUNCED_MAX = 64;
/** The most posts that are fetched from one peer at a time. */
const FETCHES_AT_ONCE = 8;
/** How often a post is asked for before its announcement counts as a lie. */
const TRIES_MAX = 6;
/** A peer that announced a post and does not hold it is asked again after this time. */
const ABSENT_DELAY_MS = 30_000;

/** The codes after which the same peer is asked again. The other codes and answers would be the same again. */
const PASSING: ReadonlySet<number> = new Set([ERROR_CODES.busy, ERROR_CODES.internal, ERROR_CODES.full]);

interface Announced {
  readonly notification: PostNotification;
  readonly backoff: Backoff;
  tries: number;
  dueMs: number;
}

/** What became of a fetch. Without `again` the announcement is done with. */
interface Fetched {
  readonly outcome: string;
  readonly again?: "soon" | "late";
}

export interface AnnouncementsOptions {
  peers: Peers;
  timers: Timers;
  timings: RetryTimings;
  requestDeadlineMs: number;
  log: OverlayLog;
  refusals: Refusals;
  /** Whether this node holds the post. */
  holds(postId: Uint8Array): boolean;
  /**
   * Keeps the post of a record that was fetched. Throws the same ProtocolError that a push of this record would be
   * answered with.
   */
  receive(from: NodeId, record: Uint8Array): string;
  onFault(error: unknown): void;
}

export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #peers = new Map<NodeId, { announced: Map<string, Announced>; worker: Worker }>();
  /** The posts that are being fetched, by PostId in hexadecimal. */
  readonly #underWay = new Set<string>();

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
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
    const { peers, timers, timings } = this.#options;
    if (peers.connection(from) === undefined) return;
    const { announced, worker } = this.#listOf(from);
    const id = bytesToHex(notification.postId);
    if (announced.has(id) || (announced.size >= ANNOUNCED_MAX && !forgetWorst(announced))) return;
    announced.set(id, { notification, backoff: new Backoff(timings), tries: 0, dueMs: timers.now() });
    timers.after(0, () => worker.wake());
  }

  /** This peer is connected again. */
  wakeFor(peer: NodeId): void {
    this.#peers.get(peer)?.worker.wake();
  }

  /** This peer will not come back, as far as this node knows. */
  forget(peer: NodeId): void {
    this.#peers.get(peer)?.worker.stop();
    this.#peers.delete(peer);
  }

  stop(): void {
    for (const { worker } of this.#peers.values()) worker.stop();
  }

  #listOf(peer: NodeId): { announced: Map<string, Announced>; worker: Worker } {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    const announced = new Map<string, Announced>();
    const list = { announced, worker: new Worker({ ...this.#options, job: () => this.#fetchDue(peer, announced) }) };
    this.#peers.set(peer, list);
    return list;
  }

  /** Fetches what is due from this peer. What was tried least comes first, so that lies do not delay the truth. */
  async #fetchDue(peer: NodeId, announced: Map<string, Announced>): Promise<"done" | "again"> {
    const { peers, timers, holds } = this.#options;
    const due = [...announced].filter(([, { dueMs }]) => dueMs <= timers.now());
    due.sort(([, one], [, other]) => one.tries - other.tries);
    for (let at = 0; at < due.length; at += FETCHES_AT_ONCE) {
      if (peers.connection(peer) === undefined) return "done";
      await Promise.all(
        due.slice(at, at + FETCHES_AT_ONCE).map(async ([id, entry]) => {
          if (holds(entry.notification.postId)) announced.delete(id);
          else if (!this.#underWay.has(id)) await this.#try(peer, announced, [id, entry]);
        }),
      );
    }
    return announced.size > 0 ? "again" : "done";
  }

  async #try(peer: NodeId, announced: Map<string, Announced>, [id, entry]: [string, Announced]): Promise<void> {
    const { log, refusals, timers } = this.#options;
    this.#underWay.add(id);
    const { outcome, again } = await this.#fetch(peer, entry.notification).finally(() => this.#underWay.delete(id));
    entry.tries += 1;
    if (again === undefined || entry.tries >= TRIES_MAX) announced.delete(id);
    else entry.dueMs = timers.now() + (again === "late" ? ABSENT_DELAY_MS : entry.backoff.next());
    const line = { event: "fetched", peer, post: id, outcome };
    if (outcome === "stored" || outcome === "known") log.info(line);
    else refusals.note(line, outcome);
  }

  async #fetch(from: NodeId, { author, postId }: PostNotification): Promise<Fetched> {
    const { peers, requestDeadlineMs, receive } = this.#options;
    const connection = peers.connection(from);
    if (connection === undefined) return { outcome: "closed", again: "soon" };
    try {
      const answer = await ask(connection, { type: "FileRequest", postId }, { deadlineMs: requestDeadlineMs });
      if (typeof answer === "string") return { outcome: `answered ${answer}` };
      if (answer.record === undefined) return { outcome: "absent", again: "late" };
      const post = readPost(answer.record);
      if (typeof post === "string") return { outcome: post };
      const announced = bytesToHex(post.id) === bytesToHex(postId) && post.author === author;
      return { outcome: announced ? receive(from, answer.record) : "another post" };
    } catch (error) {
      if (error instanceof ProtocolError) {
        const outcome = errorName(error.code);
        return PASSING.has(error.code) ? { outcome, again: "soon" } : { outcome };
      }
      if (!(error instanceof TransportError)) throw error;
      // The peer is gone or blocked. A new dial shows which of the two is true.
      if (error.failure === "deadline") connection.close("too-slow");
      return { outcome: error.failure, again: "soon" };
    }
  }
}

/** Makes room for one more announcement: the one that failed most often goes. False when none has failed. */
function forgetWorst(announced: Map<string, Announced>): boolean {
  const [worst] = [...announced].sort(([, one], [, other]) => other.tries - one.tries);
  return worst !== undefined && worst[1].tries > 0 && announced.delete(worst[0]);
}
