/**
 * The air may bring any bytes. This coverage-guided fuzz feeds them to `decodeFrame`, to `decodeAck`, and to a link
 * that receives, sends and acknowledges in between. A checksum keeps out accidents, not attackers, so most mutated
 * frames get the right one.
 *
 * fuzz/fuzzer.ts says how to replay a finding and how to run longer.
 */
import test from "ava";
import { ACK_PREFIX_BYTES, Ack, encodeAck, FINISHED } from "../modules/glacier/ack.ts";
import type { Assembly } from "../modules/glacier/assembly.ts";
import {
  FRAGMENTS_MAX,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V2,
  FRAME_TRAILER_BYTES,
  type Frame,
  type FrameOf,
  PAYLOAD_BYTES_V1,
  PAYLOAD_BYTES_V2,
  sealFrame,
} from "../modules/glacier/frame.ts";
import {
  ACK,
  BEACON,
  DROP,
  FRAME_TYPES,
  type FrameType,
  type MessageType,
  OPEN,
  RECONCILE,
} from "../modules/glacier/frame-type.ts";
import type { Link } from "../modules/glacier/link.ts";
import { MESSAGE_BODY_BYTES_MAX, MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import type { Completion, MessageSink, MessageSource, Outgoing } from "../modules/glacier/ports.ts";
import { headerOf } from "./frames.ts";
import { CoveredModules, type Replacement } from "./fuzz/coverage.ts";
import { mendFrames } from "./fuzz/frames.ts";
import { executionsOf, type Target } from "./fuzz/fuzzer.ts";
import type { Input } from "./fuzz/input.ts";
import { nothingIsFound, onlyGuidedFinds } from "./fuzz/verdict.ts";

const EXECUTIONS = executionsOf(30_000);
/**
 * How many lines of modules/glacier may stay unreached, of about 530. Each version of V8 counts a class's fields in
 * another way, so this is no share of all lines.
 */
const UNREACHED_MAX = 17;
const SESSION = 0x1234;
/** The high word of the ShortId of each message that the link sends. */
const SHORT_ID_HIGH = 7;
/** Bits of the third choice: the peer has another link too, so does the radio, and now and then there is no room. */
const OVERHEARS = 16;
const OTHER_LINK = 32;
const ROOMLESS = 64;
const ASSEMBLIES = 2;
/** Bytes behind the largest frame. The link must not write there. */
const GUARD_BYTES = 32;
const GUARD = 0xa5;
const MESSAGE_TYPES = FRAME_TYPES.flatMap((type) => (type?.fragment ? [type.code] : []));
/** Milliseconds that pass between packets. */
const STEPS_MS = [0, 1, 5, 20, 100, 1_000, 10_000, 1 << 30];

type Modules = typeof import("../modules/glacier/link.ts") &
  typeof import("../modules/glacier/frame.ts") &
  typeof import("../modules/glacier/ack.ts") &
  typeof import("../modules/glacier/assembly.ts");

function check(right: boolean, wrong: string): void {
  if (!right) throw new Error(wrong);
}

/** The type of the message with this number. */
function typeOf(handle: number): MessageType {
  return handle % 5 === 0 ? OPEN : handle % 3 === 0 ? RECONCILE : DROP;
}

/**
 * The owner of a link. It offers messages, takes incoming messages into a few buffers, and checks what the link says of
 * both.
 */
class Owner implements MessageSource, MessageSink {
  offered = 0;
  nextHandle = 0;
  /** Of this many messages one must come again and one is unwanted. The others are kept. */
  moods = 1;
  window = 8;
  fragmentBytes = PAYLOAD_BYTES_V1;
  /** Another link of the radio has sent some fragments of each message. */
  sharesAir = false;
  hasRoom = true;
  /** Whether the next message is ready. If not, \`waiting\` is wrong about it. */
  ready = true;
  readonly #free: Assembly[];
  readonly #lent = new Set<Assembly>();
  readonly #finished = new Set<number>();

  constructor(assemblies: Assembly[]) {
    this.#free = assemblies;
  }

  get waiting(): boolean {
    return this.nextHandle < this.offered;
  }

  get needsNoRoom(): boolean {
    return this.waiting && typeOf(this.nextHandle) !== DROP;
  }

  next(message: Outgoing): boolean {
    if (!this.waiting || !this.ready) return false;
    const handle = this.nextHandle++;
    message.type = typeOf(handle);
    message.claim = handle;
    message.shortIdLow = handle;
    message.shortIdHigh = SHORT_ID_HIGH;
    message.bodyBytes = handle % 2 === 0 ? MESSAGE_BODY_BYTES_MAX : 1 + 30 * handle;
    message.handle = handle;
    message.aired = this.sharesAir ? handle * 37 : 0;
    return true;
  }

  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  read(message: Outgoing, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    check(
      from >= 0 && from + lengthBytes <= message.bodyBytes,
      `read ${lengthBytes} at ${from} of ${message.bodyBytes}`,
    );
    into.fill(message.handle, offset, offset + lengthBytes);
  }

  finished(message: Outgoing): void {
    check(
      message.handle < this.nextHandle && !this.#finished.has(message.handle),
      `message ${message.handle} is finished twice, or was never sent`,
    );
    this.#finished.add(message.handle);
  }

  abandoned(message: Outgoing): void {
    this.finished(message);
  }

  wants(frame: Frame): boolean {
    return frame.shortIdLow % 7 !== 6;
  }

  assembly(frame: Frame, now: number): Assembly | undefined {
    const assembly = this.#free.pop();
    if (assembly === undefined) return undefined;
    this.#lent.add(assembly);
    const { shortIdLow, shortIdHigh } = frame;
    const fragmentBytes = this.fragmentBytes;
    if (!assembly.holds(shortIdLow, shortIdHigh, fragmentBytes))
      assembly.begin(shortIdLow, shortIdHigh, fragmentBytes, now);
    return assembly;
  }

  owns(assembly: Assembly): boolean {
    return this.#lent.has(assembly);
  }

  shelve(assembly: Assembly): void {
    check(this.#lent.delete(assembly), "a buffer is shelved that was not lent");
    this.#free.push(assembly);
  }

  /** Takes a lent buffer away, as another contact does. */
  takeOver(): void {
    for (const assembly of this.#lent) {
      this.#lent.delete(assembly);
      this.#free.push(assembly);
      return;
    }
  }

  complete(_type: number, assembly: Assembly): Completion {
    const { bodyBytes, shortIdLow, claim } = assembly;
    check(claim >= 0 && claim <= 255, `a claim of ${claim}`);
    check(bodyBytes >= 1 && bodyBytes <= MESSAGE_BODY_BYTES_MAX, `a body of ${bodyBytes} bytes`);
    check(this.#lent.delete(assembly), "a buffer is completed that was not lent");
    assembly.clear();
    this.#free.push(assembly);
    return shortIdLow % this.moods === 1 ? "again" : shortIdLow % this.moods === 2 ? "unwanted" : "kept";
  }

  /** The lent buffer that holds the message of this frame. */
  lentFor({ shortIdLow, shortIdHigh }: Frame): Assembly | undefined {
    for (const assembly of this.#lent) if (assembly.isOf(shortIdLow, shortIdHigh)) return assembly;
    return undefined;
  }

  get credit(): number {
    if (!this.hasRoom) return 0;
    return this.#free.length + this.#lent.size;
  }
}

/** The peer sent the fragment of a Drop on another link. */
function overhear(link: Link, owner: Owner, frame: Frame, now: number): void {
  const assembly = owner.lentFor(frame);
  if (assembly === undefined) link.receive(frame as FrameOf<typeof DROP>, now);
  else if (assembly.put(frame, now) === "new") link.overheard(assembly, now);
}

/** Another link of the radio has sent the first fragments of a message that this link has under way too. */
function airOnOtherLink(link: Link, fragment: number, now: number): void {
  const { sender } = link;
  const handle = sender.underWay({ offers: (message) => message % 2 === fragment % 2 });
  if (handle < 0) return;
  check(sender.sentOf(handle, SHORT_ID_HIGH + 1) === 0, "a message was sent that is not under way");
  sender.aired(handle, SHORT_ID_HIGH + 1, fragment % FRAGMENTS_MAX, now);
  const sent = sender.sentOf(handle, SHORT_ID_HIGH);
  check(sent < 1 << FRAGMENTS_MAX, `fragments ${sent.toString(2)} were sent`);
  for (let i = 0; i <= fragment % FRAGMENTS_MAX; i++) sender.aired(handle, SHORT_ID_HIGH, i, now);
}

function targetOf(modules: Modules): Target {
  const {
    Link,
    Frame: CoveredFrame,
    FrameHeader: CoveredHeader,
    Assembly: CoveredAssembly,
    decodeFrame,
    frameType,
    decodeAck,
    Ack: CoveredAck,
  } = modules;
  const out = new Uint8Array(FRAME_SIZE_BYTES_V2 + GUARD_BYTES);
  const memory = new Uint8Array(2 * FRAME_SIZE_BYTES_V2);
  const heard: FrameOf<FrameType> = new CoveredFrame();
  const told = new CoveredFrame();
  const header = new CoveredHeader();
  const ack = new CoveredAck();
  const assemblies = Array.from({ length: ASSEMBLIES }, () => new CoveredAssembly());
  return {
    seeds: seeds(),
    name: "fuzz-glacier",
    packetBytesMax: FRAME_SIZE_BYTES_V2 + 8,
    run({ choices, packets }) {
      const [offers, step, sends, moods] = choices as unknown as [number, number, number, number];
      for (const assembly of assemblies) assembly.clear();
      const owner = new Owner([...assemblies]);
      owner.offered = offers % 40;
      owner.moods = 3 + (moods % 5);
      owner.window = 1 + (moods >> 3);
      owner.sharesAir = (sends & OTHER_LINK) !== 0;
      const link = new Link(owner, owner);
      let now = 0;
      link.begin(SESSION, now);
      owner.fragmentBytes = sends & 8 ? PAYLOAD_BYTES_V2 : PAYLOAD_BYTES_V1;
      link.fragmentBytes = owner.fragmentBytes;
      out.fill(GUARD, FRAME_SIZE_BYTES_V2);
      for (const [at, packet] of packets.entries()) {
        now += STEPS_MS[step % STEPS_MS.length]!;
        owner.hasRoom = !(sends & ROOMLESS) || at % 3 > 0;
        owner.ready = !(sends & ROOMLESS) || at % 5 > 0;
        for (let send = sends & 7; send >= 0; send -= 1) {
          const length = link.prepare(out, header, now);
          check(length >= 0 && length <= FRAME_SIZE_BYTES_V2, `a frame of ${length} bytes`);
          check(
            !out.subarray(FRAME_SIZE_BYTES_V2).some((byte) => byte !== GUARD),
            "something was written behind the largest frame",
          );
          if (length === 0) break;
          check(
            decodeFrame(out, length, told) === undefined && told.sessionId === SESSION,
            "the link sent bytes that are no frame of its session",
          );
          check(told.type !== ACK || decodeAck(told, ack), "the link sent an ACK that does not decode");
          check(
            told.payloadBytes <= PAYLOAD_BYTES_V1 || owner.fragmentBytes === PAYLOAD_BYTES_V2,
            "the frame is larger than agreed",
          );
          check(
            !link.mayBroadcast(header) || told.type === DROP || told.type === ACK,
            "this type of frame may not go by broadcast",
          );
          link.sent(header, now);
          check(told.type !== ACK || link.answered, "an acknowledgement was sent and is still due");
        }
        memory.set(packet);
        if (decodeFrame(memory, packet.length, heard) === undefined) {
          check(
            heard.payloadBytes === packet.length - FRAME_HEADER_BYTES - FRAME_TRAILER_BYTES,
            "the payload has another size",
          );
          check(frameType(memory) === heard.type, `type ${heard.type}, read as ${frameType(memory)}`);
          check(heard.sequence < 4096 && heard.fragment < 16, `sequence ${heard.sequence}, fragment ${heard.fragment}`);
          // A beacon is not for a link: the node takes it.
          if (heard.type !== BEACON) {
            if (sends & OVERHEARS && heard.type === DROP) overhear(link, owner, heard, now);
            else link.receive(heard, now);
          }
        }
        if (sends & OTHER_LINK) airOnOtherLink(link, at, now);
        if (step & 0x80) owner.takeOver();
        if (moods & 0x80) link.setDone(!link.done);
        check(link.fragmentBytes === owner.fragmentBytes, "the link changed the size of its fragments");
        check(!Number.isNaN(link.deadline), "the deadline is no number");
        check(!link.sender.room.none || link.sender.room.scarce, "the peer has no room now, and always had room");
        check(!link.sender.lossy || link.sender.framesLost > 0, "a link that lost nothing is lossy");
        check(
          packet.every((byte, at) => memory[at] === byte),
          "the link changed a received frame",
        );
      }
      link.sender.abandon();
      check(link.sender.idle, "the sender gave up, and a message is still under way");
    },
    mend: mendFrames,
  };
}

/** The fragments of messages, and acknowledgements of each kind, also an empty one. */
function seeds(): Input[] {
  const inputs: Input[] = [];
  for (const type of MESSAGE_TYPES) {
    for (const [fragmentBytes, sends] of [
      [PAYLOAD_BYTES_V1, 2],
      [PAYLOAD_BYTES_V2, 10],
    ] as [number, number][]) {
      const packets = [fragments(type, 0, 2_000, fragmentBytes), fragments(type, 1, 40, fragmentBytes)].flat();
      inputs.push({ choices: Uint8Array.of(20, 2, sends, 0), packets });
      if (type === DROP)
        inputs.push({ choices: Uint8Array.of(20, 2, sends | OVERHEARS | OTHER_LINK | ROOMLESS, 0), packets });
    }
  }
  for (const [base, masks] of [
    [0, []],
    [0, [1, FINISHED, 3]],
    [2, [0, 1]],
  ] as [number, number[]][]) {
    inputs.push({
      choices: Uint8Array.of(20, 3, 7, 0),
      packets: [1, 2, 3].map((number) => acknowledgement(number, base, masks)),
    });
  }
  // The peer has no room for a long time, and once there is no message ready when the peer is asked.
  inputs.push({
    choices: Uint8Array.of(20, 6, 7 | ROOMLESS, 0),
    packets: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => acknowledgement(number, 2, [], 0)),
  });
  // Another link sends the same messages.
  inputs.push({
    choices: Uint8Array.of(20, 3, 7 | OTHER_LINK, 0),
    packets: [1, 2, 3, 4, 5, 6].map((number) => acknowledgement(number, 1, [number, 0x3ff])),
  });
  // The peer has all fragments of the only message, and does not finish it.
  inputs.push({
    choices: Uint8Array.of(1, 5, 7, 0),
    packets: [1, 2, 3, 4, 5].map((number) => acknowledgement(number, 0, [0x3ff])),
  });
  return inputs;
}

function fragments(type: number, sequence: number, bodyBytes: number, fragmentBytes: number): Uint8Array[] {
  const stream = new Uint8Array(MESSAGE_PREFIX_BYTES + bodyBytes);
  stream.set([bodyBytes, bodyBytes >>> 8, 0]);
  const packets: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += fragmentBytes) {
    const payload = stream.subarray(at, at + fragmentBytes);
    const last = at + fragmentBytes >= stream.length;
    const packet = new Uint8Array(FRAME_HEADER_BYTES + payload.length + FRAME_TRAILER_BYTES);
    packet.set(payload, FRAME_HEADER_BYTES);
    const fragment = packets.length;
    const header = { type, poll: last, sessionId: SESSION, sequence, fragment, shortIdLow: 1, shortIdHigh: 2 };
    sealFrame(packet, headerOf({ ...header, payloadBytes: payload.length }));
    packets.push(packet);
  }
  return packets;
}

function acknowledgement(number: number, base: number, masks: number[], credit = 2): Uint8Array {
  const ack = new Ack();
  Object.assign(ack, { number, base, window: 8, credit, kept: 0x10000, count: masks.length });
  ack.masks.set(masks);
  const packet = new Uint8Array(FRAME_HEADER_BYTES + ACK_PREFIX_BYTES + 2 * masks.length + FRAME_TRAILER_BYTES);
  const header = headerOf({ sessionId: SESSION });
  encodeAck(packet, ack, header);
  sealFrame(packet, header);
  return packet;
}

function load(defect?: Replacement): Promise<CoveredModules<Modules>> {
  const paths = ["link", "frame", "ack", "assembly"].map((name) => `modules/glacier/${name}.ts`);
  return CoveredModules.load<Modules>(paths, defect);
}

test.serial(
  "no frame makes a link throw, write out of bounds or finish what it never sent, and nearly every line ran",
  async (t) => {
    const modules = await load();
    nothingIsFound(
      t,
      { modules, target: targetOf(modules.exports), executions: EXECUTIONS },
      {
        paths: ["modules/glacier/"],
        // Only the pool of a node moves a message to another buffer (throwie.test.ts).
        uncalled: ["modules/glacier/assembly.ts: adopt"],
        unreachedMax: UNREACHED_MAX,
      },
    );
  },
);

test.serial("canary: the guided fuzz finds fragments past the buffer, and random bytes do not", async (t) => {
  const modules = await load({ find: " || start + payloadBytes > this.bytes.length", by: "" });
  onlyGuidedFinds(t, { modules, target: targetOf(modules.exports), executions: EXECUTIONS }, /offset is out of bounds/);
});
