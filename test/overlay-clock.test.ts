/**
 * A thousand nodes in one process on simulated time. hosts/distsoc runs over the in-process network and the kernel of
 * the simulator.
 *
 * No test waits for real time, and every run of a test has the same history. The first tests run only the connections,
 * and the later tests run complete nodes with posts.
 */
import test from "ava";
import { NAMED_PEERS_MAX, Peers } from "../hosts/distsoc/connections/peers.ts";
import { OverlayNode } from "../hosts/distsoc/node.ts";
import type { NodeAddress, NodeId } from "../hosts/distsoc/node-id.ts";
import type { KeptPost, LogLine, Posts } from "../hosts/distsoc/ports.ts";
import { type Post, signPost } from "../hosts/distsoc/post.ts";
import { MemoryNetwork } from "../hosts/distsoc/transport/memory-transport.ts";
import type { Connection, Transport } from "../hosts/distsoc/transport/transport.ts";
import { MESSAGE_BOUNDS } from "../hosts/distsoc/wire/messages.ts";
import { RETRY_TIMINGS } from "../hosts/retry/backoff.ts";
import type { Timers } from "../hosts/retry/timers.ts";
import { KernelTimers } from "./kernel-timers.ts";
import { identityOf } from "./transport-contract.ts";

const NODES = 1000;
/**
 * The distances to the nodes that a node names. The first and the last make neighbours dial each other at the same
 * time.
 */
const DISTANCES = [1, 10, 137, NODES - 1];
/** Every tenth node loses its power at 20 s and starts again at 40 s. */
const CUT_EVERY = 10;
const PHASE_MS = 20_000;

const idOf = (number: number): NodeId => number.toString(16).padStart(64, "0");
const numberOf = (id: NodeId): number => Number.parseInt(id, 16);

interface Outcome {
  /** One line for each first connection with a peer and for each loss of the last connection, in the order of time. */
  history: string[];
  /** The connections that are missing or too many at the end of each phase. */
  faults: string[];
  calls: number;
}

class World {
  readonly history: string[] = [];
  /** The number of open connections, as the dialling node sees them. A key is "dialling node-other node". */
  readonly open = new Map<string, number>();
  readonly #timers: Timers;
  readonly #network: MemoryNetwork;
  readonly #peers = new Map<number, Peers>();

  constructor(timers: Timers) {
    this.#timers = timers;
    this.#network = new MemoryNetwork(timers);
  }

  start(number: number): void {
    const note = (event: string, peer: NodeId): void =>
      void this.history.push(`${this.#timers.now()} ms: ${number} ${event} ${numberOf(peer)}`);
    const peers = new Peers({
      transport: this.#counted(this.#network.open(idOf(number), { bounds: MESSAGE_BOUNDS })),
      named: DISTANCES.map((distance) => ({ id: idOf((number + distance) % NODES), sockets: ["memory"] })),
      timers: this.#timers,
      timings: RETRY_TIMINGS,
      onUp: (peer) => note("has", peer),
      onDown: (peer) => note("lost", peer),
      onDialFailed: () => {},
    });
    this.#peers.set(number, peers);
    peers.start();
  }

  cut(number: number): void {
    this.#peers.get(number)!.stop();
    this.#peers.delete(number);
    this.#network.cut(idOf(number));
  }

  /** Checks that each named pair of running nodes has one connection, and that both ends know this connection. */
  faults(phase: string): string[] {
    const faults: string[] = [];
    for (const [number, peers] of this.#peers) {
      for (const distance of DISTANCES) {
        const other = (number + distance) % NODES;
        const otherPeers = this.#peers.get(other);
        const expected = otherPeers === undefined ? 0 : 1;
        const open = (this.open.get(`${number}-${other}`) ?? 0) + (this.open.get(`${other}-${number}`) ?? 0);
        const known = peers.connection(idOf(other)) !== undefined ? 1 : 0;
        const knownThere = otherPeers?.connection(idOf(number)) !== undefined ? 1 : 0;
        if (open === expected && known === expected && knownThere === expected) continue;
        faults.push(`${phase}: ${open} connections of ${number} and ${other}, known as ${known} and ${knownThere}`);
      }
    }
    return faults;
  }

