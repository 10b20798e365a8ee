/**
 * The operations that `npm run bench -- xs` meters. Each function prepares one operation of a board, and returns a
 * function that performs it. The returned function may be called many times.
 */
import { dropId, shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import { Assembly } from "../../modules/glacier/assembly.ts";
import {
  decodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V1,
  Frame,
  FrameHeader,
  type FrameOf,
  frameType,
  PAYLOAD_BYTES_V1,
  sealFrame,
} from "../../modules/glacier/frame.ts";
import { DROP, type FrameType, type SessionType } from "../../modules/glacier/frame-type.ts";
import { Link } from "../../modules/glacier/link.ts";
import { MESSAGE_PREFIX_BYTES } from "../../modules/glacier/message.ts";
import type { Completion, Outgoing } from "../../modules/glacier/ports.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint } from "../../modules/rbsr/fingerprint.ts";
import { MESSAGE_SIZE_BYTES_MAX, Reconciler } from "../../modules/rbsr/reconciler.ts";
import { SaltedSet } from "../../modules/rbsr/salted-set.ts";
import type { Flash } from "../../modules/store/flash.ts";
import { Store } from "../../modules/store/store.ts";
import { settledKey } from "../../modules/temperature/rank.ts";
import { freshKey } from "../../modules/temperature/temperature.ts";
import { Admission } from "../../modules/throwie/admission.ts";
import { Offers } from "../../modules/throwie/offers.ts";
import type { Radio } from "../../modules/throwie/ports.ts";
import { RETAINED_BYTES } from "../../modules/throwie/retained.ts";
import { Throwie } from "../../modules/throwie/throwie.ts";
import { SeededRandom } from "../../sim/random.ts";
import { type Arrays, arraysOf } from "../array-bytes.ts";
import { headerOf } from "../frames.ts";
import { insertion } from "../insertion.ts";

const DROPS = 750;
const DIFFERENCES = 50;
const FLASH_BYTES = 448 * 4096;
const DROP_BYTES = 2048;
const FRAGMENTS = 10;
const BUFFERS = 4;
const NEIGHBOURS_DROPS = 20;
const CROWD = 50;
const BEACON_PAYLOAD_BYTES = 69;
const KEY_SPAN = 2 ** 30;

export type Operation = () => void;

const random = new SeededRandom(1, "operations");

function randomDrop(): Uint8Array {
  const drop = new Uint8Array(DROP_BYTES);
  random.fill(drop);
  return drop;
}

/** Flash in memory. Native code reads and programs a board's flash, so only the store's own work is to be metered. */
class NativeFlash implements Flash {
  readonly sizeBytes = FLASH_BYTES;
  readonly sectorSizeBytes = 4096;
  readonly programSizeBytes = 4;
  readonly #bytes = new Uint8Array(FLASH_BYTES).fill(0xff);

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    into.set(this.#bytes.subarray(address, address + lengthBytes), offset);
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#bytes.set(bytes.subarray(offset, offset + lengthBytes), address);
    return true;
  }

  eraseSector(sector: number): boolean {
    this.#bytes.fill(0xff, sector * this.sectorSizeBytes, (sector + 1) * this.sectorSizeBytes);
    return true;
  }

  sync(): void {}
}

function fragmentsOf(drop: Uint8Array): Uint8Array[] {
  const ends = Array.from({ length: FRAGMENTS }, (_, i) => (i + 1) * PAYLOAD_BYTES_V1 - MESSAGE_PREFIX_BYTES);
  return ends.map((end, i) => drop.subarray(ends[i - 1] ?? 0, end));
}

/** A sender that never runs out of Drops, and a receiver that discards them. Only the link's own work is metered. */
class Endless {
  readonly link = new Link(this, this);
  /** The Drop, cut into its fragments. So `read` makes no views, as on a board, where native code reads flash. */
  readonly #fragments = fragmentsOf(randomDrop());
  readonly #free = Array.from({ length: BUFFERS }, () => new Assembly());
  readonly waiting = true;
  readonly credit = BUFFERS;
  readonly window = 32;
  #number = 0;

  next(message: Outgoing): boolean {
    message.type = DROP;
    message.shortIdLow = ++this.#number;
    message.shortIdHigh = 1;
    message.bodyBytes = DROP_BYTES;
    message.claim = 0;
    return true;
  }

  read(_message: Outgoing, from: number, into: Uint8Array, offset: number): void {
    into.set(this.#fragments[((from + MESSAGE_PREFIX_BYTES) / PAYLOAD_BYTES_V1) | 0]!, offset);
  }

  finished(): void {}

  abandoned(): void {}

  wants(): boolean {
    return true;
  }

  assembly(frame: Frame, now: number): Assembly | undefined {
    const assembly = this.#free.pop();
    assembly?.begin(frame.shortIdLow, frame.shortIdHigh, PAYLOAD_BYTES_V1, now);
    return assembly;
  }

  owns(): boolean {
    return true;
  }

  complete(_type: number, assembly: Assembly): Completion {
    assembly.clear();
    this.#free.push(assembly);
    return "kept";
  }
}

/** Data frames and acknowledgements between two links. Each step of the exchange is a method of its own. */
class Conversation {
  readonly #sender = new Endless();
  readonly #receiver = new Endless();
  readonly #frame = new Frame() as FrameOf<SessionType>;
  readonly #header = new FrameHeader();
  readonly #out = new Uint8Array(FRAME_SIZE_BYTES_V1);
  #now = 0;
  #lengthBytes = 0;

  constructor() {
    this.#sender.link.begin(1, 0);
    this.#receiver.link.begin(1, 0);
  }

  send(): void {
    this.#now += 3;
    this.#lengthBytes = this.#sender.link.prepare(this.#out, this.#header, this.#now);
    if (this.#lengthBytes === 0) throw new Error("nothing to send");
    this.#sender.link.sent(this.#header, this.#now);
  }

  receive(): void {
    if (decodeFrame(this.#out, this.#lengthBytes, this.#frame) !== undefined) throw new Error("not a frame");
    const refusal = this.#receiver.link.receive(this.#frame, this.#now);
    if (refusal !== undefined) throw new Error(refusal);
  }

  /** Sends the receiver's acknowledgement, if the sender asked for one. */
  answer(): void {
    if (this.#receiver.link.answered) return;
    const lengthBytes = this.#receiver.link.prepare(this.#out, this.#header, this.#now);
    this.#receiver.link.sent(this.#header, this.#now);
    decodeFrame(this.#out, lengthBytes, this.#frame);
    this.#sender.link.receive(this.#frame, this.#now);
  }
}

/** Sends and receives all frames of one Drop, with the acknowledgements that the sender asks for. */
function dropOfFrames(): Operation {
  const conversation = new Conversation();
  return () => {
    for (let i = 0; i < FRAGMENTS; i++) {
      conversation.send();
      conversation.receive();
      conversation.answer();
    }
  };
}

/** A radio that takes `room` frames and is then full. It keeps the frames while `listening` is true. */
class Outbox implements Radio {
  readonly address: Uint8Array;
  readonly frameSizeBytesMax = 250;
  readonly receiveQueueFrames = 64;
  readonly frames: Uint8Array[] = [];
  room = 0;
  listening = true;

  constructor(number: number) {
    this.address = Uint8Array.of(2, 0, 0, 0, 0, number);
  }

  get full(): boolean {
    return this.room === 0;
  }

  send(frame: Uint8Array, lengthBytes: number): boolean {
    if (this.full) return false;
    this.room--;
    if (this.listening) this.frames.push(frame.slice(0, lengthBytes));
    return true;
  }
}

/** Two whole nodes in contact. The first has Drops for the second, and every frame that it sent is acknowledged. */
class Neighbours {
  readonly radios = [new Outbox(1), new Outbox(2)] as const;
  readonly nodes: readonly [Throwie, Throwie];
  readonly flashes = [new NativeFlash(), new NativeFlash()] as const;
  now = 0;

  /** `drops` is the number of Drops that the giver has. */
  constructor(drops: number) {
    const [giver, taker] = this.radios.map((radio, i) => {
      const store = new Store(this.flashes[i]!);
      store.mount();
      return new Throwie({ radio, clock: { now: () => this.now }, random, store });
    });
    this.nodes = [giver!, taker!];
    for (let i = 0; i < drops; i++) giver!.publish(randomDrop(), "own");
    while (taker!.store.count < 6) this.converse(1);
    this.converse(0);
  }

  /** Runs a turn of both nodes, in which the giver sends at most `giverFrames` frames. */
  converse(giverFrames: number): void {
    this.now += 3;
    for (let i = 0; i < 2; i++) {
      const radio = this.radios[i]!;
      radio.room = i === 0 ? giverFrames : 4;
      this.nodes[i]!.turn();
      for (const frame of radio.frames) this.nodes[1 - i]!.receive(frame, frame.length, radio.address);
      radio.frames.length = radio.room = 0;
    }
  }
}

/** Carries a frame of a Drop between whole nodes, and its answer. Includes both stores and verification. */
function frameCarried(): Operation {
  const neighbours = new Neighbours(DROPS);
  const [, taker] = neighbours.nodes;
  return () => {
    if (taker.store.count === DROPS) throw new Error("all Drops are across");
    neighbours.converse(1);
  };
}

/** The work of a node from "the radio has room" until the radio has taken a frame. */
function frameSent(): Operation {
  const neighbours = new Neighbours(NEIGHBOURS_DROPS);
  const [giver] = neighbours.nodes;
  const [radio] = neighbours.radios;
  // Sending and reading flash are native code on a board, so here they cost nothing.
  radio.listening = false;
  neighbours.flashes[0].read = () => {};
  return () => {
    neighbours.now += 3;
    radio.room = 1;
    giver.turn();
    if (radio.room > 0) throw new Error("nothing sent");
  };
}

/**
 * The work of a node from a received frame until its fragment is in a buffer. The last, shorter fragment of a Drop is
 * left out, because it also causes the store to insert the Drop.
 */
function frameReceived(): Operation {
  const neighbours = new Neighbours(NEIGHBOURS_DROPS);
  const [giver, taker] = neighbours.nodes;
  const [radio] = neighbours.radios;
  radio.room = 46;
  giver.turn();
  const frames = radio.frames.filter((frame) => frameType(frame) === DROP && frame.length === FRAME_SIZE_BYTES_V1);
  let next = 0;
  return () => {
    const frame = frames[next++]!;
    const { used } = taker.counters;
    taker.receive(frame, frame.length, radio.address);
    if (taker.counters.used === used) throw new Error("refused");
  };
}

/**
 * Chooses the next Drop to give, when every Drop of a full store is on offer. Includes the Drop's share of the search
 * for the hottest Drops.
 */
function dropChosen(): Operation {
  const store = new Store(new NativeFlash());
  store.mount();
  const drop = randomDrop();
  for (let i = 0; i < DROPS; i++) {
    store.insert(insertion(random.u32(), random.u32(), drop, { lengthBytes: 100, heatKey: random.below(KEY_SPAN) }));
    store.markVerified(store.lastSlot);
  }
  const offers = new Offers(store);
  for (let slot = 0; slot < DROPS; slot++) offers.add(slot);
  return () => {
    if (offers.take() < 0) throw new Error("nothing to give");
  };
}

/** A node of 750 Drops that has stored a Drop since it woke, with no peer in range. */
class Alone {
  readonly radio = new Outbox(9);
  readonly node: Throwie;
  now = 0;

  constructor(flash: Flash = flashOfAll()) {
    const store = new Store(flash);
    store.mount();
    this.radio.listening = false;
    this.node = new Throwie({ radio: this.radio, clock: { now: () => this.now }, random, store });
    // The node begins to clean its store after the first insert, as it does after a contact.
    if (this.node.publish(Uint8Array.of(1), "own") !== "stored") throw new Error("not stored");
  }

  turn(): void {
    this.radio.room = 1;
    this.now = this.node.turn();
  }
}

/** A node begins with its store, or goes on after a sleep in a crowd. */
function nodeBegun(resumes: boolean): Operation {
  const store = new Store(flashOfAll());
  store.mount();
  const options = { radio: new Outbox(9), clock: { now: () => 0 }, random, store };
  if (!resumes) return () => void new Throwie(options);
  const retained = new Uint8Array(RETAINED_BYTES);
  new Throwie(options).retain(retained);
  return () => void new Throwie({ ...options, retained });
}

function nodeRetained(): Operation {
  const { node } = new Alone();
  const retained = new Uint8Array(RETAINED_BYTES);
  return () => node.retain(retained);
}

/** A turn of a node in which nothing is due. */
function idleTurn(): Operation {
  const { node } = new Alone();
  return () => {
    node.turn();
  };
}

function beaconSent(): Operation {
  const alone = new Alone();
  // A node that is calm erases sectors ahead. This one has done so.
  for (let turns = 0; turns < 60; turns++) {
    alone.now += 1_200;
    alone.turn();
  }
  return () => {
    alone.now += 1_200;
    alone.turn();
    if (alone.radio.room > 0) throw new Error("no beacon");
  };
}

/** A node in a crowd hears the beacon of a neighbour whose set is equal to its own, and has a turn. */
function beaconHeard(): Operation {
  const flash = flashOfAll();
  const alone = new Alone(flash);
  const { node } = alone;
  const store = new Store(flash);
  store.mount();
  const header = headerOf({ payloadBytes: BEACON_PAYLOAD_BYTES });
  const beacons = Array.from({ length: CROWD }, (_, i) => {
    const frame = new Uint8Array(FRAME_SIZE_BYTES_V1);
    const fingerprint = new Fingerprint();
    const nonce = [random.u32(), random.u32()] as const;
    fingerprint.begin(...nonce);
    for (let slot = 0; slot < DROPS; slot++) fingerprint.add(store.idLow(slot), store.idHigh(slot));
    new DataView(frame.buffer).setUint32(FRAME_HEADER_BYTES, nonce[0], true);
    new DataView(frame.buffer).setUint32(FRAME_HEADER_BYTES + 4, nonce[1], true);
    fingerprint.write(frame, FRAME_HEADER_BYTES + BEACON_PAYLOAD_BYTES - FINGERPRINT_SIZE_BYTES);
    return { frame, lengthBytes: sealFrame(frame, header), from: Uint8Array.of(2, 0, 0, 0, 1, i) };
  });
  // A board's radio has one buffer.
  const heard = new Uint8Array(FRAME_SIZE_BYTES_V1);
  let next = 0;
  const hear = (): void => {
    const beacon = beacons[next]!;
    next = (next + 1) % CROWD;
    heard.set(beacon.frame);
    node.receive(heard, beacon.lengthBytes, beacon.from);
    node.turn();
    // Once in a round, so that the meter hardly sees this check.
    if (next === 0 && node.contacts > 0) throw new Error("a contact with a neighbour of the same set");
  };
  for (let i = 0; i < CROWD; i++) {
    alone.now += 1_000;
    alone.radio.room = 1;
    hear();
  }
  return hear;
}

/** Flash with 750 Drops of the largest size, all verified. */
export function flashOfAll(): Flash {
  const flash = new NativeFlash();
  const store = fullStore(flash);
  for (let slot = 0; slot < store.capacity; slot++) store.markVerified(slot);
  store.checkpoint(0);
  return flash;
}

/** A node on the given flash that has just opened a contact, and the typed arrays that its constructor allocated. */
export function nodeInContact(flash: Flash): { alone: object; arrays: Arrays } {
  let alone: Alone | undefined;
  const arrays = arraysOf(() => {
    alone = new Alone(flash);
  });
  const stranger = new Neighbours(NEIGHBOURS_DROPS);
  const [giver] = stranger.radios;
  giver.listening = true;
  stranger.now += 1_200;
  giver.room = 8;
  stranger.nodes[0].turn();
  for (const frame of giver.frames) alone!.node.receive(frame, frame.length, giver.address);
  if (alone!.node.contacts !== 1) throw new Error("no contact");
  alone!.turn();
  return { alone: alone!, arrays };
}

/** A whole node receives noise, and a frame of random type and content with a correct CRC, from one of 12 addresses. */
function noiseHeard(): Operation {
  const store = new Store(new NativeFlash());
  store.mount();
  let now = 0;
  const node = new Throwie({
    radio: {
      address: Uint8Array.of(2, 0, 0, 0, 0, 1),
      frameSizeBytesMax: 250,
      receiveQueueFrames: 48,
      full: false,
      send: () => true,
    },
    clock: { now: () => now },
    random,
    store,
  });
  const peers = Array.from({ length: 12 }, (_, i) => Uint8Array.of(2, 0, 0, 0, 1, i));
  const noise = new Uint8Array(250);
  const beacon = new Uint8Array(FRAME_SIZE_BYTES_V1);
  const header = headerOf({ payloadBytes: 69 });
  return () => {
    now += 3;
    const peer = peers[random.below(peers.length)]!;
    random.fill(noise);
    node.receive(noise, random.below(noise.length + 1), peer);
    random.fill(noise);
    for (let i = 0; i < 69; i++) beacon[FRAME_HEADER_BYTES + i] = noise[i]!;
    const typeAndPoll = 1 + random.below(15);
    header.type = (typeAndPoll & 7) as FrameType;
    header.poll = typeAndPoll > 7;
    header.sessionId = random.below(3);
    header.sequence = random.below(9);
    node.receive(beacon, sealFrame(beacon, header), peer);
    node.turn();
  };
}

/** The reconciliation of two sets, both sides, with salting. Each side takes about half of the work. */
function reconciliation(): Operation {
  const sides = [0, 1].map(() => ({
    set: new SaltedSet(DROPS),
    reconciler: new Reconciler({ capacity: DROPS }),
    out: new Uint8Array(MESSAGE_SIZE_BYTES_MAX),
    ids: new Uint32Array(2 * DROPS),
  }));
  const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]];
  for (let i = 0; i < 2 * DROPS; i++) a.ids[i] = b.ids[i] = random.u32();
  for (let i = 0; i < DIFFERENCES; i++) b.ids[i] = random.u32();
  return () => {
    for (const { set, ids } of sides) {
      set.begin(1, 2);
      for (let item = 0; item < DROPS; item++) set.add(ids[2 * item]!, ids[2 * item + 1]!, item);
      set.seal();
    }
    b.reconciler.respondTo(b.set);
    let lengthBytes = a.reconciler.initiate(a.set, DIFFERENCES, a.out, DROPS);
    for (let [from, to] = [a, b]; lengthBytes > 0; [from, to] = [to, from]) {
      lengthBytes = to.reconciler.receive(from.out, 0, lengthBytes, to.out);
    }
    if (a.reconciler.haveCount !== DIFFERENCES / 2) throw new Error(`${a.reconciler.haveCount} differences`);
  };
}

/** A store of 750 Drops of the largest size, inserted in an order that does not depend on their heat. */
function fullStore(flash: Flash = new NativeFlash()): Store {
  const store = new Store(flash);
  store.mount();
  const drop = randomDrop();
  for (let number = 0; store.count < store.capacity; number++) {
    store.insert(insertion(number, random.u32(), drop, { heatKey: random.below(KEY_SPAN) }));
  }
  return store;
}

/**
 * Offers a full store a Drop that is colder than all of its own. Admission searches for the Drop that dies first, and
 * refuses. It does nothing else.
 */
function coldestChosen(): Operation {
  const admission = new Admission(fullStore(), 0);
  const colder = insertion(0xffff_ffff, 1, randomDrop(), { heatKey: -2 });
  return () => {
    if (admission.nameVictim(colder) !== "colder") throw new Error("not colder");
  };
}

function storeMounted(): Operation {
  const flash = new NativeFlash();
  fullStore(flash);
  const store = new Store(flash);
  return () => {
    if (store.mount() !== "mounted" || store.count !== DROPS) throw new Error("not mounted");
  };
}

/** Inserts a Drop into a full store, so that each insert costs an eviction and a share of the cleaning. */
function dropInserted(): Operation {
  const store = new Store(new NativeFlash());
  store.mount();
  // Only the mount that formats a partition knows that its sectors are erased.
  store.mount();
  const admission = new Admission(store, 0);
  // One record for all, as a node has it.
  const record = insertion(0, 0, randomDrop());
  let number = 0;
  const insert = (): void => {
    number++;
    record.shortIdLow = number;
    record.shortIdHigh = random.u32();
    record.heatKey = settledKey(freshKey(number));
    record.now = number;
    const outcome = admission.nameVictim(record) ?? store.insert(record);
    if (outcome !== "stored") throw new Error(outcome);
  };
  while (store.count < store.capacity) insert();
  return insert;
}

function dropFound(): Operation {
  const store = new Store(new NativeFlash());
  store.mount();
  const drop = randomDrop();
  const ids = Array.from({ length: DROPS }, () => [random.u32(), random.u32()] as const);
  for (const [low, high] of ids) store.insert(insertion(low, high, drop, { lengthBytes: 100, heatKey: freshKey(0) }));
  let next = 0;
  return () => {
    const [low, high] = ids[next++ % DROPS]!;
    if (store.find(low, high) < 0) throw new Error("not found");
  };
}

function dropHashed(): Operation {
  const drop = randomDrop();
  return () => {
    const id = dropId(drop);
    if (shortIdLow(id) === 0 && shortIdHigh(id) === 0) throw new Error("a hash of zeros");
  };
}

export const OPERATIONS: Record<string, () => Operation> = {
  frameCarried,
  frameSent,
  frameReceived,
  idleTurn,
  beaconSent,
  beaconHeard,
  nodeBegun: () => nodeBegun(false),
  nodeResumed: () => nodeBegun(true),
  nodeRetained,
  dropChosen,
  dropOfFrames,
  noiseHeard,
  reconciliation,
  dropInserted,
  dropFound,
  coldestChosen,
  storeMounted,
  dropHashed,
};
