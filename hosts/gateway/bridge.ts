/**
 * The bridge between a town's air and the overlay: Drops become posts, posts become Drops (design section 10;
 * docs/distsoc.md, "Delivery").
 *
 * - A Drop heard on the air that no post holds becomes a signed post of this node. If a post holds the Drop, whoever wrote
 *   the post and however it came, nothing is done: content addressing ends every loop.
 * - The Drop of a post that the overlay node kept is offered to the air until the air has it.
 *
 * Invariant: every Drop that the air store holds has a post, or gets one; every post of another comes out on the air, once.
 * The air tells of each new Drop at once, and at the start (and after a fault, such as a full disk) all Drops that it holds
 * are gone through. Each step is on the disk before the next begins, is repeated until it is known to have worked, and
 * does nothing the second time. So a Drop arrives once, wherever a process is killed.
 *
 * It refuses to decide what the air keeps and whom the overlay trusts: the node on each side does.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import type { Logger } from "pino";
import { dropId } from "../../modules/drop/drop.ts";
import type { Identity } from "../distsoc/identity.ts";
import type { OverlayNode } from "../distsoc/node.ts";
import { type Post, signPost } from "../distsoc/post.ts";
import type { PublishOutcome } from "../node/message.ts";
import type { RetryTimings } from "../retry/backoff.ts";
import { pause, type Timers } from "../retry/timers.ts";
import { Worker } from "../retry/worker.ts";
import type { GatewayDatabase } from "./database/database.ts";

/** Posts read at once for the air: 35 KB. */
const BATCH_POSTS = 16;

/** What a gateway needs of its town's air. Drops handed over are the receiver's own arrays. */
export interface Air {
  /** The Drops that the air store holds, whole and verified, whether they came by radio or by `offer`. */
  heardDrops(): Iterable<Uint8Array>;
  /**
   * Put a Drop on the air, cold: it was not carried. "stored" only once it would survive a crash. After "colder", "busy"
   * and "flash" the Drop is offered again.
   */
  offer(drop: Uint8Array): PublishOutcome | Promise<PublishOutcome>;
  /** Tell of every Drop that is stored from now on; telling of one that `offer` brought does no harm. One handler. */
  onHeard(handler: (drop: Uint8Array) => void): void;
}

export interface BridgeOptions {
  air: Air;
  node: OverlayNode;
  identity: Identity;
  database: GatewayDatabase;
  logger: Logger;
  timers: Timers;
  timings: RetryTimings;
}

export class Bridge {
  readonly #options: BridgeOptions;
  /** Makes posts of all Drops that the air holds. */
  readonly #scan: Worker;
  /** Offers Drops to the air. */
  readonly #offers: Worker;
  /** Whether the air's last answer was "flash". */
  #airFailed = false;
  #stopped = false;

  constructor(options: BridgeOptions) {
    const onFault = (error: unknown): void => this.#fault(error);
    this.#options = options;
    this.#scan = new Worker({ ...options, job: () => this.#postAll(), onFault });
    this.#offers = new Worker({ ...options, job: () => this.#offerAll(), onFault });
  }

  start(): void {
    this.#options.air.onHeard((drop) => {
      if (!this.#stopped && this.#post(drop) === "fault") this.#scan.wake();
    });
    this.#offers.wake();
    this.#scan.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#scan.stop();
    this.#offers.stop();
  }

  /** The overlay node kept a post of another. */
  kept(): void {
    this.#offers.wake();
  }

  /** A whole, verified Drop is on this town's air. "fault": it could not be kept; say it again later. */
  #post(drop: Uint8Array): "posted" | "known" | "full" | "fault" {
    const { database, identity, node, logger } = this.#options;
    let post: Post | "known" | "full";
    try {
      post = database.post(drop, node.audience, (sequence) => signPost(identity, sequence, drop));
    } catch (error) {
      this.#fault(error);
      return "fault";
    }
    if (post === "full") logger.error({ event: "database-full", drop: bytesToHex(dropId(drop)) });
    if (typeof post === "string") return post;
    const { id, sequence } = post;
    logger.info({ event: "posted", drop: bytesToHex(dropId(drop)), post: bytesToHex(id), sequence });
    node.published(post);
    return "posted";
  }

  /** Waits for the event loop between Drops: posting waits for the disk, and the radio must be served. */
  async #postAll(): Promise<"done" | "again"> {
    let result: "done" | "again" = "done";
    for (const drop of [...this.#options.air.heardDrops()]) {
      if (this.#stopped) return "done";
      if (this.#post(drop) === "fault") result = "again";
      await pause(this.#options.timers, 0);
    }
    return result;
  }

  async #offerAll(): Promise<"done" | "again"> {
    const { database, air, logger } = this.#options;
    let after = 0;
    for (;;) {
      const awaiting = database.awaiting(after, BATCH_POSTS);
      if (awaiting.length === 0) return "done";
      for (const { number, post } of awaiting) {
        if (this.#stopped) return "done";
        const outcome = await air.offer(post.drop);
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

  #fault(error: unknown): void {
    if (!this.#stopped) this.#options.logger.error({ event: "fault", err: error });
  }
}
