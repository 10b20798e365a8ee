/**
 * The overlay half of a gateway: Drops become posts, posts become Drops (design section 10; docs/distsoc.md, "Delivery").
 *
 * - A Drop heard on the air that no post holds becomes a signed post of this node, pushed to the `audience` and announced
 *   to whoever else is connected. If a post holds it, whoever wrote it and however it came, nothing is done: content
 *   addressing ends every loop.
 * - A post of an author in `follow` is kept, then answered, then its Drop is offered to the air until the air has it. It
 *   comes by PushPost, from anyone, since the signature says whose it is; or it is fetched after a PostNotification.
 *
 * Invariant: every step is on the disk before the next begins, and each is repeated after a crash until it is known to
 * have worked; all of them do nothing the second time. So a Drop arrives once, wherever a process is killed.
 *
 * It refuses posts of authors it does not follow, whoever brings them, and every message that it does not know, with a
 * code and never by a crash. To notifications it gives one answer always: whom it follows is its own business.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import type { Logger } from "pino";
import { dropId } from "../../modules/drop/drop.ts";
import { Peers } from "../distsoc/connections/peers.ts";
import type { Identity } from "../distsoc/identity.ts";
import type { NodeAddress, NodeId } from "../distsoc/node-id.ts";
import { isSigned, type Post, readPost, signPost } from "../distsoc/post.ts";
import { ProtocolError, type Transport, TransportError } from "../distsoc/transport/transport.ts";
import { errorName } from "../distsoc/wire/error-codes.ts";
import type { PostNotification } from "../distsoc/wire/files.ts";
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, errorOf } from "../distsoc/wire/messages.ts";
import type { PublishOutcome } from "../node/message.ts";
import { RETRY_TIMINGS, type RetryTimings } from "../retry/backoff.ts";
import { SYSTEM_TIMERS, type Timers } from "../retry/timers.ts";
import { Worker } from "../retry/worker.ts";
import type { GatewayDatabase } from "./database/database.ts";
import { Outbox } from "./outbox.ts";

/** A peer that lives answers within milliseconds, or within its own disk's worst second; QUIC alone would take 32 s to tell. */
export const REQUEST_DEADLINE_MS = 5000;
/** Announced posts that wait to be fetched, about 20 KB; what is announced beyond it is left to a later pull. */
export const FETCHES_MAX = 256;
/** Posts read at once for the air: 35 KB. */
const BATCH_POSTS = 16;

export interface OverlayOptions {
  transport: Transport;
  identity: Identity;
  database: GatewayDatabase;
  /** Authors whose posts come out on the air. */
  follow: readonly NodeAddress[];
  /** Nodes that own posts are pushed to. */
  audience: readonly NodeAddress[];
  toAir(drop: Uint8Array): PublishOutcome | Promise<PublishOutcome>;
  logger: Logger;
  timers?: Timers;
  timings?: RetryTimings;
  requestDeadlineMs?: number;
}

export class Overlay {
  readonly #options: OverlayOptions;
  readonly #requestDeadlineMs: number;
  readonly #timers: Timers;
  readonly #follow: ReadonlySet<NodeId>;
  readonly #audience: readonly NodeId[];
  readonly #peers: Peers;
  readonly #outbox: Outbox;
  readonly #airWorker: Worker;
  readonly #fetchWorker: Worker;
  /** By hexadecimal PostId; who announced it last. */
  readonly #fetches = new Map<string, { from: NodeId; notification: PostNotification }>();
  /** The air store could not be written when it was last tried. */
  #airFailed = false;
  #stopped = false;

