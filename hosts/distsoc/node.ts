/**
 * A node of the overlay (docs/distsoc.md, "Delivery"). It keeps connections, answers the messages of other nodes, and
 * sends and receives posts.
 *
 * - An own post is pushed to each node of the `audience` until this node has it (social/outbox.ts). The post is also
 *   announced to the other connected nodes (files/announcements.ts).
 * - A post of an author in `follow` is first stored, then answered, and then reported to the owner. The post arrives in
 *   a PushPost from any node, since the signature names the author. Or this node fetches the post after a
 *   PostNotification.
 *
 * The node knows no radio, no database and no log file. Its owner provides `Posts` and `OverlayLog` (ports.ts), a
 * `Transport` and `Timers`. So thousands of nodes can run in one process on simulated time
 * (test/overlay-clock.test.ts).
 *
 * Invariant: each step is durable before the next step begins. After a crash each step is repeated until it is known to
 * have worked. A repeated step has no effect.
 *
 * The node refuses the posts of authors that it does not follow, no matter which node brings them. It refuses every
 * message that it does not know. A refusal is an error code and never a crash. A PostNotification always gets the same
 * answer, so that other nodes do not learn which authors this node follows.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import { dropId } from "../../modules/drop/drop.ts";
import type { RetryTimings } from "../retry/backoff.ts";
import type { Timers } from "../retry/timers.ts";
import { Peers } from "./connections/peers.ts";
import { answer, type Handlers } from "./exchange.ts";
import { Announcements } from "./files/announcements.ts";
import type { NodeAddress, NodeId } from "./node-id.ts";
import { type OverlayLog, type Posts, PostsFault } from "./ports.ts";
import { isSigned, type Post, readPost } from "./post.ts";
import { Refusals } from "./refusals.ts";
import { Outbox } from "./social/outbox.ts";
import { ProtocolError, type Transport, TransportError } from "./transport/transport.ts";
import type { ErrorName } from "./wire/error-codes.ts";
import { decodeRequest, encodeAnswer, errorOf } from "./wire/messages.ts";

/**
 * A running peer answers within milliseconds, or within about a second when its disk is slow. QUIC alone would need 32
 * s to notice a peer that has vanished.
 */
const REQUEST_DEADLINE_MS = 5000;

export interface OverlayNodeOptions {
  /** The transport is open. From now on it belongs to this node. */
  transport: Transport;
  posts: Posts;
  /** The authors whose posts this node stores. */
  follow: readonly NodeAddress[];
  /** The nodes to which own posts are pushed. */
  audience: readonly NodeAddress[];
  timers: Timers;
  timings: RetryTimings;
  requestDeadlineMs?: number | undefined;
  log: OverlayLog;
  /**
   * A post of another author was stored. This function is called after the sender of the post has its answer, so it may
   * take long.
   */
  onKept(): void;
}

export class OverlayNode {
  /** The nodes to which own posts are owed: each node once, without this node itself. */
  readonly audience: readonly NodeId[];
  readonly #options: OverlayNodeOptions;
  readonly #follow: ReadonlySet<NodeId>;
  readonly #peers: Peers;
  readonly #outbox: Outbox;
  readonly #announcements: Announcements;
  readonly #refusals: Refusals;
  #stopped = false;

