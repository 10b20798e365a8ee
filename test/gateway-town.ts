/**
 * Towns for test/gateway.test.ts. A town has a gateway over the in-process transport, a real database, an air that
 * survives the gateway, and a power supply. The power can be cut before and after each call of the gateway to its
 * database, its air or its transport.
 *
 * Invariant: after a power cut no action of the old gateway has an effect, as when its process was killed. The next
 * gateway finds only the data that was written before the cut.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { pino } from "pino";
import type { Identity } from "../hosts/distsoc/identity.ts";
import type { NodeAddress } from "../hosts/distsoc/node-id.ts";
import type { MemoryNetwork } from "../hosts/distsoc/transport/memory-transport.ts";
import type { Connection, Transport } from "../hosts/distsoc/transport/transport.ts";
import { MESSAGE_BOUNDS } from "../hosts/distsoc/wire/messages.ts";
import type { Air } from "../hosts/gateway/bridge.ts";
import type { Counts, GatewayDatabase } from "../hosts/gateway/database/database.ts";
import { Gateway, openDatabase } from "../hosts/gateway/gateway.ts";
import type { PublishOutcome } from "../modules/throwie/throwie.ts";
import { identityOf, sleep } from "./transport-contract.ts";

/** Delays of a few milliseconds. The deadline is one that no request passes, also on a busy machine. */
export const QUICK = { timings: { baseMs: 4, capMs: 32 }, requestDeadlineMs: 60_000 };
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The flash and radio of a town. They survive the gateway. */
export class TownAir implements Air {
  readonly drops = new Map<string, Uint8Array>();
  /** How often `offer` stored each Drop. */
  readonly stored = new Map<string, number>();
  /** The next answers of `offer`. While the list has an answer, `offer` returns it and stores nothing. */
  moods: PublishOutcome[] = [];
  #handler: (drop: Uint8Array) => void = () => {};

  heardDrops(): Iterable<Uint8Array> {
    return this.drops.values();
  }

  offer(drop: Uint8Array): PublishOutcome {
    const mood = this.moods.shift();
    if (mood !== undefined) return mood;
    const id = hex(drop);
    if (this.drops.has(id)) return "known";
    this.stored.set(id, (this.stored.get(id) ?? 0) + 1);
    this.hear(drop);
    return "stored";
  }

  onHeard(handler: (drop: Uint8Array) => void): void {
    this.#handler = handler;
  }

  /** A person carried the Drop to this town. */
  hear(drop: Uint8Array): void {
    this.drops.set(hex(drop), drop);
    this.#handler(drop);
  }
}

/** A power supply that is cut at its use number `cutAt`. After the cut, every use of an object that needs it throws. */
export class Power {
  uses = 0;
  dead = false;
  readonly #cutAt: number;
  readonly #onCut: () => void;

  constructor(cutAt: number, onCut: () => void) {
    this.#cutAt = cutAt;
    this.#onCut = onCut;
  }

  use(): void {
    if (this.dead) throw new Error("no power");
    this.uses += 1;
    if (this.uses !== this.#cutAt) return;
    this.dead = true;
    this.#onCut();
    throw new Error("power cut");
  }

  /** Returns the same object, but each of its methods uses the power once before it begins and once after it ends. */
  feed<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function" || name === "close")
          return typeof member === "function" ? member.bind(target) : member;
        return (...given: unknown[]) => {
          this.use();
          const result = member.apply(target, given);
          if (result instanceof Promise) return result.then((value) => this.#after(value));
          return this.#after(result);
        };
      },
    });
  }

  #after<T>(value: T): T {
    this.use();
    return value;
  }
}

