/**
 * A dongle and its host may be of different releases. The dongle says which firmware it has only to a host that asks,
 * so a host of 0.1.0 meets no message that it does not know. A dongle of 0.1.0 does not answer, and its host goes on.
 */
import test from "ava";
import { Dongle } from "../modules/dongle/dongle.ts";
import { DongleHost } from "../modules/dongle/dongle-host.ts";
import { encodeLine, LineReader, lineBytesMax, MESSAGE_AT } from "../modules/dongle/framing.ts";
import { ASK, HELLO, STATUS, WELCOME, writeAsk, writeHello, writeTell } from "../modules/dongle/message.ts";

const FIRMWARE = "0.1.0+9d2e41c07ab8 role=dongle";
/** The messages of 0.1.0 have these kinds. */
const KNOWN_TO_0_1_0 = [1, 2, 3, 4];

/** A line that keeps the messages which an end wrote to it. */
class Line {
  readonly messages: Uint8Array[] = [];
  readonly #reader = new LineReader();

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    const end = offset + lengthBytes;
    for (let from = offset; from < end; from = this.#reader.at) {
      const found = this.#reader.next(bytes, from, end);
      if (found > 0) this.messages.push(this.#reader.message.slice(0, found));
    }
    return lengthBytes;
  }

  get kinds(): number[] {
    return this.messages.map((message) => message[0]!);
  }
}

function sealed(write: (bytes: Uint8Array) => number): Uint8Array {
  const bytes = new Uint8Array(lineBytesMax(300));
  return bytes.slice(0, encodeLine(bytes, 0, write(bytes)));
}

function resealed(message: Uint8Array): Uint8Array {
  return sealed((bytes) => {
    bytes.set(message, MESSAGE_AT);
    return message.length;
  });
}

const clock = { nowMs: 0, now: () => clock.nowMs };
const radio = {
  address: Uint8Array.of(2, 0, 0, 0, 0, 1),
  frameSizeBytesMax: 250,
  receiveQueueFrames: 32,
  rssiDbm: -60,
  full: false,
  send: () => true,
};

function newDongle(firmware?: string): { dongle: Dongle; line: Line } {
  const line = new Line();
  return {
    line,
    dongle: new Dongle(firmware === undefined ? { radio, line, clock } : { radio, line, clock, firmware }),
  };
}

function say(end: Dongle | DongleHost, message: Uint8Array): void {
  end.receive(message, message.length);
  clock.nowMs += 1;
  end.turn();
}

const SESSION = 77;
const hello = sealed((bytes) => writeHello(bytes, MESSAGE_AT, SESSION, 32));
const ask = (topic: number, session = SESSION): Uint8Array =>
  sealed((bytes) => writeAsk(bytes, MESSAGE_AT, { session, topic }));

test("a host of 0.1.0, which does not ask, hears only messages that it knows", (t) => {
  const { dongle, line } = newDongle(FIRMWARE);
  say(dongle, hello);
  for (let i = 0; i < 5; i++) {
    dongle.heard(Uint8Array.of(1, 2, 3), 3, radio.address);
    clock.nowMs += 300;
    dongle.turn();
  }
  t.true(line.kinds.length > 6);
  t.deepEqual(
    line.kinds.filter((kind) => !KNOWN_TO_0_1_0.includes(kind)),
    [],
  );
});

test("a dongle tells its firmware to each host that asks, and nothing of a topic that it does not know", (t) => {
  for (const [firmware, topic, text] of [
    [FIRMWARE, 1, FIRMWARE],
    [FIRMWARE, 9, ""],
    [undefined, 1, ""],
    ["y".repeat(400), 1, "y".repeat(250)],
  ] as const) {
    const { dongle, line } = newDongle(firmware);
    say(dongle, hello);
    say(dongle, ask(topic));
    say(dongle, ask(topic, SESSION + 1));
    const told = line.messages.filter((message) => message[0] === 7);
    t.is(told.length, 1, "an ASK of another session is not answered");
    t.is(Buffer.from(told[0]!.subarray(6)).toString("latin1"), text);
    t.is(told[0]![5], topic);
    t.is(dongle.counters.damagedHere, 0);
  }
});

test("a host asks once in each session, and goes on with a dongle of 0.1.0 that does not answer", (t) => {
  const line = new Line();
  let seed = 1;
  const random = { fill: (bytes: Uint8Array) => void bytes.fill(seed++) };
  const host = new DongleHost({ line, clock, random, onFrame: () => {} });
  const { dongle, line: up } = newDongle(FIRMWARE);
  const pass = (knowsAsk: boolean): void => {
    for (const message of line.messages.splice(0)) {
      asked += message[0] === ASK ? 1 : 0;
      if (message[0] !== ASK || knowsAsk) say(dongle, resealed(message));
    }
    for (const message of up.messages.splice(0)) say(host, resealed(message));
  };
  let asked = 0;
  for (const [knowsAsk, firmware] of [
    [false, ""],
    [true, FIRMWARE],
    [false, ""],
  ] as const) {
    host.begin();
    asked = 0;
    for (let ms = 0; ms < 2_000; ms += 50) {
      clock.nowMs += 50;
      host.turn();
      dongle.turn();
      pass(knowsAsk);
    }
    t.is(host.state, "open");
    t.is(asked, 1);
    t.is(host.firmware, firmware);
  }
});

test("a dongle tells its headroom anew to each question, and an older dongle tells nothing", (t) => {
  const line = new Line();
  const host = new DongleHost({ line, clock, random: { fill: (bytes) => void bytes.fill(seed++) }, onFrame: () => {} });
  let seed = 1;
  let asked = 0;
  for (const headroom of [() => `memory: ${++asked}`, undefined]) {
    const up = new Line();
    const dongle = new Dongle({ radio, line: up, clock, ...(headroom && { headroom }) });
    const pass = (): void => {
      for (let ms = 0; ms < 500; ms += 50) {
        clock.nowMs += 50;
        host.turn();
        dongle.turn();
        for (const message of line.messages.splice(0)) say(dongle, resealed(message));
        for (const message of up.messages.splice(0)) say(host, resealed(message));
      }
    };
    host.begin();
    pass();
    t.is(host.headroom, undefined, "nobody asked in this session");
    for (const text of headroom === undefined ? ["", ""] : ["memory: 1", "memory: 2"]) {
      host.askHeadroom();
      t.is(host.headroom, undefined);
      pass();
      t.is(host.headroom, text);
    }
    t.is(dongle.counters.damagedHere, 0);
  }
});

test("a text with bytes that could rewrite a terminal is made harmless", (t) => {
  const line = new Line();
  const host = new DongleHost({ line, clock, random: { fill: (bytes) => void bytes.fill(5) }, onFrame: () => {} });
  host.begin();
  host.turn();
  t.deepEqual(line.kinds, [HELLO]);
  const { dongle, line: up } = newDongle();
  say(dongle, resealed(line.messages[0]!));
  const welcome = up.messages.find((message) => message[0] === WELCOME && message[2] === 5)!;
  say(host, resealed(welcome));
  t.true(line.kinds.includes(STATUS));
  const note = { session: 0x05050505, topic: 1 };
  say(
    host,
    sealed((bytes) => writeTell(bytes, MESSAGE_AT, note, "a\x1b[2Jb\r\nc\x7f")),
  );
  t.is(host.firmware, "a?[2Jb??c?");
});
