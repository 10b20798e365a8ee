/**
 * The node: a Throwie, a Mule and the radio side of a gateway are all this one class (docs/protocol.md, "Contacts").
 *
 * Nodes meet by chance, for seconds, over a radio that anyone may use. In that time they must exchange the Drops that
 * each of them lacks, on a board with little memory, and whatever strangers send.
 *
 * The node is sans-I/O. The host gives it ports and a mounted store, and gives it every frame that the radio hears
 * (`receive`). The host calls `turn` at the start, at the time that the last `turn` returned, after `receive`, and when
 * the radio has room again. The node sends beacons. When it hears the beacon of a peer whose set differs from its own,
 * it opens a contact. The two nodes reconcile their sets, and each sends the Drops that the other lacks, hottest first.
 * CONTACTS_MAX contacts may run at once.
 *
 * Invariants:
 * - Everything is bounded, and allocated in the constructor.
 * - A frame that the node cannot use adds one to the counter that is named after the reason, and does nothing else. No
 *   bytes from the air make the node throw.
 * - A peer hears that a Drop is kept only when the Drop is durable.
 *
 * The node refuses to serve a Drop whose hash it has not checked.
 */
import {
  decodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V1,
  FRAME_SIZE_BYTES_V2,
  Frame,
  FrameHeader,
  type FrameOf,
  type FrameRefusal,
} from "../glacier/frame.ts";
import { BEACON, DROP, FRAME_TYPES, type FrameType } from "../glacier/frame-type.ts";
import type { LinkRefusal } from "../glacier/link.ts";
import { MESSAGE_PREFIX_BYTES } from "../glacier/message.ts";
import type { Store } from "../store/store.ts";
import { HALF_LIFE_MS_DEFAULT } from "../temperature/temperature.ts";
import type { Obstacle } from "./admission.ts";
import { Assemblies } from "./assemblies.ts";
import { Beacons } from "./beacons.ts";
import type { ContactOwner } from "./contact.ts";
import { Contacts } from "./contacts.ts";
import { Custody } from "./custody.ts";
import { Dice } from "./dice.ts";
import { Effort } from "./effort.ts";
import { type NodeEvents, SILENT } from "./events.ts";
import { Falsehoods } from "./falsehoods.ts";
import { Meetings, type Obstruction } from "./meetings.ts";
import { Overhearing } from "./overhearing.ts";
import { ADDRESS_BYTES, type Clock, type MacAddress, type Radio, type Random, sameAddress } from "./ports.ts";
import { Reconciliation } from "./reconciliation.ts";
import { Retained } from "./retained.ts";
import { Verification } from "./verification.ts";

const BEACON_INTERVAL_MS_DEFAULT = 1_000;
/** An hour. A node that beacons more rarely meets nobody. */
const BEACON_INTERVAL_MS_MAX = 3_600_000;
/**
 * Milliseconds from one upkeep of the store to the next while a contact is open. Without a contact, each turn does the
 * upkeep.
 */
const UPKEEP_INTERVAL_MS = 10_000;
/** How long the node waits for a full radio that does not call when it has room. Several frames at 1 Mbit/s. */
const RADIO_PATIENCE_MS = 20;
/** Where the body of an OPEN begins in its first frame. */
const OPEN_BODY_AT = FRAME_HEADER_BYTES + MESSAGE_PREFIX_BYTES;
const BROADCAST: MacAddress = /* @__PURE__ */ new Uint8Array(ADDRESS_BYTES).fill(0xff);

/** Why a frame was not used. `counters` has a counter for each reason and for `used`, and so counts every frame. */
export type Refusal = FrameRefusal | LinkRefusal | Obstruction | "echo" | "beacon" | "session";