  stop(): void {
    for (const peers of this.#peers.values()) peers.stop();
  }

  #counted(transport: Transport): Transport {
    return {
      self: transport.self,
      addresses: transport.addresses,
      onMessage: (handler) => transport.onMessage(handler),
      onConnection: (handler) => transport.onConnection(handler),
      close: () => transport.close(),
      connect: async (peer, options): Promise<Connection> => {
        const connection = await transport.connect(peer, options);
        const pair = `${numberOf(transport.self)}-${numberOf(peer.id)}`;
        const count = (change: number): void => void this.open.set(pair, (this.open.get(pair) ?? 0) + change);
        count(1);
        void connection.closed.then(() => count(-1));
        return connection;
      },
    };
  }
}

/**
 * All nodes start, a tenth of the nodes loses its power, and these nodes start again. `timersOf` may break the timers.
 */
async function play(timersOf: (timers: Timers) => Timers = (timers) => timers): Promise<Outcome> {
  const kernel = new KernelTimers();
  const world = new World(timersOf(kernel));
  const faults: string[] = [];
  for (let number = 0; number < NODES; number += 1) world.start(number);
  await kernel.runTo(PHASE_MS);
  faults.push(...world.faults("after the start"));
  for (let number = 0; number < NODES; number += CUT_EVERY) world.cut(number);
  await kernel.runTo(2 * PHASE_MS);
  faults.push(...world.faults("after the cut"));
  for (let number = 0; number < NODES; number += CUT_EVERY) world.start(number);
  await kernel.runTo(3 * PHASE_MS);
  faults.push(...world.faults("after the return"));
  world.stop();
  return { history: world.history, faults, calls: kernel.calls };
}

test("1,000 nodes dial, lose and redial each other on simulated time, and two runs have the same history", async (t) => {
  t.true(DISTANCES.length <= NAMED_PEERS_MAX);
  const first = await play();
  t.deepEqual(first.faults, []);
  const lost = first.history.filter((line) => line.includes(" lost "));
  // Each node that loses its power has six neighbours, three on each side, and each neighbour notes the loss.
  t.true(lost.length >= (NODES / CUT_EVERY) * 6, `${lost.length} losses`);
  t.log(`${first.history.length} lines, ${first.calls} calls of timers`);
  const second = await play();
  t.deepEqual(second, first);
});

test("canary: timers that lose a pause leave nodes without a connection", async (t) => {
  const { faults } = await play((timers) => ({
    now: () => timers.now(),
    after: (delayMs, run) => timers.after(delayMs, delayMs === RETRY_TIMINGS.baseMs * 4 ? () => {} : run),
  }));
  t.true(
    faults.some((fault) => fault.startsWith("after the return: 0 connections")),
    faults[0],
  );
});

test("canary: random delays in the timers give another history", async (t) => {
  let drawn = 1;
  const { history } = await play((timers) => ({
    now: () => timers.now(),
    after: (delayMs, run) => {
      drawn = (drawn * 48_271) % 2_147_483_647;
      return timers.after(delayMs + (drawn % 100) / 1000, run);
    },
  }));
  t.notDeepEqual(history, (await play()).history);
});

/** Posts in memory. They are durable as long as this object exists. */
class MemoryPosts implements Posts {
  readonly #posts: Post[] = [];
  readonly #owed = new Map<NodeId, Set<number>>();
  readonly #byId = new Map<string, Post>();

  get count(): number {
    return this.#posts.length;
  }