/** A transport whose calls, connections and message handler need the power. */
export function powered(power: Power, transport: Transport): Transport {
  return {
    self: transport.self,
    addresses: transport.addresses,
    connect: async (peer, options) => {
      power.use();
      const connection = await transport.connect(peer, options);
      return fed(connection);
    },
    onMessage: (handler) =>
      transport.onMessage(async (from, message) => {
        power.use();
        const answer = await handler(from, message);
        power.use();
        return answer;
      }),
    onConnection: (handler) => transport.onConnection((connection) => handler(fed(connection))),
    close: () => transport.close(),
  };
  function fed(connection: Connection): Connection {
    return {
      peer: connection.peer,
      dialled: connection.dialled,
      closed: connection.closed,
      close: (code) => connection.close(code),
      request: async (message, options) => {
        power.use();
        const answer = await connection.request(message, options);
        power.use();
        return answer;
      },
    };
  }
}

export type Breakage = (database: GatewayDatabase) => GatewayDatabase;
export const unbroken: Breakage = (database) => database;

export interface Named {
  readonly address: NodeAddress;
}

export class Town {
  readonly identity: Identity;
  readonly air = new TownAir();
  readonly address: NodeAddress;
  readonly events: Record<string, unknown>[] = [];
  power = new Power(0, () => {});
  gateway: Gateway | undefined;
  readonly #network: MemoryNetwork;
  readonly #dataPath: string;
  #database: GatewayDatabase | undefined;

  constructor(network: MemoryNetwork, number: number, path: string) {
    this.identity = identityOf(number);
    this.#network = network;
    this.#dataPath = join(path, String(number));
    this.address = { id: this.identity.nodeId, sockets: ["memory"] };
  }

  start(
    follow: Named[],
    audience: Named[],
    { cutAt = 0, broken = unbroken, requestDeadlineMs = QUICK.requestDeadlineMs } = {},
  ): void {
    this.power = new Power(cutAt, () => this.#network.cut(this.identity.nodeId));
    const logger = pino({ base: null }, { write: (line: string) => void this.events.push(JSON.parse(line)) });
    const database = openDatabase(this.#dataPath, this.identity.nodeId, logger);
    this.#database = database;
    try {
      this.gateway = new Gateway(
        {
          timings: QUICK.timings,
          requestDeadlineMs,
          dataPath: this.#dataPath,
          identity: this.identity,
          transport: powered(this.power, this.#network.open(this.identity.nodeId, { bounds: MESSAGE_BOUNDS })),
          air: this.power.feed(this.air),
          follow: follow.map(({ address }) => address),
          audience: audience.map(({ address }) => address),
          logger,
        },
        broken(this.power.feed(database)),
      );
      this.gateway.start();
    } catch (error) {
      if (!this.power.dead) throw error;
    }
  }

  /** Cleans up after a power cut: no timer of the old gateway runs any more, and the database file is free. */
  async bury(): Promise<void> {
    this.power.dead = true;
    this.#network.cut(this.identity.nodeId);
    await this.gateway?.stop().catch(() => {});
    this.close();
  }

  close(): void {
    try {
      this.#database?.close();
    } catch {
      // The gateway has closed the database already.
    }
    this.#database = undefined;
  }

  async stop(): Promise<void> {
    await this.gateway?.stop();
    this.close();
  }

  /** A person walks past with the Drop. The power of the town may be cut by this event. */
  hear(drop: Uint8Array): void {
    try {
      this.air.hear(drop);
    } catch (error) {
      if (!this.power.dead) throw error;
    }
  }

  /** Reads the database directly, so that watching does not count as a use of the power. */
  counts(): Counts {
    return this.#database!.counts();
  }

  logged(event: string): Record<string, unknown>[] {
    return this.events.filter((line) => line.event === event);
  }
}

/** A last guard: a hundred times what the slowest test waits on an idle machine. */
export const PATIENCE_MS = 300_000;

export async function until(condition: () => boolean, withinMs: number = PATIENCE_MS): Promise<boolean> {
  const endMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > endMs) return false;
    await sleep(2);
  }
  return true;
}

export function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), "throwie-gateway-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function nothingDue(...towns: Town[]): boolean {
  return towns.every((town) => {
    const { owed, awaiting } = town.counts();
    return owed === 0 && awaiting === 0;
  });
}
