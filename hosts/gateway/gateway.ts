/**
 * A gateway: a Throwie on the air and a node on the overlay, joined (design section 10; docs/distsoc.md, "Delivery").
 *
 * It owns the `Air` port; radio-air.ts implements it over the radio and a store in a file, tests over a Map. The overlay half
 * and its guarantees are overlay.ts; what is kept is database.ts.
 *
 * Invariant: every Drop that the air store holds has a post, or gets one. The air tells of each new Drop at once, and at
 * the start (and after a fault, such as a full disk) all that it holds are gone through, so a crash between hearing and
 * posting loses nothing.
 *
 * Log events, one line each, ids in hexadecimal: started, posted, pushed, received, to-air, fetched, refused, peer-up,
 * peer-down, fault, database-full, stopped. People and the demo read the story from them.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Identity } from "../distsoc/identity.ts";
import type { NodeAddress, NodeId } from "../distsoc/node-id.ts";
import type { Transport } from "../distsoc/transport/transport.ts";
import type { PublishOutcome } from "../node/message.ts";
import { RETRY_TIMINGS, type RetryTimings } from "../retry/backoff.ts";
import { pause, SYSTEM_TIMERS, type Timers } from "../retry/timers.ts";
import { Worker } from "../retry/worker.ts";
import { type Counts, GatewayDatabase } from "./database/database.ts";
import { Overlay } from "./overlay.ts";

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

export interface GatewayOptions {
  /** Folder for the database; created if absent. */
  dataPath: string;
  identity: Identity;
  /** Open, and this gateway's from now on. */
  transport: Transport;
  air: Air;
  follow: readonly NodeAddress[];
  audience: readonly NodeAddress[];
  logger: Logger;
  timers?: Timers;
  timings?: RetryTimings;
  requestDeadlineMs?: number;
}

export interface GatewayStatus extends Counts {
  node: NodeId;
  addresses: readonly string[];
  connected: NodeId[];
}

export const DATABASE_FILE = "gateway.sqlite";
export const DROPS_FILE = "drops.flash";
export const IDENTITY_FILE = "identity.key";

/** Opens what a gateway keeps under `dataPath`. Throws a DatabaseError. */
export function openDatabase(dataPath: string, self: NodeId): GatewayDatabase {
  mkdirSync(dataPath, { recursive: true, mode: 0o700 });
  return new GatewayDatabase(join(dataPath, DATABASE_FILE), self);
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #database: GatewayDatabase;
  readonly #overlay: Overlay;
  readonly #scan: Worker;
  readonly #timers: Timers;
  #stopped = false;

  /** Throws a DatabaseError, or a RangeError when too many peers are named. A database handed in is closed by `stop` too. */
  constructor(options: GatewayOptions, database = openDatabase(options.dataPath, options.identity.nodeId)) {
    const { air, logger, timers = SYSTEM_TIMERS, timings = RETRY_TIMINGS } = options;
    this.#options = options;
    this.#database = database;
    this.#overlay = new Overlay({ ...options, database, toAir: (drop) => air.offer(drop) });
    this.#timers = timers;
    this.#scan = new Worker({
      timers,
      timings,
      job: () => this.#postAll(),
      onFault: (err) => logger.error({ event: "fault", err }),
    });
  }

  start(): void {
    const { transport, air, logger } = this.#options;
    logger.info({ event: "started", node: transport.self, addresses: transport.addresses });
    air.onHeard((drop) => {
      if (!this.#stopped && this.#overlay.heard(drop) === "fault") this.#scan.wake();
    });
    this.#overlay.start();
    this.#scan.wake();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#scan.stop();
    await this.#overlay.stop();
    this.#database.close();
    this.#options.logger.info({ event: "stopped" });
  }

  status(): GatewayStatus {
    const { self, addresses } = this.#options.transport;
    return { node: self, addresses, connected: this.#overlay.connected(), ...this.#database.counts() };
  }

  /** Waits for the event loop between Drops: posting waits for the disk, and the radio must be served. */
  async #postAll(): Promise<"done" | "again"> {
    let result: "done" | "again" = "done";
    for (const drop of [...this.#options.air.heardDrops()]) {
      if (this.#stopped) return "done";
      if (this.#overlay.heard(drop) === "fault") result = "again";
      await pause(this.#timers, 0);
    }
    return result;
  }
}
