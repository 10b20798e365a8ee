/**
 * The transport port over real QUIC (transport.ts). Only this file and iroh-connection.ts know the library
 * @number0/iroh.
 *
 * Relays and address look-up are off. The endpoint talks only to the addresses that it is given and to the nodes that
 * dial it. The TLS identity is the Ed25519 key of the node (RFC 7250), so the handshake proves the NodeId of a
 * connection.
 *
 * The library does three things that no option turns off (docs/distsoc.md, "What goes over the network"):
 * - It sends a UPnP discovery packet to a multicast address at every bind.
 * - It sends a keep-alive packet every 5 seconds in each direction.
 * - It takes 32 seconds to notice a peer that has vanished. So this file sets its own deadline on every wait.
 *
 * The library has four demands:
 * - Bytes must be an `Array<number>`. Any other type throws, and `Array.from` takes ten times as long as a loop.
 * - RUST_LIB_BACKTRACE must be 0 where the environment has RUST_BACKTRACE. Otherwise the stack trace of the first error
 *   takes 30 MB of memory, and each further one takes milliseconds. Every connection that ends is such an error.
 * - The `watch*` calls must not be used, because they abort the process.
 * - While one call on half of a stream is pending, there must be no second call on this half, because the second call
 *   waits for the same lock. For this reason a message that stays incomplete costs its sender the connection.
 *
 * Invariant: no action of a peer causes a rejection outside a caller's promise. Every stream ends with an answer or a
 * code.
 */
import { networkInterfaces } from "node:os";
import process from "node:process";
import {
  Endpoint,
  EndpointAddr,
  EndpointId,
  type Incoming,
  type Connection as IrohConnection,
  presetMinimal,
  RelayMode,
} from "@number0/iroh";
import { SYSTEM_TIMERS } from "../../retry/timers.ts";
import type { Identity } from "../identity.ts";
import { type NodeAddress, type NodeId, nodeIdBytes, parseSocket } from "../node-id.ts";
import { ERROR_CODES } from "../wire/error-codes.ts";
import { Gate, type GateAnswer } from "./gate.ts";
import { type Answering, firstLine, QuicConnection, toNumbers } from "./iroh-connection.ts";
import {
  ALPN,
  answerTo,
  CLOSE_DEADLINE_MS,
  type Connection,
  INBOUND_CONNECTIONS_MAX,
  INBOUND_HANDSHAKE_DEADLINE_MS,
  type MessageBounds,
  type MessageHandler,
  type RequestOptions,
  type Transport,
  TransportError,
  within,
} from "./transport.ts";

process.env.RUST_LIB_BACKTRACE = "0";

/** When there is no place for one more, a handshake that takes longer than this gives up its place. */
const STALLED_MS = 1000;
/** The last places are for nodes that have proven their address. */
const PROVEN_PLACES = 8;

export interface IrohTransportOptions {
  identity: Identity;
  /** The address as `ip:port`. Port 0 means any free port. Other machines can reach only this address. */
  listen: string;
  bounds: MessageBounds;
  inboundConnectionsMax?: number;
}

/** Binds the address. Rejects with a TransportError "address" when that fails. */
export async function openIrohTransport(options: IrohTransportOptions): Promise<Transport> {
  const { listen } = options;
  // Otherwise the library would bind the other address family to all addresses. Loopback hides that socket.
  const hidden = parseSocket(listen).ip.includes(":") ? "127.0.0.1:0" : "[::1]:0";
  try {
    const endpoint = await bind(options, [listen, hidden]).catch(() => bind(options, [listen]));
    return new IrohTransport(await withoutOpenSockets(endpoint, listen), options);
  } catch (error) {
    if (error instanceof TransportError) throw error;
    throw new TransportError("address", `cannot listen on ${listen}: ${whyNotBound(String(error))}`);
  }
}

/** Why the library did not bind an address, by its error: a text of several lines, of which the last may be a stack. */
export function whyNotBound(error: string): string {
  if (/in use/i.test(error)) return "another program uses this address; name another address";
  if (/cannot assign/i.test(error)) return "this machine does not have this address; name another address";
  const cause = /Caused by:\s*(.+)/.exec(error)?.[1] ?? error.split("\n", 1)[0]!;
  return `the library says: ${cause.trim()}`;
}

function bind({ identity }: IrohTransportOptions, sockets: readonly string[]): Promise<Endpoint> {
  const builder = Endpoint.builder();
  presetMinimal(builder);
  builder.relayMode(RelayMode.disabled());
  builder.alpns([toNumbers(ALPN_BYTES)]);
  builder.secretKey(toNumbers(identity.secretKey));
  for (const socket of sockets) builder.bindAddr(socket);
  return builder.bind();
}

/**
 * A machine without IPv6 has no [::1] to bind. There the library opens its own socket [::], which no other machine can
 * reach as long as this machine has no address of that family.
 */
async function withoutOpenSockets(endpoint: Endpoint, listen: string): Promise<Endpoint> {
  const bracketed = listen.startsWith("[");
  const open = endpoint
    .boundSockets()
    .some((socket) => /^(?:0\.0\.0\.0|\[::\]):/.test(socket) && socket.startsWith("[") !== bracketed);
  const family = bracketed ? "IPv4" : "IPv6";
  const addresses = Object.values(networkInterfaces()).flatMap((own) => own ?? []);
  if (!open || !addresses.some((address) => address.family === family)) return endpoint;
  await within(SYSTEM_TIMERS, CLOSE_DEADLINE_MS, endpoint.close()).catch(() => {});
  const loopback = bracketed ? "127.0.0.1" : "[::1]";
  throw new TransportError("address", `${loopback} cannot be bound; give the loopback interface this address`);
}

