/**
 * The contract of every radio (`Radio` and `RadioHandlers` in modules/throwie/ports.ts), as a list of rules.
 *
 * A simulation says something about a board only if the simulated radio keeps the rules of the real radios. So the
 * radio of the simulator and the real radios are held to the same rules.
 *
 * A rule is a function that throws when a radio breaks the rule. So a canary can show that the rule catches a broken
 * radio.
 */
import assert from "node:assert/strict";
import type { TestFn } from "ava";
import type { HostRadio } from "../hosts/radio/host-radio.ts";
import { FRAME_SIZE_BYTES_V1 } from "../modules/glacier/frame.ts";
import type { RadioHandlers } from "../modules/throwie/ports.ts";
import { type Attempt, type Order, patternOf, RadioProbe, type Report } from "./radio-probe.ts";
import { toHex } from "./xs/hex.ts";

/** A radio with its probe (radio-probe.ts), possibly in another process. */
export type RadioEnd = (order: Order) => Promise<Report>;

export interface RadioSubject {
  /** Three radios of one kind, in range of each other. The rules ignore the frames of other radios on the same air. */
  ends: [RadioEnd, RadioEnd, RadioEnd];
  /** Lets this time pass on the air. */
  pass(ms: number): Promise<void>;
  end(): void | Promise<void>;
}

export async function three(open: (index: number) => Promise<RadioEnd>): Promise<RadioSubject["ends"]> {
  return [await open(0), await open(1), await open(2)];
}

/** Opens an end in this process. */
export async function endOf(open: (handlers: RadioHandlers) => HostRadio | Promise<HostRadio>): Promise<RadioEnd> {
  const probe = new RadioProbe();
  probe.radio = await open(probe);
  return async (order) => probe.obey(order);
}

export interface RadioRule {
  title: string;
  check(radios: ThreeRadios): Promise<void>;
}

const EVERYONE = "ffffffffffff";
/** The longest time, on the air, until an event that must happen has happened. */
const PATIENCE_MS = 10_000;
/** The time, on the air, in which an event that must not happen would have happened. */
const QUIET_MS = 200;
const POLL_MS = 5;
/** More frames than any radio queues. */
const MORE_THAN_FIT = 40;
const STREAM_FRAMES = 30;
const SMALL_BYTES = 20;

/** The three radios of a subject, with the questions that most rules ask. */
export class ThreeRadios {
  readonly #subject: RadioSubject;
  readonly addresses: string[] = [];

  constructor(subject: RadioSubject) {
    this.#subject = subject;
  }

  async open(): Promise<void> {
    for (const end of this.#subject.ends) this.addresses.push((await end({ order: "report" })).address);
  }

  tell(end: number, order: Order): Promise<Report> {
    return this.#subject.ends[end]!(order);
  }

  report(end: number): Promise<Report> {
    return this.tell(end, { order: "report" });
  }

  async send(end: number, to: string, ...frames: { number: number; lengthBytes: number }[]): Promise<Attempt[]> {
    return (await this.tell(end, { order: "send", to, frames })).attempts;
  }

  /** The frames of the other ends that this end received, as `sender: bytes`. */
  async heard(end: number): Promise<string[]> {
    const { heard } = await this.report(end);
    return heard
      .filter(({ from }) => this.addresses.includes(from))
      .map(({ from, bytes }) => `${this.addresses.indexOf(from)}: ${bytes}`);
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; !(await condition()); waitedMs += POLL_MS) {
      if (waitedMs >= PATIENCE_MS) assert.fail(`${what}: this did not happen within ${PATIENCE_MS} ms on the air`);
      await this.#subject.pass(POLL_MS);
    }
  }

  quiet(): Promise<void> {
    return this.#subject.pass(QUIET_MS);
  }

  /** Checks that the end receives these frames in this order, and then no other frame. */
  async hears(end: number, expected: string[]): Promise<void> {
    await this.until(`end ${end} hears ${expected.length} frames`, async () => {
      return (await this.heard(end)).length >= expected.length;
    });
    await this.quiet();
    assert.deepEqual(await this.heard(end), expected);
  }