/** The ports of a node, and its settings. */
export interface ThrowieOptions {
  /** The radio of this node. No other node may use it. */
  radio: Radio;
  /** The only clock of the node. */
  clock: Clock;
  /** The source of nonces and salts. A stranger who can guess them can hide Drops from reconciliation. */
  random: Random;
  /** A mounted store. The node becomes its only writer. A host may read the store between two calls of the node. */
  store: Store;
  /** Where the node reports what happens. Without this option it reports nothing. */
  events?: NodeEvents;
  /** Milliseconds from one beacon to the next: whole, 1 to BEACON_INTERVAL_MS_MAX. 1,000 without this option. */
  beaconIntervalMs?: number;
  /**
   * Whether the first beacon goes out at once: for a board that just woke, and has little time. Otherwise the first
   * beacon goes out at a random moment of the first interval, because after a power cut many nodes start together.
   */
  beaconAtOnce?: boolean;
  /** In how many milliseconds a Drop cools by half: the same in the whole town. A week without this option. */
  halfLifeMs?: number;
  /**
   * Heat time at which the clock was 0, for a clock that went on while the node was off: the node's earlier `epoch`.
   * Without this option, heat time continues from the last heat time that the store recorded, as if no time had passed.
   */
  epoch?: number;
  /**
   * For a clock that went on while the node was off: the RETAINED_BYTES that the node's earlier `retain` filled. Bytes
   * that do not fit are ignored: damaged, of another version, of another store, or from before its last change.
   */
  retained?: Uint8Array;
  /** How Drops and their acknowledgements travel (docs/protocol.md, "How a link works"). */
  cast?: Cast;
}

/**
 * How a node sends Drops and their acknowledgements. broadcast: the radio sends each frame once, and the link repeats
 * lost frames. unicast: after each frame the radio waits for an acknowledgement of the peer's radio, which costs an
 * eighth of the air. It repeats frames that were not acknowledged, and backs off where the air is crowded.
 */
export type Cast = "broadcast" | "unicast";

/**
 * What became of a Drop that did not come by air. "stored": it is in the store. "known": it was in the store before.
 * "colder": the store is full of warmer Drops. "busy": the store is full, and every Drop that could die is being sent
 * just now. "flash": no sector could be written.
 */
export type PublishOutcome = "stored" | "known" | "flash" | Obstacle;

/**
 * A node (docs/protocol.md, "Contacts"; docs/embedding.md). A host calls `turn`, `receive`, `publish` and `checkpoint`,
 * one at a time and never from inside a port or an event. Times are milliseconds of the host's clock. An error that a
 * port throws passes through to the host. The node must not be used after that: make a new node on the same flash.
 */
export class Throwie implements ContactOwner {
  /** The store that the host gave. */
  readonly store: Store;
  /** The buffers for messages that are not yet whole. Contacts use them. */
  readonly assemblies = new Assemblies();
  /** The workspace for the one reconciliation at a time. Contacts use it. */
  readonly reconciliation: Reconciliation;
  /** What contacts that go on at once share. Contacts use it. */
  readonly sharing: Overhearing;
  /** The Drops of this node. Contacts use it. */
  readonly custody: Custody;
  /** Where the node reports what happens. */
  readonly events: NodeEvents;
  /** What the node has computed since the constructor. */
  readonly effort = new Effort();
  /** Frames that were received since the constructor, by what became of them. */
  readonly counters: Record<"used" | Refusal, number> = {
    used: 0,
    short: 0,
    long: 0,
    magic: 0,
    version: 0,
    crc: 0,
    type: 0,
    echo: 0,
    beacon: 0,
    session: 0,
    busy: 0,
    tie: 0,
    repeat: 0,
    ahead: 0,
    room: 0,
    misfit: 0,
    changed: 0,
    ack: 0,
    overtaken: 0,
  };
  readonly #radio: Radio;
  readonly #clock: Clock;
  readonly #beacons: Beacons;
  readonly #verification: Verification;
  readonly #falsehoods: Falsehoods;
  readonly #contacts: Contacts;
  readonly #meetings: Meetings;
  readonly #frameIn = new Frame();
  readonly #frameOut: Uint8Array;
  /** The header of the frame in `#frameOut`, if a contact made the frame. */
  readonly #headerOut = new FrameHeader();
  readonly #cast: Cast;
  #upkeepMs = 0;
  /** What the last turn returned. */
  #dueMs = 0;
  /**
   * Until then a turn has nothing to do, unless something but beacons comes. In a crowd the beacons of neighbours that
   * hold the same Drops bring 50 turns a second.
   */
  #idleUntilMs = 0;
  #sentLast = 0;

