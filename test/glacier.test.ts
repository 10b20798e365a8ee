/**
 * Nodes of any implementation must understand each other's frames, and a link must deliver its messages through bad
 * air. These tests compare modules/glacier with its vectors. They also run pairs of links over a channel that loses,
 * repeats and delays frames.
 *
 * Replay the random parts with SEED=n.
 */
import test from "ava";
import { Ack, decodeAck, encodeAck } from "../modules/glacier/ack.ts";
import { Assembly } from "../modules/glacier/assembly.ts";
import { crc16 } from "../modules/glacier/crc16.ts";
import {
  decodeFrame,
  FRAGMENTS_MAX,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V1,
  FRAME_SIZE_BYTES_V2,
  FRAME_TRAILER_BYTES,
  Frame,
  FrameHeader,
  type FrameOf,
  type HeaderOf,
  PAYLOAD_BYTES_V1,
  PAYLOAD_BYTES_V2,
  sealFrame,
} from "../modules/glacier/frame.ts";
import { DROP, type MessageType } from "../modules/glacier/frame-type.ts";
import { fragmentCount, MESSAGE_BODY_BYTES_MAX } from "../modules/glacier/message.ts";
import { Receiver } from "../modules/glacier/receiver.ts";
import { RoundTrip } from "../modules/glacier/round-trip.ts";
import { Sender } from "../modules/glacier/sender.ts";
import { SeededRandom } from "../sim/random.ts";
import { headerOf } from "./frames.ts";
import { LinkPair, oneByOne, overSlowLine } from "./link-pair.ts";
import vectors from "./vectors/glacier.json" with { type: "json" };

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

test("the CRC is CRC-16/ARC", (t) => {
  t.is(crc16(new TextEncoder().encode("123456789"), 9), 0xbb3d);
});

test("every valid frame decodes to its fields, and the fields encode to the frame", (t) => {
  for (const vector of vectors.valid) {
    const bytes = hex(vector.frame);
    const frame = new Frame();
    t.is(decodeFrame(bytes, bytes.length, frame), undefined, vector.name);
    const payload = hex(vector.payload);
    t.like(frame, {
      type: vector.type,
      poll: vector.poll,
      sessionId: vector.sessionId,
      sequence: vector.sequence,
      fragment: vector.fragment,
      payloadBytes: payload.length,
    });
    const out = new Uint8Array(FRAME_SIZE_BYTES_V2);
    out.set(payload, FRAME_HEADER_BYTES);
    const shortId = Buffer.from(vector.shortId, "hex");
    const { type, poll, sessionId, sequence, fragment } = vector;
    const [shortIdLow, shortIdHigh] = [shortId.readUInt32LE(0), shortId.readUInt32LE(4)];
    const payloadBytes = payload.length;
    const header = headerOf({ type, poll, sessionId, sequence, fragment, shortIdLow, shortIdHigh, payloadBytes });
    const length = sealFrame(out, header);
    t.is(Buffer.from(out.subarray(0, length)).toString("hex"), vector.frame, vector.name);
  }
});

test("every invalid frame is refused for its reason", (t) => {
  for (const vector of vectors.invalid) {
    const bytes = hex(vector.frame);
    t.is(decodeFrame(bytes, bytes.length, new Frame()), vector.reason as "crc", vector.name);
  }
});

test("constants agree: frames fit ESP-NOW bodies, a Drop takes 10 frames or 2, and so does the largest message", (t) => {
  t.is(FRAME_SIZE_BYTES_V1, FRAME_HEADER_BYTES + PAYLOAD_BYTES_V1 + FRAME_TRAILER_BYTES);
  t.true(FRAME_SIZE_BYTES_V1 <= 250);
  t.is(FRAME_SIZE_BYTES_V2, 1_470);
  t.is(fragmentCount(2048, PAYLOAD_BYTES_V1), 10);
  t.is(fragmentCount(2048, PAYLOAD_BYTES_V2), 2);
  t.is(MESSAGE_BODY_BYTES_MAX, 2048);
  t.true(fragmentCount(MESSAGE_BODY_BYTES_MAX, PAYLOAD_BYTES_V1) < FRAGMENTS_MAX, "no fragment has the last index");
});