  constructor(options: OverlayOptions) {
    const { database, transport, logger, timers = SYSTEM_TIMERS, timings = RETRY_TIMINGS } = options;
    const self = transport.self;
    const follow = options.follow.filter(({ id }) => id !== self);
    const audience = options.audience.filter(({ id }) => id !== self);
    const onFault = (error: unknown): void => this.#fault(error);
    this.#options = options;
    this.#timers = timers;
    this.#requestDeadlineMs = options.requestDeadlineMs ?? REQUEST_DEADLINE_MS;
    this.#follow = new Set(follow.map(({ id }) => id));
    this.#audience = [...new Set(audience.map(({ id }) => id))];
    const named = merged([...follow, ...audience]);
    this.#peers = new Peers({
      transport,
      named,
      timers,
      timings,
      onUp: (peer) => {
        logger.info({ event: "peer-up", peer });
        this.#outbox.wakeFor(peer);
      },
      onDown: (peer) => logger.info({ event: "peer-down", peer }),
    });
    this.#outbox = new Outbox({
      database,
      peers: this.#peers,
      audience: this.#audience,
      timers,
      timings,
      requestDeadlineMs: this.#requestDeadlineMs,
      logger,
      onFault,
    });
    this.#airWorker = new Worker({ timers, timings, job: () => this.#offerToAir(), onFault });
    this.#fetchWorker = new Worker({ timers, timings, job: () => this.#fetch(), onFault });
  }

  start(): void {
    this.#options.transport.onMessage(async (from, message) => this.#answer(from, message));
    this.#peers.start();
    this.#airWorker.wake();
  }

  /** Ends the work and closes the transport; the database is the caller's. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#airWorker.stop();
    this.#fetchWorker.stop();
    this.#outbox.stop();
    this.#peers.stop();
    await this.#options.transport.close();
  }

  /** Whom this node has a connection with. */
  connected(): NodeId[] {
    return this.#peers.connected();
  }

  /** A whole, verified Drop is on this town's air. "fault": it could not be kept; say it again later. */
  heard(drop: Uint8Array): "posted" | "known" | "full" | "fault" {
    const { database, identity, logger } = this.#options;
    let post: Post | "known" | "full";
    try {
      post = database.post(drop, this.#audience, (sequence) => signPost(identity, sequence, drop));
    } catch (error) {
      this.#fault(error);
      return "fault";
    }
    if (post === "full") logger.error({ event: "database-full", drop: bytesToHex(dropId(drop)) });
    if (typeof post === "string") return post;
    const { id, sequence } = post;
    logger.info({ event: "posted", drop: bytesToHex(dropId(drop)), post: bytesToHex(id), sequence });
    this.#outbox.wake();
    this.#announce(post);
    return "posted";
  }

  #answer(from: NodeId, message: Uint8Array): Uint8Array {
    const request = decodeRequest(message);
    if (typeof request === "string") {
      this.#options.logger.debug({ event: "refused", peer: from, type: message[0], reason: request });
      throw new ProtocolError(errorOf(request));
    }
    try {
      switch (request.type) {
        case "FileRequest": {
          const record = this.#options.database.record(request.postId);
          return encodeAnswer(record === undefined ? { type: "FileResponse" } : { type: "FileResponse", record });
        }
        case "PostNotification":
          this.#noteAnnouncement(from, request);
          return encodeAnswer({ type: "PostNotificationAnswer" });
        case "PushPost":
          return encodeAnswer({ type: "PushPostAnswer", outcome: this.#receive(from, request.record) });
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.#fault(error);
      throw error;
    }
  }

  /** Keeps a post on the disk, or throws the code that it is refused with. */
  #receive(from: NodeId, record: Uint8Array): "stored" | "known" {
    const { database, logger } = this.#options;
    const refuse = (reason: string, code: "malformed" | "refused" | "bad-signature" | "full"): ProtocolError => {
      logger.warn({ event: "refused", peer: from, type: "post", reason });
      return new ProtocolError(code);
    };
    const post = readPost(record);
    if (typeof post === "string") throw refuse(post, "malformed");
    // Before the signature: arithmetic is for those who are followed.
    if (!this.#follow.has(post.author)) throw refuse("not followed", "refused");
    if (database.holdsPost(post.id)) return "known";
    if (!isSigned(post)) throw refuse("bad-signature", "bad-signature");
    const outcome = database.keep(post);
    if (outcome === "full") throw refuse("full", "full");
    if (outcome === "stored") {
      const { id, author, drop } = post;
      logger.info({ event: "received", post: bytesToHex(id), author, drop: bytesToHex(dropId(drop)), peer: from });
      // After the answer has left: the air may take its time.
      this.#timers.after(0, () => this.#airWorker.wake());
    }
    return outcome;
  }

  async #offerToAir(): Promise<"done" | "again"> {
    const { database, toAir, logger } = this.#options;
    let after = 0;
    for (;;) {
      const awaiting = database.awaiting(after, BATCH_POSTS);
      if (awaiting.length === 0) return "done";
      for (const { number, post } of awaiting) {
        if (this.#stopped) return "done";
        const outcome = await toAir(post.drop);
        const line = { event: "to-air", drop: bytesToHex(dropId(post.drop)), post: bytesToHex(post.id), outcome };
        if (outcome !== "stored" && outcome !== "known") {
          // A full or busy store is everyday. A disk that takes nothing is the operator's affair; it is told once.
          logger[outcome === "flash" && !this.#airFailed ? "error" : "debug"](line);
          this.#airFailed = outcome === "flash";
          return "again";
        }
        this.#airFailed = false;
        database.aired(number);
        logger.info(line);
        after = number;
      }
    }
  }

  #announce(post: Post): void {
    const { id, author, sequence } = post;
    const message = encodeRequest({ type: "PostNotification", author, sequence, postId: id });
    for (const peer of this.#peers.connected()) {
      if (this.#audience.includes(peer)) continue;
      const connection = this.#peers.connection(peer);
      connection?.request(message, { deadlineMs: this.#requestDeadlineMs }).catch((error: unknown) => {
        if (error instanceof TransportError && error.failure === "deadline") connection.close("too-slow");
      });
    }
  }

  #noteAnnouncement(from: NodeId, notification: PostNotification): void {
    const { author, postId } = notification;
    if (!this.#follow.has(author) || this.#options.database.holdsPost(postId)) return;
    if (this.#fetches.size >= FETCHES_MAX) return;
    this.#fetches.set(bytesToHex(postId), { from, notification });
    this.#timers.after(0, () => this.#fetchWorker.wake());
  }

  /** One try for each announcement; what fails is announced again by nobody, and is left to a later pull. */
  async #fetch(): Promise<"done"> {
    for (const [id, { from, notification }] of this.#fetches) {
      let outcome: string;
      try {
        outcome = await this.#fetchFrom(from, notification);
      } catch (error) {
        if (error instanceof ProtocolError) outcome = errorName(error.code);
        else if (error instanceof TransportError) outcome = error.failure;
        else throw error;
      } finally {
        this.#fetches.delete(id);
      }
      this.#options.logger.info({ event: "fetched", peer: from, post: id, outcome });
    }
    return "done";
  }

  async #fetchFrom(from: NodeId, { author, postId }: PostNotification): Promise<string> {
    const connection = this.#peers.connection(from);
    if (connection === undefined) return "closed";
    const message = encodeRequest({ type: "FileRequest", postId });
    const answer = decodeAnswer(
      "FileRequest",
      await connection.request(message, { deadlineMs: this.#requestDeadlineMs }),
    );
    if (typeof answer === "string") return `answered ${answer}`;
    if (answer.record === undefined) return "absent";
    const post = readPost(answer.record);
    if (typeof post === "string") return post;
    if (bytesToHex(post.id) !== bytesToHex(postId) || post.author !== author) return "another post";
    return this.#receive(from, answer.record);
  }

  #fault(error: unknown): void {
    if (!this.#stopped) this.#options.logger.error({ event: "fault", err: error });
  }
}

/** One address for each node: a gateway that is followed and is audience may be given twice, with other sockets. */
function merged(addresses: readonly NodeAddress[]): NodeAddress[] {
  const byId = new Map<NodeId, Set<string>>();
  for (const { id, sockets } of addresses) {
    const all = byId.get(id) ?? new Set();
    for (const socket of sockets) all.add(socket);
    byId.set(id, all);
  }
  return [...byId].map(([id, sockets]) => ({ id, sockets: [...sockets] }));
}