  /**
   * Allocates all memory that the node ever uses. Throws an Error for a radio whose largest frame is smaller than
   * FRAME_SIZE_BYTES_V1, for a half-life that `heatTime` refuses, and for a beacon interval out of its range.
   */
  constructor(options: ThrowieOptions) {
    const { frameSizeBytesMax } = options.radio;
    if (!(frameSizeBytesMax >= FRAME_SIZE_BYTES_V1)) {
      throw new Error(
        `throwie: the radio takes frames of ${frameSizeBytesMax} bytes, a node needs ${FRAME_SIZE_BYTES_V1}`,
      );
    }
    const { beaconIntervalMs = BEACON_INTERVAL_MS_DEFAULT } = options;
    if (!(beaconIntervalMs >= 1 && beaconIntervalMs <= BEACON_INTERVAL_MS_MAX) || beaconIntervalMs % 1 !== 0) {
      throw new Error(`throwie: a beacon interval is 1 to ${BEACON_INTERVAL_MS_MAX} whole milliseconds`);
    }
    const { store, radio, clock, random } = options;
    const { assemblies, effort } = this;
    this.store = store;
    this.events = options.events ?? SILENT;
    this.#radio = radio;
    this.#clock = clock;
    this.#cast = options.cast ?? "broadcast";
    const takesV2 = frameSizeBytesMax >= FRAME_SIZE_BYTES_V2;
    this.#frameOut = new Uint8Array(takesV2 ? FRAME_SIZE_BYTES_V2 : FRAME_SIZE_BYTES_V1);
    const retained = Retained.of(options.retained, store, clock.now());
    const dice = new Dice(random);
    const beacons = new Beacons({
      ...{ store, random, dice, effort, takesV2 },
      intervalMs: beaconIntervalMs,
      now: clock.now(),
      atOnce: options.beaconAtOnce ?? false,
      resumes: retained !== undefined,
    });
    const reconciliation = new Reconciliation({
      ...{ store, assemblies, random, takesV2, effort },
      beaconNonce: beacons.nonce,
    });
    const verification = new Verification(store, effort);
    const falsehoods = new Falsehoods(store.capacity);
    const contacts = new Contacts(this);
    const sharing = new Overhearing(contacts, this.#cast === "broadcast");
    const { events } = this;
    const custody = new Custody({
      ...{ store, clock, events, beacons, contacts, sharing, verification, falsehoods },
      halfLifeMs: options.halfLifeMs ?? HALF_LIFE_MS_DEFAULT,
      epoch: options.epoch,
    });
    this.reconciliation = reconciliation;
    this.sharing = sharing;
    this.custody = custody;
    this.#beacons = beacons;
    this.#verification = verification;
    this.#falsehoods = falsehoods;
    this.#contacts = contacts;
    this.#meetings = new Meetings({
      ...{ radio, dice, store, events, beacons, assemblies, reconciliation, contacts, sharing, custody, falsehoods },
    });
    if (retained !== undefined) {
      this.#carry(retained);
      if (retained.ofEarlierDay(clock.now())) beacons.renew(random);
    }
  }

  // Calls of the host

  /**
   * Take the frame `bytes[0 .. lengthBytes)` that the radio heard from the address `from`. The node only reads both
   * buffers, and only during the call. No bytes make this call throw: a frame that is not used adds one to a counter.
   * The host calls `turn` afterwards.
   */
  receive(bytes: Uint8Array, lengthBytes: number, from: MacAddress): void {
    this.effort.received++;
    this.counters[this.#receive(bytes, lengthBytes, from) ?? "used"]++;
  }

  /**
   * Do the work that is due. Returns when to call again at the latest, in clock milliseconds. That is later than now.
   */
  turn(): number {
    const now = this.#clock.now();
    if (now < this.#idleUntilMs) return this.#dueMs;
    const { custody } = this;
    this.effort.turns++;
    if (this.contacts > 0) this.#meetings.review(now);
    const roomLeft = this.#transmit(now);
    if (custody.verify(now)) this.#meetings.shun(now);
    const alone = this.contacts === 0;
    if (alone || now >= this.#upkeepMs) {
      this.#upkeepMs = now + UPKEEP_INTERVAL_MS;
      custody.keepUp(now);
    }
    const cleaning = alone && custody.clean(now);
    custody.recount();
    if (cleaning) return now + 1;
    if (!roomLeft) return now + RADIO_PATIENCE_MS;
    this.#dueMs = Math.max(Math.min(this.#beacons.dueMs, this.#contacts.deadline, this.#verification.dueMs), now + 1);
    if (alone) this.#idleUntilMs = Math.min(this.#dueMs, custody.calmMs, this.#upkeepMs);
    return this.#dueMs;
  }

  /**
   * Store a Drop that did not come by air. "own": a person wrote the Drop at this node, so it is as warm as one
   * movement makes it, and is protected (own-drops.ts). "wire": the Drop came from a gateway's overlay. Nobody has
   * carried it, so it starts cold. Throws an Error unless the Drop has 1 to 2,048 bytes. The bytes are only read, and
   * only during the call. "stored" means that the Drop is durable.
   */
  publish(drop: Uint8Array, origin: "own" | "wire"): PublishOutcome {
    this.#idleUntilMs = 0;
    return this.custody.publish(drop, origin);
  }

  /** Take the Drop with this ShortId out of the store, as its person asks. False: there is no such Drop. */
  remove(low: number, high: number): boolean {
    this.#idleUntilMs = 0;
    return this.custody.remove(low, high);
  }

  /** Write the heat keys that are only in RAM to flash. A host calls this before it sleeps or stops. */
  checkpoint(): void {
    this.custody.checkpoint();
  }

  /**
   * Fill RETAINED_BYTES with the state that outlives a sleep beside flash, clock and `epoch`. A host calls this last
   * before it sleeps, and gives the bytes to the next node, once.
   */
  retain(into: Uint8Array): void {
    const over = new Retained(into, true);
    this.#carry(over);
    over.seal(this.store, this.#clock.now());
  }

  /** Each part carries its state over a sleep, in the same order both ways. */
  #carry(over: Retained): void {
    this.custody.carry(over);
    this.#meetings.carry(over);
    this.#falsehoods.carry(over);
    this.#beacons.carry(over);
  }

  /** Heat time at which the clock was 0: a signed 32-bit integer. A host keeps it where it keeps its clock. */
  get epoch(): number {
    return this.custody.epoch;
  }

  /** The number of Drops that are stored but not yet checked. The node does not serve them. */
  get unverified(): number {
    return this.store.unverified;
  }

  /** The number of open contacts: 0 .. CONTACTS_MAX. */
  get contacts(): number {
    return this.#contacts.open;
  }

  // For the node's contacts (ContactOwner)

  /**
   * Frames that the peer of one contact may have in flight: its share of three quarters of the radio's queue. The rest
   * of the queue is for beacons, and for the probes of a sender while this node is busy.
   */
  get window(): number {
    const share = Math.floor((3 * this.#radio.receiveQueueFrames) / (4 * Math.max(this.contacts, 1)));
    return Math.min(Math.max(share, 1), 255);
  }

  // Frames that arrive

  /** Take a frame. Returns why it was not used. */
  #receive(bytes: Uint8Array, lengthBytes: number, from: MacAddress): Refusal | undefined {
    const frame: FrameOf<FrameType> = this.#frameIn;
    const refusal = decodeFrame(bytes, lengthBytes, frame);
    if (refusal !== undefined) return refusal;
    if (sameAddress(from, this.#radio.address)) return "echo";
    const now = this.#clock.now();
    if (frame.type === BEACON) {
      this.effort.beacons++;
      const isBeacon = this.#meetings.beacon(frame, from, now);
      if (this.#contacts.open > 0) this.#idleUntilMs = 0;
      return isBeacon ? undefined : "beacon";
    }
    this.#idleUntilMs = 0;
    let contact = this.#contacts.with(from);
    if (contact === undefined || contact.link.sessionId !== frame.sessionId) {
      if (frame.type === DROP) return this.#overhear(frame, from, now) ? undefined : "session";
      if (!FRAME_TYPES[frame.type].opens || frame.sequence !== 0 || this.#contacts.hasSession(frame.sessionId))
        return "session";
      // The first fragment says whether the caller has heard this node. The link repeats it first.
      if (frame.fragment !== 0 || !this.reconciliation.answersBeacon(bytes, OPEN_BODY_AT)) return "session";
      const called = this.#meetings.call(contact, from, frame.sessionId, now);
      if (typeof called === "string") return called;
      contact = called;
    }
    this.#verification.defer(now);
    return contact.link.receive(frame, now);
  }

  /** Take a fragment of a Drop that its sender means for another node. False: it is of no use here. */
  #overhear(frame: Frame, from: MacAddress, now: number): boolean {
    const { custody, assemblies } = this;
    const { shortIdLow, shortIdHigh } = frame;
    const slot = this.store.find(shortIdLow, shortIdHigh);
    if (slot >= 0) {
      this.sharing.given(slot, now);
      return false;
    }
    if (this.#falsehoods.shuns(from, now)) return false;
    const assembly = assemblies.overhear(frame, from, now, custody);
    if (assembly === undefined) return false;
    const owner = assemblies.ownerOf(assembly);
    if (owner >= 0) {
      this.#contacts.at(owner).link.overheard(assembly, now);
    } else if (assembly.complete) {
      // Another Drop may have come in meanwhile.
      if (custody.keepsOverheard(shortIdLow)) custody.keep(assembly, from);
      assemblies.release(assembly);
    }
    return true;
  }

  // Frames that go out

  /** Send until the radio is full or nothing is left to send. True when nothing is left. */
  #transmit(now: number): boolean {
    const radio = this.#radio;
    if (now >= this.#beacons.dueMs) {
      if (radio.full) return false;
      const lengthBytes = this.#beacons.write(this.#frameOut);
      if (!radio.send(this.#frameOut, lengthBytes, BROADCAST)) return false;
      this.effort.sent++;
      this.#beacons.sent(now);
    }
    for (let idle = 0; idle < this.contacts; ) {
      if (radio.full) return false;
      const header = this.#headerOut;
      const contact = this.#contacts.after(this.#sentLast);
      const lengthBytes = contact.link.prepare(this.#frameOut, header, now);
      if (lengthBytes > 0) {
        const to = this.#cast === "broadcast" && contact.link.mayBroadcast(header) ? BROADCAST : contact.peer;
        if (!radio.send(this.#frameOut, lengthBytes, to)) return false;
        this.effort.sent++;
        contact.link.sent(header, now);
        if (to === BROADCAST && header.type === DROP && this.#contacts.open > 1) this.sharing.air(contact, header, now);
        this.#verification.defer(now);
        idle = 0;
      } else {
        idle++;
      }
      this.#sentLast = contact.index;
    }
    return true;
  }
}