test("every valid acknowledgement decodes to its fields and the fields encode to it; every invalid one is refused", (t) => {
  const frame = new Frame();
  const ack = new Ack();
  for (const vector of vectors.acknowledgements.valid) {
    const bytes = hex(vector.frame);
    t.is(decodeFrame(bytes, bytes.length, frame), undefined);
    t.true(decodeAck(frame, ack), vector.name);
    const { number, base, window, credit, done, kept, masks } = vector;
    t.like(ack, { number, base, window, credit, done, kept, count: masks.length });
    t.deepEqual([...ack.masks.subarray(0, ack.count)], masks);
    const out = new Uint8Array(FRAME_SIZE_BYTES_V2);
    const header = headerOf({ sessionId: 0x1234 });
    encodeAck(out, ack, header);
    const length = sealFrame(out, header);
    t.is(Buffer.from(out.subarray(0, length)).toString("hex"), vector.frame, vector.name);
  }
  for (const vector of vectors.acknowledgements.invalid) {
    const bytes = hex(vector.frame);
    t.is(decodeFrame(bytes, bytes.length, frame), undefined);
    t.false(decodeAck(frame, ack), vector.name);
  }
});

function fragmentsOf(body: Uint8Array, fragmentBytes = PAYLOAD_BYTES_V1): FrameOf<typeof DROP>[] {
  const stream = new Uint8Array(3 + body.length);
  stream.set([body.length & 0xff, body.length >>> 8, 0]);
  stream.set(body, 3);
  const frames: FrameOf<typeof DROP>[] = [];
  for (let i = 0; i * fragmentBytes < stream.length; i++) {
    const payload = stream.subarray(i * fragmentBytes, (i + 1) * fragmentBytes);
    const bytes = new Uint8Array(FRAME_SIZE_BYTES_V2);
    bytes.set(payload, FRAME_HEADER_BYTES);
    const frame = new Frame();
    const header = {
      type: DROP,
      sessionId: 1,
      fragment: i,
      shortIdLow: 1,
      shortIdHigh: 2,
      payloadBytes: payload.length,
    };
    decodeFrame(bytes, sealFrame(bytes, headerOf(header)), frame);
    frames.push(frame as FrameOf<typeof DROP>);
  }
  return frames;
}

test("an assembly takes fragments in any order, for every length", (t) => {
  const random = new SeededRandom(7, "assembly");
  const assembly = new Assembly();
  const lengths = Array.from({ length: 640 }, (_, i) => i + 1);
  for (let length = 677; length <= 2048; length += 37) lengths.push(length);
  for (const [length, fragmentBytes] of lengths.flatMap((each) => [
    [each, PAYLOAD_BYTES_V1] as const,
    [each, PAYLOAD_BYTES_V2] as const,
  ])) {
    const body = new Uint8Array(length);
    random.fill(body);
    const frames = fragmentsOf(body, fragmentBytes);
    for (let i = frames.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [frames[i], frames[j]] = [frames[j]!, frames[i]!];
    }
    assembly.begin(1, 2, fragmentBytes, 0);
    for (const [i, frame] of frames.entries()) {
      t.false(assembly.complete);
      t.is(assembly.put(frame, 0), "new", `length ${length}, fragment ${frame.fragment}`);
      t.is(assembly.put(frame, 0), "repeat");
      t.is(assembly.complete, i === frames.length - 1);
    }
    t.is(assembly.bodyBytes, length);
    t.deepEqual(assembly.bytes.subarray(3, 3 + length), body);
  }
});

test("an assembly refuses fragments that cannot belong to its message", (t) => {
  const frames = fragmentsOf(new Uint8Array(500).fill(9));
  const assembly = new Assembly();
  assembly.begin(1, 2, PAYLOAD_BYTES_V1, 0);
  const absurd = Object.assign(new Frame(), frames[0], { bytes: frames[0]!.bytes.slice() });
  absurd.bytes.set([0xbb, 0x1a], FRAME_HEADER_BYTES);
  t.is(assembly.put(absurd, 0), "misfit", "a body of 33 fragments, whose mask would wrap to the mask of one fragment");
  t.is(assembly.put(frames[2]!, 0), "new");
  t.is(
    assembly.put(Object.assign(new Frame(), frames[2], { fragment: 3 }), 0),
    "misfit",
    "a fragment after the short last one",
  );
  t.is(
    assembly.put(Object.assign(new Frame(), frames[1], { payloadBytes: 100 }), 0),
    "misfit",
    "a short fragment in the middle",
  );
  t.is(assembly.put(fragmentsOf(new Uint8Array(800))[0]!, 0), "misfit", "a body of another length");
  t.is(
    assembly.put(Object.assign(new Frame(), frames[0], { payloadBytes: 3 }), 0),
    "misfit",
    "a message without a body",
  );
  t.is(
    assembly.put(Object.assign(new Frame(), frames[1], { fragment: 12 }), 0),
    "misfit",
    "a fragment past the buffer",
  );
  t.is(
    assembly.put(fragmentsOf(new Uint8Array(500), PAYLOAD_BYTES_V2)[0]!, 0),
    "misfit",
    "a fragment that was cut for v2",
  );
  t.is(assembly.put(frames[0]!, 0), "new");
  t.is(assembly.put(frames[1]!, 0), "new");
  t.true(assembly.complete);
  t.true(assembly.holds(1, 2, PAYLOAD_BYTES_V1));
  t.false(assembly.holds(1, 2, PAYLOAD_BYTES_V2), "the same message begins anew if it is cut in another way");
});

