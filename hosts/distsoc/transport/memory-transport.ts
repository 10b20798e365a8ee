/**
 * The transport port within one process (transport.ts; docs/distsoc.md, "Connections and streams").
 *
 * The problem: a test of many nodes needs a network, but it must send no packet and must not depend on real time.
 *
 * A `MemoryNetwork` takes the place of the wire. Transports on the same network find each other by NodeId at the socket
 * "memory". This transport passes the same contract suite as iroh-transport.ts (test/transport-contract.ts): bounds,
 * codes, deadlines and copies are the same.
 *
 * Invariant: no call runs code of the other side before the call has returned. As on a real network, a message takes at
 * least one timer of delay 0. Every wait uses the timers of the network, so time may be simulated.
 *
 * QUIC has no counterpart of `cut`: `cut` removes a node immediately, as when its process is killed. This network never
 * loses, delays or reorders messages, because QUIC repairs such faults below this port.
 */
import { pause, SYSTEM_TIMERS, type Timers } from "../../retry/timers.ts";
import type { NodeAddress, NodeId } from "../node-id.ts";
import { ERROR_CODES, type ErrorName } from "../wire/error-codes.ts";
import {
  answerTo,
  type Connection,
  INBOUND_CONNECTIONS_MAX,
  INBOUND_STREAMS_MAX,
  type MessageBounds,
  type MessageHandler,
  ProtocolError,
  type RequestOptions,
  type Transport,
  TransportError,
  within,
} from "./transport.ts";

const SOCKET = "memory";

export class MemoryNetwork {
  readonly #nodes = new Map<NodeId, MemoryTransport>();
  readonly #timers: Timers;

  constructor(timers: Timers = SYSTEM_TIMERS) {
    this.#timers = timers;
  }

  /**
   * Opens a transport for a node that is not on the network yet. Any NodeId may be used without its key, since this
   * network does not leave the process.
   */
  open(self: NodeId, options: { bounds: MessageBounds; inboundConnectionsMax?: number }): Transport {
    if (this.#nodes.has(self))
      throw new TransportError(
        "address",
        "a node with this NodeId is on the network already; close its transport first",
      );
    const node = new MemoryTransport({
      self,
      bounds: options.bounds,
      inboundConnectionsMax: options.inboundConnectionsMax ?? INBOUND_CONNECTIONS_MAX,
      timers: this.#timers,
      find: (id) => this.#nodes.get(id),
      leave: () => void (this.#nodes.get(self) === node && this.#nodes.delete(self)),
    });
    this.#nodes.set(self, node);
    return node;
  }

  /** Removes the node. Its connections end without a code, as when its process is killed. */
  cut(self: NodeId): void {
    this.#nodes.get(self)?.drop(undefined);
  }
}

interface MemoryTransportOptions {
  self: NodeId;
  bounds: MessageBounds;
  inboundConnectionsMax: number;
  timers: Timers;
  find(id: NodeId): MemoryTransport | undefined;
  leave(): void;
}

class MemoryTransport implements Transport {
  readonly self: NodeId;
  readonly addresses = [SOCKET];
  readonly timers: Timers;
  readonly bounds: MessageBounds;
  readonly connections = new Set<MemoryConnection>();
  handler: MessageHandler | undefined;
  #onConnection: (connection: Connection) => void = () => {};
  #open = true;
  readonly #options: MemoryTransportOptions;

  constructor(options: MemoryTransportOptions) {
    this.self = options.self;
    this.timers = options.timers;
    this.bounds = options.bounds;
    this.#options = options;
  }

  /** Whether other nodes have opened as many connections as this node accepts. */
  get full(): boolean {
    let inbound = 0;
    for (const { dialled } of this.connections) if (!dialled) inbound += 1;
    return inbound >= this.#options.inboundConnectionsMax;
  }

  onMessage(handler: MessageHandler): void {
    this.handler = handler;
  }

  onConnection(handler: (connection: Connection) => void): void {
    this.#onConnection = handler;
  }

  async connect(peer: NodeAddress, { deadlineMs }: RequestOptions): Promise<Connection> {
    return within(this.timers, deadlineMs, this.#dial(peer));
  }

  async close(): Promise<void> {
    await pause(this.timers, 0);
    this.drop(ERROR_CODES.done);
  }

  drop(code: number | undefined): void {
    this.#open = false;
    this.#options.leave();
    for (const connection of [...this.connections]) connection.end(code);
  }

  async #dial(peer: NodeAddress): Promise<Connection> {
    await pause(this.timers, 0);
    if (!this.#open) throw new TransportError("closed");
    const other = peer.sockets.includes(SOCKET) && peer.id !== this.self ? this.#options.find(peer.id) : undefined;
    if (other === undefined) throw new TransportError("unreachable");
    if (other.full) throw new TransportError("unreachable", "the other node has no room for a connection");
    const near = new MemoryConnection(this, other.self, true);
    const far = new MemoryConnection(other, this.self, false);
    near.join(far);
    far.join(near);
    queueMicrotask(() => other.#onConnection(far));
    return near;
  }
}

class MemoryConnection implements Connection {
  readonly peer: NodeId;
  readonly dialled: boolean;
  readonly closed: Promise<number | undefined>;
  readonly #own: MemoryTransport;
  #other!: MemoryConnection;
  #resolveClosed!: (code: number | undefined) => void;
  #open = true;
  #inboundStreams = 0;
  /** One function for each request that is under way. It makes the request fail when the connection is lost. */
  readonly #pending = new Set<() => void>();
  readonly #waiting: (() => void)[] = [];

  constructor(own: MemoryTransport, peer: NodeId, dialled: boolean) {
    this.#own = own;
    this.peer = peer;
    this.dialled = dialled;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    own.connections.add(this);
  }

  join(other: MemoryConnection): void {
    this.#other = other;
  }

  async request(message: Uint8Array, { deadlineMs }: RequestOptions): Promise<Uint8Array> {
    if (message.length > this.#own.bounds.requestSizeBytesMax) throw new TransportError("too-large");
    if (!this.#open) throw new TransportError("closed");
    let lost!: () => void;
    const loss = new Promise<never>((_, reject) => {
      lost = () => reject(new TransportError("closed"));
    });
    this.#pending.add(lost);
    let answer: Uint8Array | ProtocolError;
    try {
      answer = await within(
        this.#own.timers,
        deadlineMs,
        Promise.race([this.#other.#serve(Uint8Array.from(message)), loss]),
      );
    } finally {
      this.#pending.delete(lost);
    }
    if (answer instanceof ProtocolError) throw new ProtocolError(answer.code);
    if (answer.length > this.#own.bounds.answerSizeBytesMax) throw new TransportError("too-large", "the answer");
    return Uint8Array.from(answer);
  }

  close(code: ErrorName): void {
    this.end(ERROR_CODES[code]);
  }

  end(code: number | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#own.connections.delete(this);
    this.#resolveClosed(code);
    for (const lost of this.#pending) lost();
    this.#other.end(code);
  }

  async #serve(message: Uint8Array): Promise<Uint8Array | ProtocolError> {
    await pause(this.#own.timers, 0);
    if (message.length > this.#own.bounds.requestSizeBytesMax) return new ProtocolError("too-large");
    while (this.#inboundStreams >= INBOUND_STREAMS_MAX) await new Promise<void>((next) => this.#waiting.push(next));
    if (!this.#open) throw new TransportError("closed");
    this.#inboundStreams += 1;
    try {
      return await answerTo(this.#own.handler, this.peer, message, this.#own.bounds);
    } finally {
      this.#inboundStreams -= 1;
      this.#waiting.shift()?.();
    }
  }
}
