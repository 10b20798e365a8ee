/**
 * Tests that run on the transport in memory prove something about QUIC only if both behave alike. So every
 * implementation of the transport port (hosts/distsoc/transport/transport.ts) runs this one list of tests.
 */
import type { ExecutionContext, TestFn } from "ava";
import { Identity } from "../hosts/distsoc/identity.ts";
import type { NodeAddress } from "../hosts/distsoc/node-id.ts";
import {
  type Connection,
  INBOUND_STREAMS_MAX,
  type MessageBounds,
  ProtocolError,
  type Transport,
  TransportError,
} from "../hosts/distsoc/transport/transport.ts";
import { ERROR_CODES } from "../hosts/distsoc/wire/error-codes.ts";

export interface OpenOptions {
  bounds: MessageBounds;
  inboundConnectionsMax?: number;
}

export type OpenTransport = (identity: Identity, options: OpenOptions) => Promise<Transport>;

const SIZE_BYTES_MAX = 4096;
const BOUNDS: MessageBounds = { requestSizeBytesMax: SIZE_BYTES_MAX, answerSizeBytesMax: SIZE_BYTES_MAX };

/** Much longer than a request takes, also on a busy machine. */
const DEADLINE = { deadlineMs: 60_000 };

export function identityOf(number: number): Identity {
  return new Identity(new Uint8Array(32).fill(number));
}

export function addressOf(transport: Transport): NodeAddress {
  return { id: transport.self, sockets: transport.addresses };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
}

async function failure(t: ExecutionContext, work: Promise<unknown>): Promise<string> {
  const error = await t.throwsAsync(work);
  if (error instanceof ProtocolError) return `protocol ${error.code}`;
  return error instanceof TransportError ? `transport ${error.failure}` : `other: ${error?.message}`;
}

interface Pair {
  near: Transport;
  far: Transport;
  out: Connection;
  in: Connection;
}

