/**
 * The connections of a node: the ones that this node keeps up, and the ones that other nodes opened (docs/distsoc.md,
 * "Delivery").
 *
 * The problem: a peer may restart, or lose a connection without notice, and two peers may dial each other at the same
 * time.
 *
 * The rule: a named peer is dialled until there is a connection with this peer, no matter which side opened it. When
 * the connection is lost, the peer is dialled again. A connection that lasted less than `capMs` counts as a failed
 * dial, so a peer that accepts connections and closes them at once is not dialled without a pause.
 *
 * Invariant: there are at most two connections with a peer, one for each direction of dialling. The newest one is used.
 * - Of two connections that the same side dialled, the older one is closed. That side has lost the older connection,
 *   because it would not have dialled otherwise.
 * - Of two connections in opposite directions, the node with the greater NodeId closes the one that it dialled itself,
 *   after a pause of `capMs`. The two nodes need no agreement for this.
 * - A connection that a restarted peer no longer knows is not closed here. Its own deadlines end it.
 *
 * A stranger is a node that is not named. Strangers have the places that no named peer needs. When they have all these
 * places and one more comes, the stranger that has been idle for the longest time is closed. So strangers that hold
 * their connections and say nothing keep nobody out, and a named peer always finds a place.
 *
 * This file refuses no unknown node. The transport limits the number of connections and of handshakes, and the overlay
 * node judges messages.
 */

import { Backoff, type RetryTimings } from "../../retry/backoff.ts";
import type { Timer, Timers } from "../../retry/timers.ts";
import type { NodeAddress, NodeId } from "../node-id.ts";
import type { Connection, Transport } from "../transport/transport.ts";

/** A handshake takes three journeys of a packet. A peer that needs longer than this deadline is dialled again. */
const DIAL_DEADLINE_MS = 5000;
/** The number of connections that a desktop node holds, also of those that other nodes open. */
export const NAMED_PEERS_MAX = 101;
/** However many peers are named, a few strangers have a place. */
const STRANGERS_MIN = 8;

/** The most strangers that a node with this many named peers is connected with. */
export function strangersMax(namedPeers: number): number {
  return Math.max(STRANGERS_MIN, NAMED_PEERS_MAX - namedPeers);
}

export interface PeersOptions {
  transport: Transport;
  named: readonly NodeAddress[];
  timers: Timers;
  timings: RetryTimings;
  /** The first connection with this peer is open. */
  onUp(peer: NodeId): void;
  /** The last connection with this peer is lost. */
  onDown(peer: NodeId): void;
  /** A stranger was closed, because another one needs the place. */
  onEvicted?(peer: NodeId): void;
  /** A dial came to nothing. The peer is dialled again after a pause. */
  onDialFailed(peer: NodeId, error: unknown): void;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #open = new Map<NodeId, Connection[]>();
  readonly #named: ReadonlySet<NodeId>;
  /** The strangers with a connection. The first one has been idle for the longest time. */
  readonly #strangers = new Set<NodeId>();
  /** The pauses that are under way, each with the function that ends it early. */
  readonly #pauses = new Map<Timer, () => void>();
  #stopped = false;

  constructor(options: PeersOptions) {
    if (options.named.length > NAMED_PEERS_MAX) {
      throw new RangeError(
        `A node keeps at most ${NAMED_PEERS_MAX} peers, but ${options.named.length} are named; name fewer.`,
      );
    }
    this.#options = options;
    this.#named = new Set(options.named.map(({ id }) => id));
  }

  start(): void {
    this.#options.transport.prefer?.(this.#options.named);
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

  /** Whether this node is neither followed nor in the audience. */
  isStranger(peer: NodeId): boolean {
    return !this.#named.has(peer);
  }

  /** The peer sent a message, so it is not idle. */
  heard(peer: NodeId): void {
    if (this.#strangers.delete(peer)) this.#strangers.add(peer);
  }

  async #keepUp(address: NodeAddress): Promise<void> {
    const { transport, timers, timings } = this.#options;
    const backoff = new Backoff(timings);
    while (!this.#stopped) {
      if (this.connection(address.id) === undefined) {
        await transport.connect(address, { deadlineMs: DIAL_DEADLINE_MS }).then(
          (connection) => this.#take(connection),
          (error: unknown) => this.#options.onDialFailed(address.id, error),
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
    if (this.isStranger(peer)) this.#welcome(peer);
    if (others.length === 0) this.#options.onUp(peer);
    for (const other of others) {
      if (other.dialled === connection.dialled) other.close("duplicate");
      else if (this.#options.transport.self > peer) void this.#closeSpare(peer);
    }
  }

  #welcome(stranger: NodeId): void {
    this.#strangers.delete(stranger);
    this.#strangers.add(stranger);
    if (this.#strangers.size <= strangersMax(this.#named.size)) return;
    const [idlest] = this.#strangers;
    this.#strangers.delete(idlest!);
    this.#options.onEvicted?.(idlest!);
    for (const connection of this.#open.get(idlest!) ?? []) connection.close("busy");
  }

  /**
   * Closes one of two connections in opposite directions, after a pause. After the pause both sides know both
   * connections, so neither side is ever without one, and requests on the closed connection have ended.
   */
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
      this.#strangers.delete(peer);
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
