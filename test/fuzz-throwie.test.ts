/**
 * The air may bring any bytes. This coverage-guided fuzz feeds them to `Throwie.receive`: a node with Drops of its own
 * hears frames from three addresses, time passes, and the node does what is due in between. The seeds are the frames
 * that an honest peer sent in whole contacts, in which one of the two nodes or both had Drops that the other lacked.
 *
 * fuzz/fuzzer.ts says how to replay a finding and how to run longer.
 */
import test from "ava";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import type { Assembly } from "../modules/glacier/assembly.ts";
import { FRAME_SIZE_BYTES_V1, FRAME_SIZE_BYTES_V2 } from "../modules/glacier/frame.ts";
import { BEACON } from "../modules/glacier/frame-type.ts";
import { MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import type { Contact } from "../modules/throwie/contact.ts";
import { type FlashImage, NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { headerOf } from "./frames.ts";
import { CoveredModules, type Replacement } from "./fuzz/coverage.ts";
import { mendFrames } from "./fuzz/frames.ts";
import { executionsOf, type Target } from "./fuzz/fuzzer.ts";
import type { Input } from "./fuzz/input.ts";
import { nothingIsFound, onlyGuidedFinds } from "./fuzz/verdict.ts";

const EXECUTIONS = executionsOf(8_000);
/**
 * How many lines of modules/throwie may stay unreached, of about 1,900. Half of them serve the functions in
 * NOT_BY_FRAMES, and restarts. Each version of V8 counts a class's fields in another way, so this is no share.
 */
const UNREACHED_MAX = 126;
const BEACON_PAYLOAD_BYTES = 69;
const FLASH_BYTES = 32 * 4096;
const CAPACITY = 24;
/** Functions that need worn flash or a fifth peer. test/admission.test.ts and test/flood.test.ts run them. */
const NOT_BY_FRAMES = [
  "modules/throwie/admission.ts: recount",
  "modules/throwie/patience.ts: stagnates",
  "modules/throwie/contact.ts: get lingers",
  "modules/throwie/contacts.ts: get lingering",
];
/** Bits of the first choice that make a crowded store (modules/throwie/admission.ts). */
const CROWDED = 24;
/** The bit with which the node of a crowded store started anew. */
const RESTARTED = 32;
/** How many frames the radio takes before it is full. It stays full until the next turn. */
const RADIO_FRAMES = 4;
const OWN_ADDRESS = Uint8Array.of(2, 0, 0, 0, 0, 3);
/** The addresses of a lower peer and of a higher peer, and the node's own address. */
const ADDRESSES = [Uint8Array.of(2, 0, 0, 0, 0, 2), Uint8Array.of(2, 0, 0, 0, 0, 4), OWN_ADDRESS];
/** Milliseconds that pass between packets. */
const STEPS_MS = [1, 5, 20, 60, 200, 3_000, 86_400_000, 900];
/** The place of a step with which a recorded contact lasts for several tokens. */
const TURNS_STEP = 7;
const RECORDED_PACKETS = 56;

type Modules = typeof import("../modules/throwie/throwie.ts") &
  typeof import("../modules/throwie/contacts.ts") &
  typeof import("../modules/throwie/retained.ts") &
  typeof import("../modules/store/store.ts") &
  typeof import("../modules/glacier/frame.ts");

const images = new Map<Modules, FlashImage>();

/** The flash of a new, empty store. Formatting it for each execution took a third of the time. */
function formatted(modules: Modules): FlashImage {
  let image = images.get(modules);
  if (image === undefined) {
    const flash = new NorFlash({ sizeBytes: FLASH_BYTES });
    new modules.Store(flash, CAPACITY).mount();
    image = flash.snapshot();
    images.set(modules, image);
  }
  return image;
}

function check(right: boolean, wrong: string): void {
  if (!right) throw new Error(wrong);
}

/** A node whose radio, clock and random numbers belong to the test. */
class Subject {
  now = 0;
  /** The frames that the node has sent since the test last emptied this list. */
  sent: Uint8Array[] = [];
  node: InstanceType<Modules["Throwie"]>;
  readonly store: InstanceType<Modules["Store"]>;
  readonly #frame: InstanceType<Modules["Frame"]>;
  readonly #modules: Modules;
  readonly #boot: (retained: Uint8Array) => InstanceType<Modules["Throwie"]>;

  constructor(modules: Modules, address: Uint8Array, frameSizeBytesMax: number, drops: Uint8Array[]) {
    this.#modules = modules;
    this.#frame = new modules.Frame();
    const flash = new NorFlash({ sizeBytes: FLASH_BYTES });
    flash.restore(formatted(modules));
    this.store = new modules.Store(flash, CAPACITY);
    this.store.mount();
    const sent = () => this.sent.length;
    this.#boot = (retained) =>
      new modules.Throwie({
        radio: {
          address,
          frameSizeBytesMax,
          receiveQueueFrames: 8,
          get full() {
            return sent() >= RADIO_FRAMES;
          },
          send: (frame, lengthBytes) => this.#send(frame, lengthBytes, frameSizeBytesMax),
        },
        clock: { now: () => this.now },
        random: new SeededRandom(address[5]!, "fuzz"),
        store: this.store,
        retained,
      });
    // After a power cut, the memory that outlives a sleep holds anything.
    this.node = this.#boot(new Uint8Array(modules.RETAINED_BYTES).fill(1));
    for (const drop of drops) this.node.publish(drop, "own");
  }

  #send(frame: Uint8Array, lengthBytes: number, frameSizeBytesMax: number): boolean {
    if (this.sent.length >= RADIO_FRAMES) return false;
    check(lengthBytes <= frameSizeBytesMax, `sent ${lengthBytes} bytes`);
    check(
      this.#modules.decodeFrame(frame, lengthBytes, this.#frame) === undefined,
      "the node sent bytes that are no frame",
    );
    this.sent.push(frame.slice(0, lengthBytes));
    return true;
  }

  /**
   * Fills the store with Drops that were carried, and then with newcomers. The owner writes what is carried already,
   * and another Drop while all are being read. Then either the node sleeps and wakes, or the owner takes a newcomer
   * out.
   */
  crowd(restarts: boolean): void {
    for (let number = 0; number < CAPACITY; number++) {
      this.node.publish(Uint8Array.of(1, number), "wire");
      for (let times = 0; times < 3; times++) this.node.custody.warm(this.store.lastSlot);
    }
    for (let number = 0; number < CAPACITY; number++) this.#keep(Uint8Array.of(2, number));
    // This one died for a newcomer.
    this.#keep(Uint8Array.of(2, 0));
    this.node.publish(Uint8Array.of(1, CAPACITY - 1), "own");
    for (let slot = 0; slot < CAPACITY; slot++) this.store.pin(slot);
    for (const origin of ["wire", "own"] as const) this.node.publish(Uint8Array.of(3, 0), origin);
    for (let slot = 0; slot < CAPACITY; slot++) this.store.unpin(slot);
    if (restarts) {
      // A neighbour without Drops was heard.
      const beacon = new Uint8Array(FRAME_SIZE_BYTES_V1);
      const header = headerOf({ type: BEACON, payloadBytes: BEACON_PAYLOAD_BYTES });
      this.node.receive(beacon, this.#modules.sealFrame(beacon, header), ADDRESSES[0]!);
      const retained = new Uint8Array(this.#modules.RETAINED_BYTES);
      this.node.checkpoint();
      this.node.retain(retained);
      this.store.mount();
      this.node = this.#boot(retained);
    } else {
      const removed = dropId(Uint8Array.of(2, CAPACITY - 1));
      this.node.remove(shortIdLow(removed), shortIdHigh(removed));
    }
  }

  /** The Drop came whole from a peer whose contact has a token. */
  #keep(drop: Uint8Array): void {
    const id = dropId(drop);
    const bytes = Uint8Array.of(...new Uint8Array(MESSAGE_PREFIX_BYTES), ...drop);
    const assembly = { shortIdLow: shortIdLow(id), shortIdHigh: shortIdHigh(id), bytes, bodyBytes: 2, claim: 128 };
    const contact = { tokens: 1, countMoved() {}, spendToken() {} };
    this.node.custody.keep(assembly as unknown as Assembly, ADDRESSES[0]!, contact as unknown as Contact);
  }

  turn(): void {
    const next = this.node.turn();
    check(next > this.now, `the next turn is due at ${next}, which is not after ${this.now}`);
  }
}

/** Drops of several sizes, from one fragment to many. */
function dropsOf(stream: string): Uint8Array[] {
  const random = new SeededRandom(1, stream);
  return [40, 300, 2_048, 9, 1_000].map((bytes) => {
    const drop = new Uint8Array(bytes);
    random.fill(drop);
    return drop;
  });
}

function subjectOf(modules: Modules, choices: Uint8Array): Subject {
  const subject = new Subject(
    modules,
    OWN_ADDRESS,
    choices[0]! & 1 ? 1_470 : 250,
    choices[0]! & 2 ? dropsOf("own") : [],
  );
  if ((choices[0]! & CROWDED) === CROWDED) subject.crowd((choices[0]! & RESTARTED) !== 0);
  return subject;
}

/** Records the packets that an honest peer sent. A packet is empty where the peer had nothing to send. */
function recorded(modules: Modules, choices: Uint8Array): Input {
  const subject = subjectOf(modules, choices);
  const peer = new Subject(modules, ADDRESSES[choices[1]!]!, 1_470, choices[0]! & 4 ? dropsOf("peer") : []);
  const packets: Uint8Array[] = [];
  const onAir: Uint8Array[] = [];
  subject.turn();
  for (let packet = 0; packet < RECORDED_PACKETS; packet += 1) {
    for (const frame of subject.sent.splice(0)) peer.node.receive(frame, frame.length, OWN_ADDRESS);
    peer.turn();
    onAir.push(...peer.sent.splice(0));
    const next = onAir.shift() ?? new Uint8Array(0);
    packets.push(next);
    pass(subject, choices, next);
    peer.now = subject.now;
  }
  return { choices, packets };
}

/** Records as above what two honest peers sent that met the node at once, by turns. */
function recordedTogether(modules: Modules, ends: number, step: number): Input {
  const choices = Uint8Array.of(ends, 0, step, 2);
  const subject = subjectOf(modules, choices);
  const drops = ends & 4 ? dropsOf("peer") : [];
  // The higher peer sends the packets with an even index.
  const peers = [1, 0].map((address) => ({ node: new Subject(modules, ADDRESSES[address]!, 1_470, drops), address }));
  const onAir: Uint8Array[][] = [[], []];
  const packets: Uint8Array[] = [];
  subject.turn();
  for (let packet = 0; packet < RECORDED_PACKETS; packet += 1) {
    const heard = subject.sent.splice(0);
    for (const [at, { node }] of peers.entries()) {
      for (const frame of heard) node.node.receive(frame, frame.length, OWN_ADDRESS);
      node.turn();
      onAir[at]!.push(...node.sent.splice(0));
    }
    const next = onAir[packet % 2]!.shift() ?? new Uint8Array(0);
    packets.push(next);
    pass(subject, Uint8Array.of(ends, peers[packet % 2]!.address, step), next);
    for (const { node } of peers) node.now = subject.now;
  }
  return { choices, packets };
}

/** Two contacts at once: the frames of a lower and of a higher peer by turns. The lower is `early` frames ahead. */
function together(lower: Input, higher: Input, early: number): Input {
  const packets = lower.packets.slice(early).flatMap((packet, at) => [higher.packets[at]!, packet]);
  return { choices: Uint8Array.of(lower.choices[0]!, 0, lower.choices[2]!, 2), packets };
}

/** The time of one packet passes, the node hears the packet, and the node does what is due. */
function pass(subject: Subject, choices: Uint8Array, packet: Uint8Array): void {
  subject.now += STEPS_MS[choices[2]! % STEPS_MS.length]!;
  subject.node.receive(packet, packet.length, ADDRESSES[choices[1]! % ADDRESSES.length]!);
  subject.turn();
}

function targetOf(modules: Modules): Target {
  const seeds: Input[] = [];
  for (const ends of [2, 4, 6, 7, CROWDED | 4, CROWDED | RESTARTED | 4]) {
    for (const address of [0, 1]) {
      for (const step of [2, 3]) seeds.push(recorded(modules, Uint8Array.of(ends, address, step, 0)));
    }
  }
  for (const [lower, higher] of [
    [0, 2],
    [4, 6],
    [8, 10],
    [12, 14],
  ]) {
    seeds.push(...[0, 1, 3, 5].map((early) => together(seeds[lower!]!, seeds[higher!]!, early)));
  }
  for (const ends of [2, 3, 4, 6]) seeds.push(recordedTogether(modules, ends, 2), recordedTogether(modules, ends, 4));
  // A peer of a crowded store waits for its turns.
  for (const ends of [CROWDED | 4, CROWDED | RESTARTED | 4]) {
    for (const address of [0, 1]) seeds.push(recorded(modules, Uint8Array.of(ends, address, TURNS_STEP, 0)));
  }
  return {
    seeds,
    name: "fuzz-throwie",
    packetBytesMax: FRAME_SIZE_BYTES_V2 + 8,
    run({ choices, packets }) {
      const subject = subjectOf(modules, choices);
      subject.turn();
      for (const [at, packet] of packets.entries()) {
        subject.sent.length = 0;
        const before = packet.slice();
        const otherAddress = choices[3]! > 0 && at % choices[3]! === 0;
        pass(subject, otherAddress ? Uint8Array.of(choices[0]!, choices[1]! + 1, choices[2]!) : choices, packet);
        check(
          packet.every((byte, index) => byte === before[index]),
          "the node changed a received frame",
        );
        check(subject.node.contacts <= modules.CONTACTS_MAX, `${subject.node.contacts} contacts`);
      }
      const counted = Object.values(subject.node.counters).reduce((sum, count) => sum + count, 0);
      check(counted === packets.length, `${counted} of ${packets.length} frames are accounted for`);
      check(subject.node.unverified <= subject.store.count, `${subject.node.unverified} Drops to verify`);
      check(subject.store.count <= CAPACITY, `${subject.store.count} Drops`);
      const { epoch } = subject.node;
      check(epoch === (epoch | 0), `epoch ${epoch}`);
    },
    mend: mendFrames,
  };
}

function load(defect?: Replacement): Promise<CoveredModules<Modules>> {
  const paths = ["throwie/throwie", "throwie/retained", "throwie/contacts", "store/store", "glacier/frame"].map(
    (name) => `modules/${name}.ts`,
  );
  return CoveredModules.load<Modules>(paths, defect);
}

test.serial("no frame makes a node throw, write out of bounds or lose count, and nearly every line ran", async (t) => {
  const modules = await load();
  nothingIsFound(
    t,
    { modules, target: targetOf(modules.exports), executions: EXECUTIONS },
    {
      paths: ["modules/throwie/"],
      uncalled: NOT_BY_FRAMES,
      unreachedMax: UNREACHED_MAX,
    },
  );
});

test.serial("canary: only the guided fuzz finds fragments past the buffer within a contact", async (t) => {
  const modules = await load({ find: " || start + payloadBytes > this.bytes.length", by: "" });
  onlyGuidedFinds(t, { modules, target: targetOf(modules.exports), executions: EXECUTIONS }, /offset is out of bounds/);
});
