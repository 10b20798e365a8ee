/**
 * A gateway connects a Throwie on the air with a node on the overlay (docs/distsoc.md, "Delivery").
 *
 * It joins three parts and has no rules of its own: the overlay node (hosts/distsoc/node.ts), the bridge between the
 * air of the town and the posts of the node (bridge.ts), and the database that stores the state of both (database/).
 *
 * It logs these events, one line each, with ids in hexadecimal: started, posted, pushed, received, to-air, fetched,
 * refused, peer-up, peer-down, fault, database-fails, database-works, forgotten, narrowed, log-dropped, stopped.
 * Operators and the demo follow the way of a Drop in this log.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import type { Identity } from "../distsoc/identity.ts";
import { OverlayNode } from "../distsoc/node.ts";
import type { NodeAddress, NodeId } from "../distsoc/node-id.ts";
import type { OverlayLog } from "../distsoc/ports.ts";
import type { Transport } from "../distsoc/transport/transport.ts";
import { makeFolders } from "../machine/folders.ts";
import { RETRY_TIMINGS, type RetryTimings } from "../retry/backoff.ts";
import { SYSTEM_TIMERS, type Timers } from "../retry/timers.ts";
import { type Air, Bridge } from "./bridge.ts";
import { type Counts, GatewayDatabase } from "./database/database.ts";

export interface GatewayOptions {
  /** The folder of the database. It is created if absent. */
  dataPath: string;
  identity: Identity;
  /** The transport is open. From now on it belongs to this gateway. */
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

const DATABASE_FILE = "gateway.sqlite";
export const DROPS_FILE = "drops.flash";
export const IDENTITY_FILE = "identity.key";

/** Opens the database of a gateway in the folder `dataPath`. Throws a DatabaseError. */
export function openDatabase(dataPath: string, self: NodeId, log: OverlayLog): GatewayDatabase {
  makeFolders(dataPath);
  return new GatewayDatabase(join(dataPath, DATABASE_FILE), self, { log });
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #database: GatewayDatabase;
  readonly #node: OverlayNode;
  readonly #bridge: Bridge;
  #stopped = false;

  /**
   * Throws a DatabaseError, or a RangeError when too many peers are named. `stop` also closes a database that the
   * caller passed.
   */
  constructor(
    options: GatewayOptions,
    database = openDatabase(options.dataPath, options.identity.nodeId, options.logger),
  ) {
    const { transport, air, identity, follow, audience, logger, requestDeadlineMs } = options;
    const { timers = SYSTEM_TIMERS, timings = RETRY_TIMINGS } = options;
    this.#options = options;
    this.#database = database;
    this.#node = new OverlayNode({
      ...{ transport, posts: database, follow, audience, timers, timings, requestDeadlineMs, log: logger },
      onKept: () => this.#bridge.kept(),
    });
    this.#bridge = new Bridge({ air, node: this.#node, identity, database, logger, timers, timings });
  }

  start(): void {
    const { transport, logger } = this.#options;
    logger.info({ event: "started", node: transport.self, addresses: transport.addresses });
    this.#node.start();
    this.#bridge.start();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#bridge.stop();
    await this.#node.stop();
    this.#database.close();
    this.#options.logger.info({ event: "stopped" });
  }

  status(): GatewayStatus {
    const { self, addresses } = this.#options.transport;
    return { node: self, addresses, connected: this.#node.connected(), ...this.#database.counts() };
  }
}