  async faults(pattern: RegExp): Promise<string[]> {
    const reports = await Promise.all(this.#subject.ends.map((end) => end({ order: "report" })));
    return reports.flatMap(({ faults }) => faults).filter((fault) => pattern.test(fault));
  }
}

/** The text with which `ThreeRadios.heard` shows frame `number` of an end. */
function frameOf(end: number, number: number, lengthBytes: number): string {
  return `${end}: ${toHex(patternOf(number, lengthBytes))}`;
}

function numbered(count: number): { number: number; lengthBytes: number }[] {
  return Array.from({ length: count }, (_, number) => ({ number, lengthBytes: SMALL_BYTES }));
}

function stream(to: string): Order {
  return { order: "stream", to, count: STREAM_FRAMES, lengthBytes: SMALL_BYTES };
}

export const RADIO_RULES: RadioRule[] = [
  {
    title: "its address is six bytes, and no other radio has this address",
    async check(radios) {
      for (const address of radios.addresses) assert.match(address, /^[0-9a-f]{12}$/);
      assert.equal(new Set([...radios.addresses, EVERYONE]).size, 4);
    },
  },
  {
    title: "frame size is enough for a node, the receive queue is a positive whole number, and a new radio has room",
    async check(radios) {
      const { frameSizeBytesMax, receiveQueueFrames, full } = await radios.report(0);
      assert.ok(Number.isInteger(frameSizeBytesMax) && frameSizeBytesMax >= FRAME_SIZE_BYTES_V1);
      assert.ok(Number.isInteger(receiveQueueFrames) && receiveQueueFrames > 0);
      assert.equal(full, false);
    },
  },
  {
    title: "a frame of one byte and a frame of the largest size arrive complete, with the address of the sender",
    async check(radios) {
      const { frameSizeBytesMax } = await radios.report(0);
      const expected: string[] = [];
      for (const [number, lengthBytes] of [1, frameSizeBytesMax].entries()) {
        await radios.send(0, radios.addresses[1]!, { number, lengthBytes });
        expected.push(frameOf(0, number, lengthBytes));
        await radios.hears(1, expected);
      }
    },
  },
  {
    title: "an empty frame, a frame that is too long and a frame beyond its buffer give a RangeError, and are not sent",
    async check(radios) {
      const { frameSizeBytesMax } = await radios.report(0);
      const frames = [
        { number: 0, lengthBytes: 0 },
        { number: 1, lengthBytes: frameSizeBytesMax + 1 },
        { number: 2, lengthBytes: SMALL_BYTES, missingBytes: 1 },
      ];
      for (const { outcome } of await radios.send(0, EVERYONE, ...frames)) assert.equal(outcome, "RangeError");
      assert.deepEqual(await radios.send(0, EVERYONE, { number: 3, lengthBytes: 4 }), [
        { full: false, outcome: "taken" },
      ]);
      await radios.hears(1, [frameOf(0, 3, 4)]);
    },
  },
  {
    title: "send copies the frame before it returns",
    async check(radios) {
      // The probe overwrites its buffer after each call of send.
      await radios.send(0, radios.addresses[1]!, { number: 1, lengthBytes: 50 });
      await radios.hears(1, [frameOf(0, 1, 50)]);
    },
  },
  {
    title: "send refuses a frame when the radio is full and only then, and a refused frame is not sent",
    async check(radios) {
      const frames = numbered(MORE_THAN_FIT);
      const attempts = await radios.send(0, radios.addresses[1]!, ...frames);
      for (const { full, outcome } of attempts) assert.ok(outcome === "taken" || (outcome === "refused" && full));
      assert.ok(attempts.some(({ outcome }) => outcome === "refused"));
      const taken = frames.filter((_, i) => attempts[i]!.outcome === "taken");
      assert.ok(taken.length > 0);
      await radios.hears(
        1,
        taken.map(({ number, lengthBytes }) => frameOf(0, number, lengthBytes)),
      );
    },
  },
  {
    title: "a full radio calls onRoom when it has room",
    async check(radios) {
      await radios.send(0, radios.addresses[1]!, ...numbered(MORE_THAN_FIT));
      await radios.until("onRoom", async () => (await radios.report(0)).rooms > 0);
      await radios.until("room", async () => !(await radios.report(0)).full);
      assert.deepEqual(await radios.send(0, radios.addresses[1]!, { number: 99, lengthBytes: 1 }), [
        { full: false, outcome: "taken" },
      ]);
    },
  },
  {
    title: "no handler is called inside send or inside another handler",
    async check(radios) {
      for (const [end, to] of [
        [0, 1],
        [1, 0],
      ] as const) {
        await radios.tell(end, stream(radios.addresses[to]!));
      }
      await radios.until("both hear something", async () => {
        return (await radios.heard(0)).length > 0 && (await radios.heard(1)).length > 0;
      });
      await radios.quiet();
      assert.deepEqual(await radios.faults(/ inside /), []);
    },
  },
  {
    title: "a frame for one address is handed over only at that address",
    async check(radios) {
      await radios.send(0, radios.addresses[1]!, { number: 1, lengthBytes: SMALL_BYTES });
      await radios.hears(1, [frameOf(0, 1, SMALL_BYTES)]);
      for (const end of [0, 2]) assert.deepEqual(await radios.heard(end), []);
    },
  },
  {
    title: "a frame for everyone is handed over to all radios in range, but not to its sender",
    async check(radios) {
      await radios.send(0, EVERYONE, { number: 1, lengthBytes: SMALL_BYTES });
      for (const end of [1, 2]) await radios.hears(end, [frameOf(0, 1, SMALL_BYTES)]);
      assert.deepEqual(await radios.heard(0), []);
    },
  },
  {
    title: "frames of one sender arrive in the order in which they were sent",
    async check(radios) {
      await radios.tell(0, stream(radios.addresses[1]!));
      await radios.hears(
        1,
        numbered(STREAM_FRAMES).map(({ number }) => frameOf(0, number, SMALL_BYTES)),
      );
    },
  },
  {
    title: "a frame stays unchanged during onFrame, even when the handler sends a frame",
    async check(radios) {
      await radios.tell(1, {
        order: "answer",
        to: radios.addresses[0]!,
        frame: { number: 2, lengthBytes: SMALL_BYTES },
      });
      await radios.send(0, radios.addresses[1]!, { number: 1, lengthBytes: SMALL_BYTES });
      await radios.hears(0, [frameOf(1, 2, SMALL_BYTES)]);
      assert.deepEqual(await radios.faults(/ changed /), []);
    },
  },
  {
    title: "a closed radio is full, calls no handler, and may be closed again",
    async check(radios) {
      await radios.send(0, EVERYONE, ...numbered(MORE_THAN_FIT));
      for (let times = 0; times < 2; times++) assert.equal((await radios.tell(0, { order: "close" })).full, true);
      assert.deepEqual(await radios.send(0, EVERYONE, { number: 1, lengthBytes: 1 }), [
        { full: true, outcome: "refused" },
      ]);
      await radios.quiet();
      await radios.tell(2, { order: "closeOnFrame" });
      await radios.tell(1, stream(EVERYONE));
      await radios.until("end 2 hears one", async () => (await radios.heard(2)).some((frame) => frame.startsWith("1")));
      await radios.quiet();
      assert.equal((await radios.report(2)).full, true, "a closed radio must be full although its queue is empty");
      assert.deepEqual(await radios.faults(/after close|^close/), []);
    },
  },
];

/** Holds one subject to one rule. */
export async function hold(rule: RadioRule, open: () => RadioSubject | Promise<RadioSubject>): Promise<void> {
  const subject = await open();
  try {
    const radios = new ThreeRadios(subject);
    await radios.open();
    await rule.check(radios);
  } finally {
    await subject.end();
  }
}

/** Registers one test for each rule. If there is a reason to skip, each test is skipped and its name has the reason. */
export function radioContract(
  test: TestFn,
  name: string,
  { open, skip }: { open: () => RadioSubject | Promise<RadioSubject>; skip?: string | undefined },
): void {
  for (const rule of RADIO_RULES) {
    if (skip !== undefined) test.skip(`${name}: ${rule.title} (skipped: ${skip})`, () => {});
    else {
      test.serial(`${name}: ${rule.title}`, async (t) => {
        await hold(rule, open);
        t.pass();
      });
    }
  }
}
