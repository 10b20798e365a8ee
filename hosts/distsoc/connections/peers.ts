/**
 * The connections of a gateway: those it keeps up, and those others opened to it (docs/distsoc.md, "Delivery").
 *
 * Every named peer is dialled until there is a connection, whoever opened it, and again when it is lost. A connection that
 * fell within `capMs` counts as a failure, so a peer that takes calls and hangs up is not called without pause.
 *
 * Invariant: at most two connections a peer, one for each direction of dialling, and the newest is used. Of two with one
 * direction the older is closed: the peer has lost it, or it would not have dialled. Of two with both directions the node
 * with the greater NodeId closes, after a while, the one that it dialled itself; no agreement is needed for that, and a
 * connection that a restarted peer has no memory of is left to its deadlines.
 *
 * It refuses no stranger: the transport bounds their number, and the overlay judges what they say.
 */

import { Backoff, type RetryTimings } from "../../retry/backoff.ts";
import type { Timer, Timers } from "../../retry/timers.ts";
import type { NodeAddress, NodeId } from "../node-id.ts";
import type { Connection, Transport } from "../transport/transport.ts";

/** A handshake takes three journeys; who needs longer is tried again. */
export const DIAL_DEADLINE_MS = 5000;
/** The 101 connections of a desktop node (design section 9). */
export const NAMED_PEERS_MAX = 101;

export interface PeersOptions {
  transport: Transport;
  named: readonly NodeAddress[];
  timers: Timers;
  timings: RetryTimings;
  /** The peer has its first connection, or lost its last. */
  onUp(peer: NodeId): void;
  onDown(peer: NodeId): void;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #open = new Map<NodeId, Connection[]>();
  /** Ends of the pauses between dials. */
  readonly #pauses = new Map<Timer, () => void>();
  #stopped = false;

  constructor(options: PeersOptions) {
    if (options.named.length > NAMED_PEERS_MAX) {
      throw new RangeError(`A gateway keeps at most ${NAMED_PEERS_MAX} peers; ${options.named.length} are named.`);
    }
    this.#options = options;
  }

  start(): void {
    this.#options.transport.onConnection((connection) => this.#take(connection));
    for (const address of this.#options.named) void this.#keepUp(address);
  }

  stop(): void {
    this.#stopped = true;
    for (const [timer, end] of this.#pauses) {
      timer.cancel();
      end();
    }
  }

  /** The newest connection with this peer. */
  connection(peer: NodeId): Connection | undefined {
    return this.#open.get(peer)?.at(-1);
  }

  connected(): NodeId[] {
    return [...this.#open.keys()];
  }

  async #keepUp(address: NodeAddress): Promise<void> {
    const { transport, timers, timings } = this.#options;
    const backoff = new Backoff(timings);
    while (!this.#stopped) {
      if (this.connection(address.id) === undefined) {
        await transport.connect(address, { deadlineMs: DIAL_DEADLINE_MS }).then(
          (connection) => this.#take(connection),
          () => {},
        );
      }
      const connection = this.connection(address.id);
      if (connection !== undefined) {
        const sinceMs = timers.now();
        await connection.closed;
        if (timers.now() - sinceMs >= timings.capMs) backoff.reset();
      }
      if (this.connection(address.id) === undefined) await this.#pause(backoff.next());
    }
  }

  #take(connection: Connection): void {
    if (this.#stopped) {
      connection.close("done");
      return;
    }
    const { peer } = connection;
    const others = this.#open.get(peer) ?? [];
    this.#open.set(peer, [...others, connection]);
    void connection.closed.then(() => this.#drop(connection));
    if (others.length === 0) this.#options.onUp(peer);
    for (const other of others) {
      if (other.dialled === connection.dialled) other.close("duplicate");
      else if (this.#options.transport.self > peer) void this.#closeSpare(peer);
    }
  }

  /** By then the other side has both, so that neither is ever without one, and what was under way is done. */
  async #closeSpare(peer: NodeId): Promise<void> {
    await this.#pause(this.#options.timings.capMs);
    const open = this.#open.get(peer) ?? [];
    if (open.length > 1) open.find(({ dialled }) => dialled)?.close("duplicate");
  }

  #drop(connection: Connection): void {
    const { peer } = connection;
    const rest = (this.#open.get(peer) ?? []).filter((other) => other !== connection);
    if (rest.length > 0) {
      this.#open.set(peer, rest);
    } else if (this.#open.delete(peer)) {
      this.#options.onDown(peer);
    }
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(delayMs, () => {
        this.#pauses.delete(timer);
        resolve();
      });
      this.#pauses.set(timer, resolve);
    });
  }
}