  get owedCount(): number {
    return [...this.#owed.values()].reduce((sum, { size }) => sum + size, 0);
  }

  publish(post: Post, audience: readonly NodeId[]): void {
    const number = this.#add(post);
    for (const peer of audience) this.#owed.set(peer, (this.#owed.get(peer) ?? new Set()).add(number));
  }

  holdsPost(postId: Uint8Array): boolean {
    return this.#byId.has(String(postId));
  }

  record(postId: Uint8Array): Uint8Array | undefined {
    return this.#byId.get(String(postId))?.record;
  }

  keep(post: Post): "stored" | "known" {
    if (this.holdsPost(post.id)) return "known";
    this.#add(post);
    return "stored";
  }

  owed(peer: NodeId, after: number, countMax: number): KeptPost[] {
    const numbers = [...(this.#owed.get(peer) ?? [])].filter((number) => number > after).slice(0, countMax);
    return numbers.map((number) => ({ number, post: this.#posts[number - 1]! }));
  }

  delivered(number: number, peer: NodeId): void {
    this.#owed.get(peer)!.delete(number);
  }

  #add(post: Post): number {
    this.#byId.set(String(post.id), post);
    return this.#posts.push(post);
  }
}

const TOWNS = 200;
/**
 * The audience of a node is the next node. A node follows the node before it. It also follows a node that does not have
 * it in its audience.
 */
const AUDIENCE_DISTANCE = 1;
const FOLLOW_DISTANCE = 50;
const AUTHORS = Array.from({ length: 20 }, (_, index) => index * 10 + 5);
const identities = Array.from({ length: TOWNS }, (_, number) => identityOf(number + 1));

/** All nodes start. Ten nodes lose their power before the authors post, and start again later if `back` is true. */
async function playPosts(back: boolean): Promise<{ lines: string[]; kept: number[]; owed: number }> {
  const kernel = new KernelTimers();
  const network = new MemoryNetwork(kernel);
  const lines: string[] = [];
  const posts = identities.map(() => new MemoryPosts());
  const address = (number: number): NodeAddress => {
    const { nodeId } = identities[(number + TOWNS) % TOWNS]!;
    return { id: nodeId, sockets: ["memory"] };
  };
  const start = (number: number): OverlayNode => {
    const note = (line: LogLine): void => void lines.push(`${kernel.now()} ${number} ${JSON.stringify(line)}`);
    const node = new OverlayNode({
      transport: network.open(identities[number]!.nodeId, { bounds: MESSAGE_BOUNDS }),
      posts: posts[number]!,
      follow: [address(number - AUDIENCE_DISTANCE), address(number + FOLLOW_DISTANCE)],
      audience: [address(number + AUDIENCE_DISTANCE)],
      timers: kernel,
      timings: RETRY_TIMINGS,
      log: { debug: note, info: note, warn: note, error: note },
      onKept: () => void lines.push(`${kernel.now()} ${number} kept`),
    });
    node.start();
    return node;
  };
  const nodes = identities.map((_, number) => start(number));
  await kernel.runTo(PHASE_MS);
  const absent = AUTHORS.filter((_, index) => index % 2 === 0).map((author) => author + AUDIENCE_DISTANCE);
  for (const number of absent) network.cut(identities[number]!.nodeId);
  for (const number of absent) void nodes[number]!.stop();
  await kernel.runTo(PHASE_MS + 1000);
  for (const author of AUTHORS) {
    const post = signPost(identities[author]!, 1, Uint8Array.of(author));
    posts[author]!.publish(post, nodes[author]!.audience);
    nodes[author]!.published(post);
  }
  await kernel.runTo(2 * PHASE_MS);
  if (back) for (const number of absent) nodes[number] = start(number);
  await kernel.runTo(3 * PHASE_MS);
  for (const node of nodes) void node.stop();
  await kernel.runTo(3 * PHASE_MS + 1);
  const owed = posts.reduce((sum, { owedCount }) => sum + owedCount, 0);
  return { lines, kept: posts.map(({ count }) => count), owed };
}

test("200 complete nodes push and fetch posts on simulated time, and two runs have the same log", async (t) => {
  const first = await playPosts(true);
  const expected = new Array<number>(TOWNS).fill(0);
  for (const author of AUTHORS) {
    for (const number of [author, author + AUDIENCE_DISTANCE, author - FOLLOW_DISTANCE]) {
      expected[(number + TOWNS) % TOWNS]! += 1;
    }
  }
  t.deepEqual(first.kept, expected);
  t.is(first.owed, 0);
  const count = (part: string): number => first.lines.filter((line) => line.includes(part)).length;
  t.is(count('"event":"pushed"'), AUTHORS.length);
  t.is(count('"event":"fetched"'), AUTHORS.length);
  t.is(count(" kept"), 2 * AUTHORS.length);
  t.is(count('"event":"fault"'), 0);
  t.log(`${first.lines.length} lines`);
  t.deepEqual(await playPosts(true), first);
});

test("canary: posts for nodes that stay away remain owed", async (t) => {
  t.is((await playPosts(false)).owed, AUTHORS.length / 2);
});