/** Registers the suite. `test` is ava's `test.serial` or `test.skip`. */
export function transportContract(
  test: TestFn["serial"] | TestFn["skip"],
  name: string,
  openWith: OpenTransport,
): void {
  const open = (identity: Identity, options: Partial<OpenOptions> = {}): Promise<Transport> =>
    openWith(identity, { bounds: BOUNDS, ...options });
  const check = (title: string, body: (t: ExecutionContext) => Promise<void>): void => {
    test(`${name}: ${title}`, body);
  };

  async function pair(t: ExecutionContext): Promise<Pair> {
    const near = await open(identityOf(1));
    const far = await open(identityOf(2));
    t.teardown(() => Promise.all([near.close(), far.close()]).then(() => {}));
    const opened = new Promise<Connection>((resolve) => far.onConnection(resolve));
    near.onMessage(async (_, message) => message);
    far.onMessage(async (_, message) => message);
    const out = await near.connect(addressOf(far), DEADLINE);
    return { near, far, out, in: await opened };
  }

  check("both sides know the proven NodeId of their peer and which side dialled", async (t) => {
    const { near, far, out, in: inbound } = await pair(t);
    t.is(near.self, identityOf(1).nodeId);
    t.is(out.peer, far.self);
    t.is(inbound.peer, near.self);
    t.true(out.dialled);
    t.false(inbound.dialled);
  });

  check("messages of 0 to SIZE_BYTES_MAX bytes arrive whole, both ways on one connection", async (t) => {
    const { near, far, out, in: inbound } = await pair(t);
    const seen: string[] = [];
    near.onMessage(async (from, message) => {
      seen.push(from);
      return message;
    });
    for (const length of [0, 1, 2048, SIZE_BYTES_MAX]) {
      t.deepEqual(await out.request(pattern(length), DEADLINE), pattern(length));
      t.deepEqual(await inbound.request(pattern(length), DEADLINE), pattern(length));
    }
    t.deepEqual(seen, [far.self, far.self, far.self, far.self]);
  });

  check("a refusal arrives with its code, and the connection stays open", async (t) => {
    const { far, out } = await pair(t);
    far.onMessage(async (_, message) => {
      if (message[0] === 1) throw new ProtocolError("refused");
      if (message[0] === 2) throw new ProtocolError(4321);
      if (message[0] === 3) throw new Error("our own bug");
      if (message[0] === 4) return new Uint8Array(SIZE_BYTES_MAX + 1);
      return message;
    });
    t.is(await failure(t, out.request(Uint8Array.of(1), DEADLINE)), `protocol ${ERROR_CODES.refused}`);
    t.is(await failure(t, out.request(Uint8Array.of(2), DEADLINE)), "protocol 4321");
    t.is(await failure(t, out.request(Uint8Array.of(3), DEADLINE)), `protocol ${ERROR_CODES.internal}`);
    t.is(await failure(t, out.request(Uint8Array.of(4), DEADLINE)), `protocol ${ERROR_CODES.internal}`);
    t.is(await failure(t, out.request(new Uint8Array(SIZE_BYTES_MAX + 1), DEADLINE)), "transport too-large");
    t.deepEqual(await out.request(Uint8Array.of(9), DEADLINE), Uint8Array.of(9));
  });

  check("a request fails at its deadline, and later requests are not affected", async (t) => {
    const { far, out } = await pair(t);
    let answerLate = (): void => {};
    const late = new Promise<void>((resolve) => {
      answerLate = resolve;
    });
    far.onMessage(async (_, message) => {
      if (message[0] === 1) await late;
      return message;
    });
    t.is(await failure(t, out.request(Uint8Array.of(1), { deadlineMs: 100 })), "transport deadline");
    t.deepEqual(await out.request(Uint8Array.of(2), DEADLINE), Uint8Array.of(2));
    answerLate();
    for (let count = 0; count < 3; count++) {
      t.deepEqual(await out.request(Uint8Array.of(2), DEADLINE), Uint8Array.of(2));
    }
  });

  check("many requests at once are all answered, at most INBOUND_STREAMS_MAX at a time", async (t) => {
    const { far, out } = await pair(t);
    let active = 0;
    let peak = 0;
    far.onMessage(async (_, message) => {
      active += 1;
      peak = Math.max(peak, active);
      await sleep(10);
      active -= 1;
      return message;
    });
    const count = INBOUND_STREAMS_MAX * 5;
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) => out.request(Uint8Array.of(index & 0xff, index >> 8), DEADLINE)),
    );
    t.deepEqual(
      answers.map((answer) => answer[0]! + answer[1]! * 256),
      Array.from({ length: count }, (_, index) => index),
    );
    t.true(peak > 1);
    t.true(peak <= INBOUND_STREAMS_MAX, `${peak} requests were served at once`);
  });

  check("close sends its code to the other side, and the requests under way fail", async (t) => {
    const { near, far, out, in: inbound } = await pair(t);
    const underWay = new Promise<void>((resolve) => {
      near.onMessage(() => {
        resolve();
        return new Promise(() => {});
      });
    });
    const pending = failure(t, inbound.request(Uint8Array.of(1), DEADLINE));
    await underWay;
    out.close("duplicate");
    out.close("busy");
    t.is(await pending, "transport closed");
    t.is(await inbound.closed, ERROR_CODES.duplicate);
    t.is(await out.closed, ERROR_CODES.duplicate);
    t.is(await failure(t, out.request(Uint8Array.of(1), DEADLINE)), "transport closed");
    t.is(await failure(t, inbound.request(Uint8Array.of(1), DEADLINE)), "transport closed");
    const again = await near.connect(addressOf(far), DEADLINE);
    t.deepEqual(await again.request(Uint8Array.of(7), DEADLINE), Uint8Array.of(7));
  });

  check("an address where no node or another node listens is unreachable", async (t) => {
    const { near, far } = await pair(t);
    const absent = identityOf(9).nodeId;
    const soon = { deadlineMs: 300 };
    t.is(await failure(t, near.connect({ id: absent, sockets: ["127.0.0.1:9"] }, soon)), "transport unreachable");
    t.is(await failure(t, near.connect({ id: absent, sockets: far.addresses }, soon)), "transport unreachable");
    t.is(await failure(t, near.connect(addressOf(near), soon)), "transport unreachable");
    t.is(await failure(t, near.connect({ id: absent, sockets: [] }, soon)), "transport unreachable");
  });

  check("a transport closes, and later calls fail as closed", async (t) => {
    const { near, far, out, in: inbound } = await pair(t);
    await near.close();
    t.is(await inbound.closed, ERROR_CODES.done);
    t.is(await failure(t, out.request(Uint8Array.of(1), DEADLINE)), "transport closed");
    t.is(await failure(t, near.connect(addressOf(far), DEADLINE)), "transport closed");
    await near.close();
  });

  check("inbound connections beyond the bound are refused, and a freed place is used again", async (t) => {
    const hub = await open(identityOf(3), { inboundConnectionsMax: 2 });
    const others = await Promise.all([4, 5, 6].map((number) => open(identityOf(number))));
    t.teardown(() => Promise.all([hub, ...others].map((transport) => transport.close())).then(() => {}));
    hub.onMessage(async (_, message) => message);
    const first = await others[0]!.connect(addressOf(hub), DEADLINE);
    const second = await others[1]!.connect(addressOf(hub), DEADLINE);
    t.is(await failure(t, others[2]!.connect(addressOf(hub), { deadlineMs: 1000 })), "transport unreachable");
    t.deepEqual(await second.request(Uint8Array.of(1), DEADLINE), Uint8Array.of(1));
    first.close("done");
    // The hub hears later that the place is free.
    let third: Connection | undefined;
    while (third === undefined) third = await others[2]!.connect(addressOf(hub), DEADLINE).catch(() => undefined);
    t.deepEqual(await third.request(Uint8Array.of(1), DEADLINE), Uint8Array.of(1));
  });

  check("each side owns its buffers: a later change does not reach the other side", async (t) => {
    const { far, out } = await pair(t);
    const kept: Uint8Array[] = [];
    far.onMessage(async (_, message) => {
      kept.push(message);
      return message;
    });
    const sent = Uint8Array.of(1, 2, 3);
    const asking = out.request(sent, DEADLINE);
    sent.fill(0);
    const answer = await asking;
    t.deepEqual(answer, Uint8Array.of(1, 2, 3));
    answer.fill(9);
    t.deepEqual(kept[0], Uint8Array.of(1, 2, 3));
  });

  check("a transport without a message handler answers busy", async (t) => {
    const near = await open(identityOf(7));
    const far = await open(identityOf(8));
    t.teardown(() => Promise.all([near.close(), far.close()]).then(() => {}));
    const out = await near.connect(addressOf(far), DEADLINE);
    t.is(await failure(t, out.request(Uint8Array.of(1), DEADLINE)), `protocol ${ERROR_CODES.busy}`);
  });
}