for (const { name, lossPerMille, duplicatePerMille, delayMs } of [
  { name: "clear air", lossPerMille: 0, duplicatePerMille: 0, delayMs: 0 },
  { name: "reordering and duplicates", lossPerMille: 0, duplicatePerMille: 200, delayMs: 30 },
  { name: "one frame in ten lost", lossPerMille: 100, duplicatePerMille: 20, delayMs: 10 },
  { name: "four frames in ten lost", lossPerMille: 400, duplicatePerMille: 50, delayMs: 20 },
]) {
  test(`a link delivers every message whole and once, both ways: ${name}`, (t) => {
    const seed = Number(process.env.SEED ?? 1);
    for (let run = 0; run < 10; run++) {
      const pair = new LinkPair(new SeededRandom(seed + run, name), { lossPerMille, duplicatePerMille, delayMs });
      pair.offer(0, 60);
      pair.offer(1, 40);
      pair.run(120_000);
      const replay = `SEED=${seed + run}`;
      t.deepEqual(pair.received(1), pair.offered(0), replay);
      t.deepEqual(pair.received(0), pair.offered(1), replay);
      t.true(pair.quiet, `${replay}: the link still sends frames`);
      if (lossPerMille === 0 && delayMs === 0) t.is(pair.lost, 0, "a frame that was received is not sent again");
    }
  });
}

test("sequence numbers wrap, over 5,000 messages on one link", (t) => {
  const pair = new LinkPair(new SeededRandom(3, "wrap"), { lossPerMille: 20, duplicatePerMille: 10, delayMs: 5 }, 40);
  pair.offer(0, 5_000);
  pair.run(2_000_000);
  t.deepEqual(pair.received(1), pair.offered(0));
  t.true(pair.quiet);
});

test("a receiver that stalls for 300 ms gets few frames meanwhile, and all messages afterwards", (t) => {
  const pair = new LinkPair(new SeededRandom(5, "stall"), { lossPerMille: 0, duplicatePerMille: 0, delayMs: 0 });
  pair.offer(0, 20);
  pair.run(100);
  const before = pair.framesFrom(0);
  pair.deaf = 1;
  pair.run(300);
  t.true(pair.framesFrom(0) - before <= 40, `${pair.framesFrom(0) - before} frames into the stall`);
  pair.deaf = -1;
  pair.run(20_000);
  t.deepEqual(pair.received(1), pair.offered(0));
});

test("a message whose buffer another contact took over and completed is finished at its next fragment", (t) => {
  const assembly = new Assembly();
  let stored = false;
  const receiver = new Receiver({
    wants: () => !stored,
    assembly: () => {
      assembly.begin(1, 2, PAYLOAD_BYTES_V1, 0);
      return assembly;
    },
    owns: () => !stored,
    complete: () => "kept",
    credit: 4,
    window: 32,
  });
  receiver.begin();
  const [first, second] = fragmentsOf(new Uint8Array(500).fill(3)) as [FrameOf<typeof DROP>, FrameOf<typeof DROP>];
  t.is(receiver.receive(first, 0), undefined);
  stored = true;
  assembly.begin(8, 9, PAYLOAD_BYTES_V1, 0);
  t.is(receiver.receive(second, 0), undefined);
  const ack = new Ack();
  receiver.describe(ack);
  t.like(ack, { base: 1, kept: 0 });
});