const ALPN_BYTES = Uint8Array.from(ALPN, (character) => character.charCodeAt(0));

class IrohTransport implements Transport {
  readonly self: NodeId;
  readonly addresses: readonly string[];
  readonly #endpoint: Endpoint;
  readonly #bounds: MessageBounds;
  readonly #inboundMax: number;
  readonly #connections = new Set<QuicConnection>();
  readonly #gate = new Gate(SYSTEM_TIMERS);
  #named: ReadonlySet<NodeId> = new Set();
  #inbound = 0;
  /** The handshakes of other nodes that are under way, the oldest first. */
  readonly #handshakes = new Set<{ readonly sinceMs: number; giveUp(): void }>();
  #open = true;
  #handler: MessageHandler | undefined;
  #onConnection: (connection: Connection) => void = () => {};

  constructor(endpoint: Endpoint, { identity, listen, bounds, inboundConnectionsMax }: IrohTransportOptions) {
    this.#endpoint = endpoint;
    this.#bounds = bounds;
    this.self = identity.nodeId;
    const bracketed = listen.startsWith("[");
    this.addresses = endpoint.boundSockets().filter((socket) => socket.startsWith("[") === bracketed);
    this.#inboundMax = inboundConnectionsMax ?? INBOUND_CONNECTIONS_MAX;
    void this.#accept();
  }

  onMessage(handler: MessageHandler): void {
    this.#handler = handler;
  }

  onConnection(handler: (connection: Connection) => void): void {
    this.#onConnection = handler;
  }

  prefer(peers: readonly NodeAddress[]): void {
    this.#named = new Set(peers.map(({ id }) => id));
    for (const { sockets } of peers) for (const socket of sockets) this.#gate.prefer(socket);
  }

  async connect(peer: NodeAddress, { deadlineMs }: RequestOptions): Promise<Connection> {
    if (!this.#open) throw new TransportError("closed");
    const address = new EndpointAddr(EndpointId.fromBytes(toNumbers(nodeIdBytes(peer.id))), null, [...peer.sockets]);
    const dialling = this.#endpoint.connect(address, toNumbers(ALPN_BYTES));
    let connection: IrohConnection;
    try {
      connection = await within(SYSTEM_TIMERS, deadlineMs, dialling);
    } catch (error) {
      dialling.then((late) => late.close(BigInt(ERROR_CODES.done), [])).catch(() => {});
      if (!this.#open) throw new TransportError("closed");
      throw new TransportError("unreachable", firstLine(error));
    }
    if (!this.#open) connection.close(BigInt(ERROR_CODES.done), []);
    return this.#take(connection, true);
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const connection of [...this.#connections]) connection.close("done");
    await within(SYSTEM_TIMERS, CLOSE_DEADLINE_MS, this.#endpoint.close()).catch(() => {});
  }

  async #accept(): Promise<void> {
    for (;;) {
      const incoming = await this.#endpoint.acceptNext().catch(() => null);
      if (incoming === null) return;
      await this.#meet(incoming).catch(() => {});
    }
  }

  /** Decides about a handshake. Resolves when the next one may be looked at. */
  async #meet(incoming: Incoming): Promise<void> {
    const { addr: from = "" } = await incoming.remoteAddr();
    const answer = this.#judge(from, await incoming.remoteAddrValidated());
    if (answer === "accept") void this.#admit(incoming, from);
    else await (answer === "prove" ? incoming.retry() : incoming.refuse());
  }

  #judge(from: string, proven: boolean): GateAnswer {
    const places = this.#inboundMax - this.#inbound - this.#handshakes.size;
    if (places <= 0 && !this.#endStalledHandshake()) return "refuse";
    // Handshakes that never end come from forged addresses most of all.
    if (!proven && places <= PROVEN_PLACES) return "prove";
    return this.#gate.admit(from, proven);
  }

  /** Gives up the oldest handshake that is under way, if it takes long. Returns whether there is a place now. */
  #endStalledHandshake(): boolean {
    const [oldest] = this.#handshakes;
    if (oldest === undefined || SYSTEM_TIMERS.now() - oldest.sinceMs < STALLED_MS) return false;
    this.#handshakes.delete(oldest);
    oldest.giveUp();
    return true;
  }

  async #admit(incoming: Incoming, from: string): Promise<void> {
    const handshake = incoming.accept().then((accepting) => accepting.connect());
    let giveUp!: () => void;
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = () => reject(new TransportError("deadline"));
    });
    const underWay = { sinceMs: SYSTEM_TIMERS.now(), giveUp };
    this.#handshakes.add(underWay);
    let iroh: IrohConnection;
    try {
      iroh = await within(SYSTEM_TIMERS, INBOUND_HANDSHAKE_DEADLINE_MS, Promise.race([handshake, givenUp]));
    } catch {
      // The handshake failed, and the other side knows that already. A later success is of no use to it.
      handshake.then((late) => late.close(BigInt(ERROR_CODES["too-slow"]), [])).catch(() => {});
      return;
    } finally {
      this.#handshakes.delete(underWay);
    }
    const full = this.#inbound >= this.#inboundMax;
    const connection = this.#take(iroh, false);
    this.#inbound += 1;
    if (this.#named.has(connection.peer)) this.#gate.learn(from);
    if (full || !this.#open) connection.close(full ? "busy" : "done");
    else this.#onConnection(connection);
    await connection.closed;
    this.#inbound -= 1;
  }

  #take(iroh: IrohConnection, dialled: boolean): QuicConnection {
    const bounds = this.#bounds;
    const answer: Answering = (from, message) => answerTo(this.#handler, from, message, bounds);
    const connection = new QuicConnection({ iroh, dialled, answer, bounds });
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    return connection;
  }
}