  readonly #handlers: Handlers = {
    FileRequest: (_, { postId }) => {
      const record = this.#options.posts.record(postId);
      return record === undefined ? { type: "FileResponse" } : { type: "FileResponse", record };
    },
    PostNotification: (from, notification) => {
      const { author, postId } = notification;
      const wanted = this.#follow.has(author) && !this.#options.posts.holdsPost(postId);
      if (wanted) this.#announcements.note(from, notification);
      return { type: "PostNotificationAnswer" };
    },
    PushPost: (from, { record }) => ({ type: "PushPostAnswer", outcome: this.#receive(from, record) }),
  };

  /** Throws a RangeError when too many peers are named. */
  constructor(options: OverlayNodeOptions) {
    const { transport, timers, timings, log, requestDeadlineMs = REQUEST_DEADLINE_MS } = options;
    const others = (addresses: readonly NodeAddress[]): NodeAddress[] =>
      addresses.filter(({ id }) => id !== transport.self);
    const follow = others(options.follow);
    const audience = others(options.audience);
    this.#options = options;
    this.#follow = new Set(follow.map(({ id }) => id));
    this.audience = [...new Set(audience.map(({ id }) => id))];
    this.#peers = new Peers({
      transport,
      named: merged([...follow, ...audience]),
      timers,
      timings,
      onUp: (peer) => {
        this.#sayOf(peer, "peer-up");
        this.#outbox.wakeFor(peer);
        this.#announcements.wakeFor(peer);
      },
      onDown: (peer) => {
        this.#sayOf(peer, "peer-down");
        if (this.#peers.isStranger(peer)) this.#announcements.forget(peer);
      },
      onEvicted: () => this.#refusals.count("no place for one more stranger"),
      onDialFailed: (peer, error) => {
        if (error instanceof TransportError) log.debug({ event: "dial", peer, outcome: error.failure });
        else this.#fault(error);
      },
    });
    this.#refusals = new Refusals(log, timers);
    const shared = { peers: this.#peers, timers, timings, requestDeadlineMs, log, refusals: this.#refusals };
    const onFault = (error: unknown): void => this.#fault(error);
    this.#outbox = new Outbox({ ...shared, posts: options.posts, audience: this.audience, onFault });
    this.#announcements = new Announcements({
      ...shared,
      holds: (postId) => options.posts.holdsPost(postId),
      receive: (from, record) => this.#receive(from, record),
      onFault,
    });
  }

  start(): void {
    this.#options.transport.onMessage((from, message) => this.#answer(from, message));
    this.#peers.start();
  }

  /** Ends the work and closes the transport. The posts remain open, because they belong to the owner. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#announcements.stop();
    this.#outbox.stop();
    this.#peers.stop();
    this.#refusals.stop();
    await this.#options.transport.close();
  }

  /** The peers with which this node has a connection. */
  connected(): NodeId[] {
    return this.#peers.connected();
  }

  /** The owner calls this after it has stored an own post in `posts` as owed to the audience. */
  published(post: Post): void {
    this.#outbox.wake();
    this.#announcements.announce(
      post,
      this.#peers.connected().filter((peer) => !this.audience.includes(peer)),
    );
  }

  async #answer(from: NodeId, message: Uint8Array): Promise<Uint8Array> {
    this.#peers.heard(from);
    const request = decodeRequest(message);
    if (typeof request === "string") {
      this.#refusals.note({ event: "refused", peer: from, type: message[0], reason: request }, request);
      throw new ProtocolError(errorOf(request));
    }
    try {
      return encodeAnswer(await answer(this.#handlers, from, request));
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.#fault(error);
      throw error;
    }
  }

  /** Stores a post durably, or throws a ProtocolError with the code of the refusal. */
  #receive(from: NodeId, record: Uint8Array): "stored" | "known" {
    const { posts, timers, log, onKept } = this.#options;
    const refuse = (reason: string, code: ErrorName): ProtocolError => {
      this.#refusals.note({ event: "refused", peer: from, type: "post", reason }, reason);
      return new ProtocolError(code);
    };
    const post = readPost(record);
    if (typeof post === "string") throw refuse(post, "malformed");
    // This check comes before the signature, so that no other node can make this node verify signatures in vain.
    if (!this.#follow.has(post.author)) throw refuse("not followed", "refused");
    if (posts.holdsPost(post.id)) return "known";
    if (!isSigned(post)) throw refuse("bad-signature", "bad-signature");
    const outcome = this.#keep(post);
    if (outcome === "stored") {
      const { id, author, drop } = post;
      log.info({ event: "received", post: bytesToHex(id), author, drop: bytesToHex(dropId(drop)), peer: from });
      timers.after(0, onKept);
    }
    return outcome;
  }

  /** Anyone may connect and leave a thousand times, so only named peers have a line in the log. */
  #sayOf(peer: NodeId, event: "peer-up" | "peer-down"): void {
    this.#options.log[this.#peers.isStranger(peer) ? "debug" : "info"]({ event, peer });
  }

  /** Another node tries again later when there is no room here. */
  #keep(post: Post): "stored" | "known" {
    try {
      return this.#options.posts.keep(post);
    } catch (error) {
      if (!(error instanceof PostsFault)) throw error;
      this.#refusals.count("full");
      throw new ProtocolError("full");
    }
  }

  #fault(error: unknown): void {
    if (!this.#stopped && !(error instanceof PostsFault)) this.#options.log.error({ event: "fault", err: error });
  }
}

/**
 * Returns one address for each node. A node that is both followed and in the audience may be named twice, with
 * different sockets.
 */
function merged(addresses: readonly NodeAddress[]): NodeAddress[] {
  const byId = new Map<NodeId, Set<string>>();
  for (const { id, sockets } of addresses) {
    const all = byId.get(id) ?? new Set();
    for (const socket of sockets) all.add(socket);
    byId.set(id, all);
  }
  return [...byId].map(([id, sockets]) => ({ id, sockets: [...sockets] }));
}