test("fragments that the peer gave up are sent again, but a peer that gives up for ever makes no progress", (t) => {
  let opened = false;
  const sender = new Sender({
    get waiting() {
      return !opened;
    },
    next: (message) => {
      Object.assign(message, { type: DROP, shortIdLow: 1, shortIdHigh: 2, bodyBytes: 500, claim: 0, handle: 0 });
      opened = !opened;
      return opened;
    },
    read: () => {},
    finished: () => t.fail("the message must not be finished"),
    abandoned: () => {},
  });
  sender.begin(0);
  const out = new Uint8Array(FRAME_SIZE_BYTES_V1);
  const fragments = (now: number): number[] => {
    const sent: number[] = [];
    const header = new FrameHeader() as HeaderOf<MessageType>;
    while (sender.prepare(out, header, now) > 0) {
      sent.push(header.fragment);
      sender.sent(header, now);
    }
    return sent;
  };
  const ack = Object.assign(new Ack(), { window: 8, credit: 4, count: 1 });
  const say = (mask: number, now: number): string => {
    ack.number++;
    ack.masks[0] = mask;
    return sender.acknowledged(ack, now);
  };
  t.deepEqual(fragments(0), [0, 1, 2]);
  const outcomes: string[] = [];
  for (let round = 1; round <= 20; round++) {
    outcomes.push(say(0b111, round));
    t.deepEqual(fragments(round), [], "the peer has all fragments");
    say(0, round);
    t.deepEqual(fragments(round), [0, 1, 2], "the peer has no fragment any more");
  }
  t.is(outcomes[0], "news");
  t.is(outcomes.at(-1), "nothing");
});

test("a link sends on when a peer that had no room has room again", (t) => {
  const pair = new LinkPair(new SeededRandom(6, "credit"), { lossPerMille: 300, duplicatePerMille: 0, delayMs: 5 });
  pair.offer(0, 10);
  pair.run(60);
  pair.full = true;
  pair.run(1_000);
  const before = pair.received(1).length;
  t.true(before > 0 && before < 10, `${before} messages arrived before`);
  pair.full = false;
  pair.run(20_000);
  t.deepEqual(pair.received(1), pair.offered(0));
});

test("a sender learns of each message whether it was kept or unwanted, whatever is lost on the way", (t) => {
  const pair = new LinkPair(
    new SeededRandom(8, "kept"),
    { lossPerMille: 200, duplicatePerMille: 50, delayMs: 20 },
    500,
  );
  pair.unwantedEvery = 3;
  pair.offer(0, 200);
  pair.run(200_000);
  const all = Array.from({ length: 200 }, (_, i) => i);
  t.deepEqual(pair.told(0), { kept: all.filter((i) => i % 3 !== 2), unwanted: all.filter((i) => i % 3 === 2) });
});

test("canary: a link whose receiver acknowledges nothing is caught", (t) => {
  const pair = new LinkPair(new SeededRandom(1, "canary"), { lossPerMille: 100, duplicatePerMille: 0, delayMs: 0 });
  pair.muteAcknowledgements = true;
  pair.offer(0, 60);
  pair.run(120_000);
  t.notDeepEqual(pair.received(1), pair.offered(0));
});

test("a slow line costs hardly a frame, and little more than one window a round trip", (t) => {
  for (const roundTripMs of [300, 500, 700, 1_000]) {
    const { sent, time } = overSlowLine(new SeededRandom(1, "slow line"), roundTripMs);
    t.true(sent <= 1.05, `${roundTripMs} ms: ${sent} times the frames`);
    t.true(time <= 1.1, `${roundTripMs} ms: ${time} times the bound`);
  }
});

test("messages that wait for one another cost hardly a frame more on a slow line", (t) => {
  for (const roundTripMs of [300, 500, 1_000]) {
    const frames = oneByOne(new SeededRandom(1, "slow line"), roundTripMs);
    t.true(frames < 1.2, `${roundTripMs} ms: ${frames} frames for each`);
  }
});

test.serial("canary: a sender that never takes an answer for late sends such a message again and again", (t) => {
  const { suspect } = RoundTrip.prototype;
  RoundTrip.prototype.suspect = () => {};
  const frames = oneByOne(new SeededRandom(1, "slow line"), 500);
  RoundTrip.prototype.suspect = suspect;
  t.true(frames > 5, `${frames} frames for each`);
});
