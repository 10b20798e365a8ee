/**
 * A node of the overlay (design section 9; docs/distsoc.md, "Delivery"): connections, what others ask of it, and the
 * posts that go out and come in.
 *
 * - An own post goes to the `audience` by PushPost until each has it (social/outbox.ts), and is announced to whoever else
 *   is connected (files/announcements.ts).
 * - A post of an author in `follow` is kept, then answered, then told to the owner. It comes by PushPost, from anyone,
 *   since the signature says whose it is; or it is fetched after a PostNotification.
 *
 * The node knows no radio, no database and no log file: its owner brings `Posts` and `Log` (ports.ts), a `Transport` and
 * `Timers`. So thousands of nodes run in one process, on simulated time (test/overlay-clock.test.ts).
 *
 * Invariant: every step is durable before the next begins, and each is repeated after a crash until it is known to have
 * worked; all of them do nothing the second time.
 *
 * It refuses posts of authors it does not follow, whoever brings them, and every message that it does not know, with a
 * code and never by a crash. To notifications it gives one answer always: whom it follows is its own business.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import { dropId } from "../../modules/drop/drop.ts";
import type { RetryTimings } from "../retry/backoff.ts";
import type { Timers } from "../retry/timers.ts";
import { Peers } from "./connections/peers.ts";
import { answer, type Handlers } from "./exchange.ts";
import { Announcements } from "./files/announcements.ts";
import type { NodeAddress, NodeId } from "./node-id.ts";
import type { Log, Posts } from "./ports.ts";
import { isSigned, type Post, readPost } from "./post.ts";
import { Outbox } from "./social/outbox.ts";
import { ProtocolError, type Transport } from "./transport/transport.ts";
import type { ErrorName } from "./wire/error-codes.ts";
import { decodeRequest, encodeAnswer, errorOf } from "./wire/messages.ts";

/** A peer that lives answers within milliseconds, or within its own disk's worst second; QUIC alone would take 32 s to tell. */
export const REQUEST_DEADLINE_MS = 5000;

export interface OverlayNodeOptions {
  /** Open, and this node's from now on. */
  transport: Transport;
  posts: Posts;
  /** Authors whose posts are kept. */
  follow: readonly NodeAddress[];
  /** Nodes that own posts are pushed to. */
  audience: readonly NodeAddress[];
  timers: Timers;
  timings: RetryTimings;
  requestDeadlineMs?: number | undefined;
  log: Log;
  /** A post of another was kept. Called after whoever brought it has its answer: the owner may take its time. */
  onKept(): void;
}

export class OverlayNode {
  /** Each node that own posts are owed to, once, this node left out. */
  readonly audience: readonly NodeId[];
  readonly #options: OverlayNodeOptions;
  readonly #follow: ReadonlySet<NodeId>;
  readonly #peers: Peers;
  readonly #outbox: Outbox;
  readonly #announcements: Announcements;
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
        log.info({ event: "peer-up", peer });
        this.#outbox.wakeFor(peer);
      },
      onDown: (peer) => log.info({ event: "peer-down", peer }),
    });
    const shared = { peers: this.#peers, timers, timings, requestDeadlineMs, log };
    const onFault = (error: unknown): void => this.#fault(error);
    this.#outbox = new Outbox({ ...shared, posts: options.posts, audience: this.audience, onFault });
    this.#announcements = new Announcements({
      ...shared,
      receive: (from, record) => this.#receive(from, record),
      onFault,
    });
  }

  start(): void {
    this.#options.transport.onMessage((from, message) => this.#answer(from, message));
    this.#peers.start();
  }

  /** Ends the work and closes the transport; the posts are the owner's. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#announcements.stop();
    this.#outbox.stop();
    this.#peers.stop();
    await this.#options.transport.close();
  }

  /** Whom this node has a connection with. */
  connected(): NodeId[] {
    return this.#peers.connected();
  }

  /** An own post is in `posts`, owed to the audience. */
  published(post: Post): void {
    this.#outbox.wake();
    this.#announcements.announce(
      post,
      this.#peers.connected().filter((peer) => !this.audience.includes(peer)),
    );
  }

  async #answer(from: NodeId, message: Uint8Array): Promise<Uint8Array> {
    const request = decodeRequest(message);
    if (typeof request === "string") {
      this.#options.log.debug({ event: "refused", peer: from, type: message[0], reason: request });
      throw new ProtocolError(errorOf(request));
    }
    try {
      return encodeAnswer(await answer(this.#handlers, from, request));
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.#fault(error);
      throw error;
    }
  }

  /** Keeps a post, durably, or throws the code that it is refused with. */
  #receive(from: NodeId, record: Uint8Array): "stored" | "known" {
    const { posts, timers, log, onKept } = this.#options;
    const refuse = (reason: string, code: ErrorName): ProtocolError => {
      log.warn({ event: "refused", peer: from, type: "post", reason });
      return new ProtocolError(code);
    };
    const post = readPost(record);
    if (typeof post === "string") throw refuse(post, "malformed");
    // Before the signature: arithmetic is for those who are followed.
    if (!this.#follow.has(post.author)) throw refuse("not followed", "refused");
    if (posts.holdsPost(post.id)) return "known";
    if (!isSigned(post)) throw refuse("bad-signature", "bad-signature");
    const outcome = posts.keep(post);
    if (outcome === "full") throw refuse("full", "full");
    if (outcome === "stored") {
      const { id, author, drop } = post;
      log.info({ event: "received", post: bytesToHex(id), author, drop: bytesToHex(dropId(drop)), peer: from });
      timers.after(0, onKept);
    }
    return outcome;
  }

  #fault(error: unknown): void {
    if (!this.#stopped) this.#options.log.error({ event: "fault", err: error });
  }
}

/** One address for each node: a node that is followed and is audience may be given twice, with other sockets. */
function merged(addresses: readonly NodeAddress[]): NodeAddress[] {
  const byId = new Map<NodeId, Set<string>>();
  for (const { id, sockets } of addresses) {
    const all = byId.get(id) ?? new Set();
    for (const socket of sockets) all.add(socket);
    byId.set(id, all);
  }
  return [...byId].map(([id, sockets]) => ({ id, sockets: [...sockets] }));
}
