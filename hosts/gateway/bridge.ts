/**
 * The bridge between the air of a town and the overlay. Drops become posts, and posts become Drops (docs/distsoc.md,
 * "Delivery").
 *
 * The problem: a Drop must arrive in the other town exactly once, although a process may be killed at any time and
 * gateways may follow each other in a circle.
 *
 * - A Drop from the air that no post holds becomes a signed post of this node. When a post holds the Drop already, the
 *   bridge does nothing, no matter which author wrote the post or how it came. So content addressing ends every loop.
 * - The Drop of a post that the overlay node stored is offered to the air until the air store holds the Drop.
 *
 * Invariant: every Drop in the air store has a post or gets a post. Every post of another author comes out on the air
 * once. The air reports each new Drop immediately. At the start, and after a fault such as a full disk, the bridge goes
 * through all Drops in the air store. Each step is on the disk before the next step begins. A step is repeated until it
 * is known to have worked, and a repeated step has no effect.
 *
 * The bridge does not decide which Drops the air store keeps, or which authors are trusted. The node on each side
 * decides that.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import type { Logger } from "pino";
import { dropId } from "../../modules/drop/drop.ts";
import type { PublishOutcome } from "../../modules/throwie/throwie.ts";
import type { Identity } from "../distsoc/identity.ts";
import type { OverlayNode } from "../distsoc/node.ts";
import { PostsFault } from "../distsoc/ports.ts";
import { type Post, signPost } from "../distsoc/post.ts";
import type { RetryTimings } from "../retry/backoff.ts";
import { pause, type Timers } from "../retry/timers.ts";
import { Worker } from "../retry/worker.ts";
import type { GatewayDatabase } from "./database/database.ts";

/** The number of posts that are read at a time for the air. They take 35 KB. */
const BATCH_POSTS = 16;

/** A gateway's port to the air of its town. The arrays of the Drops that are handed over belong to the receiver. */
export interface Air {
  /** Lists the complete and verified Drops in the air store, no matter whether they came by radio or by `offer`. */
  heardDrops(): Iterable<Uint8Array>;
  /**
   * Puts a Drop on the air. The Drop is cold, because no person has carried it. The answer "stored" comes only when the
   * Drop would survive a crash. After "colder", "busy" and "flash" the gateway offers the Drop again.
   */
  offer(drop: Uint8Array): PublishOutcome | Promise<PublishOutcome>;
  /**
   * Sets the one handler, which is called for every Drop that is stored from now on. The handler may also be called for
   * a Drop that `offer` brought.
   */
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
  /** Makes posts of all Drops in the air store. */
  readonly #scan: Worker;
  /** Offers the Drops of stored posts to the air. */
  readonly #offers: Worker;
  /** Whether the last answer of the air was "flash". */
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

  /** The overlay node stored a post of another author. */
  kept(): void {
    this.#offers.wake();
  }

  /**
   * Makes a post of a complete, verified Drop from this town's air. "fault": the post could not be stored, so this
   * function must be called again later.
   */
  #post(drop: Uint8Array): "posted" | "known" | "fault" {
    const { database, identity, node, logger } = this.#options;
    let post: Post | "known";
    try {
      post = database.post(drop, node.audience, (sequence) => signPost(identity, sequence, drop));
    } catch (error) {
      this.#fault(error);
      return "fault";
    }
    if (typeof post === "string") return post;
    const { id, sequence } = post;
    logger.info({ event: "posted", drop: bytesToHex(dropId(drop)), post: bytesToHex(id), sequence });
    node.published(post);
    return "posted";
  }

  /** Makes a post of each Drop in the air store. It pauses between Drops, because the radio needs the event loop. */
  async #postAll(): Promise<"done" | "again"> {
    for (const drop of [...this.#options.air.heardDrops()]) {
      if (this.#stopped) return "done";
      if (this.#post(drop) === "fault") return "again";
      await pause(this.#options.timers, 0);
    }
    return "done";
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
          // A full or busy store is normal. The operator must know of a disk that cannot be written, but only once.
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
    if (this.#stopped || error instanceof PostsFault) return;
    this.#options.logger.error({ event: "fault", err: error });
  }
}
