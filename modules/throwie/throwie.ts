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
import { dropId, shortIdHigh, shortIdLow } from "../drop/drop.ts";
import type { Assembly } from "../glacier/assembly.ts";
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
import { CORRUPT, REMOVED } from "../store/causes.ts";
import { Insertion, NOBODY } from "../store/insertion.ts";
import { HAND_ONS_MIN, type Store } from "../store/store.ts";
import { isNewcomer, newcomerKey, settledKey } from "../temperature/rank.ts";
import {
  coldKey,
  freshKey,
  HALF_LIFE_MS_DEFAULT,
  HEAT_UNITS_PER_HALF_LIFE,
  heatTime,
  keyOfClaim,
  raise,
} from "../temperature/temperature.ts";
import { Acquaintances } from "./acquaintances.ts";
import { Admission, type Admittance, type Obstacle } from "./admission.ts";
import { Assemblies } from "./assemblies.ts";
import { Beacons } from "./beacons.ts";
import { Callers } from "./callers.ts";
import type { Contact, ContactOwner, KeepOutcome } from "./contact.ts";
import { CONTACTS_MAX, Contacts } from "./contacts.ts";
import { Effort } from "./effort.ts";
import { type CloseReason, type NodeEvents, SILENT } from "./events.ts";
import { Falsehoods } from "./falsehoods.ts";
import { Overhearing } from "./overhearing.ts";
import { OwnDrops } from "./own-drops.ts";
import { ADDRESS_BYTES, type Clock, type MacAddress, type Radio, type Random, sameAddress } from "./ports.ts";
import { Presence } from "./presence.ts";
import { Reconciliation } from "./reconciliation.ts";
import { Retained } from "./retained.ts";
import { Verification } from "./verification.ts";

const BEACON_INTERVAL_MS_DEFAULT = 1_000;
/** An hour. A node that beacons more rarely meets nobody. */
const BEACON_INTERVAL_MS_MAX = 3_600_000;
/**
 * Drops that come by wire in the same step start equally cold. An eighth of a half-life: most of a day, if that is a
 * week.
 */
const WIRE_STEP = HEAT_UNITS_PER_HALF_LIFE >>> 3;
/**
 * Milliseconds from one upkeep of the store to the next while a contact is open. Without a contact, each turn does the
 * upkeep.
 */
const UPKEEP_INTERVAL_MS = 10_000;
/** From one Drop that is hashed anew to the next. 750 Drops take five days. */
const LOOK_INTERVAL_MS = 600_000;
/** Words of peers about false Drops make the node hash at most one Drop in this time: a tenth of its work at most. */
const SUSPICION_INTERVAL_MS = 5_000;
/** How long the node waits for a full radio that does not call when it has room. Several frames at 1 Mbit/s. */
const RADIO_PATIENCE_MS = 20;
/** Where the body of an OPEN begins in its first frame. */
const OPEN_BODY_AT = FRAME_HEADER_BYTES + MESSAGE_PREFIX_BYTES;
/** So long after the last Drop came in, and with no Drop to check, the store erases sectors ahead. */
const CALM_MS = 10_000;
/** While a peer is about to have the same Drops, one beacon in so many opens a contact all the same. */
const CONVERGING_BEACONS = 32;
/** One place in so many of the store is not for overheard Drops. */
const UNHEARD_SHARE = 5;
/** At a node where every Drop waits for its turn, a contact of its own choice lasts so long: seven turns. */
const CROWDED_CONTACT_MS = 60_000;
/** So many contacts are enough for such a node. A peer that has more to gain calls. */
const CROWDED_CONTACTS = 2;
const BROADCAST: MacAddress = /* @__PURE__ */ new Uint8Array(ADDRESS_BYTES).fill(0xff);

/** Why a frame was not used. `counters` has a counter for each reason and for `used`, and so counts every frame. */
export type Refusal = FrameRefusal | LinkRefusal | "echo" | "beacon" | "session" | "busy" | "tie";

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
  /** Names the Drop that dies for another. A bench that tries other rules replaces its methods. */
  readonly admission: Admission;
  /** Where the node reports what happens. */
  readonly events: NodeEvents;
  /** What the node has computed since the constructor. */
  readonly effort = new Effort();
  /** Heat time at which the clock was 0: a signed 32-bit integer. A host keeps it where it keeps its clock. */
  readonly epoch: number;
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
  readonly #random: Random;
  readonly #halfLifeMs: number;
  readonly #beacons: Beacons;
  readonly #acquaintances = new Acquaintances();
  readonly #callers: Callers;
  readonly #presence = new Presence();
  readonly #verification: Verification;
  readonly #falsehoods: Falsehoods;
  readonly #contacts: Contacts;
  readonly #frameIn = new Frame();
  readonly #frameOut: Uint8Array;
  /** The header of the frame in `#frameOut`, if a contact made the frame. */
  readonly #headerOut = new FrameHeader();
  readonly #cast: Cast;
  readonly #ownDrops: OwnDrops;
  readonly #insertion = new Insertion();
  readonly #chance = new Uint8Array(2);
  #upkeepMs = 0;
  /** When sectors are erased ahead. Infinity: enough are. */
  #calmMs = Infinity;
  #suspicionMs = -SUSPICION_INTERVAL_MS;
  #sentLast = 0;
  #sacrificed = 0;
  /** Which Drop was last hashed anew because bits flip in time: the count of LOOK_INTERVAL_MS on the clock. */
  #looked: number;

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
    this.store = options.store;
    this.events = options.events ?? SILENT;
    this.#radio = options.radio;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#callers = new Callers(options.random);
    this.#halfLifeMs = options.halfLifeMs ?? HALF_LIFE_MS_DEFAULT;
    const recorded = options.store.epoch - heatTime(options.clock.now(), this.#halfLifeMs);
    this.epoch = Math.max(options.epoch ?? recorded, recorded);
    this.#cast = options.cast ?? "broadcast";
    this.#looked = lookAt(options.clock.now());
    this.#falsehoods = new Falsehoods(options.store.capacity);
    const takesV2 = frameSizeBytesMax >= FRAME_SIZE_BYTES_V2;
    this.#frameOut = new Uint8Array(takesV2 ? FRAME_SIZE_BYTES_V2 : FRAME_SIZE_BYTES_V1);
    const { store, random } = options;
    const { effort } = this;
    const retained = Retained.of(options.retained, store, options.clock.now());
    this.#beacons = new Beacons({
      store,
      random,
      effort,
      intervalMs: beaconIntervalMs,
      takesV2,
      now: options.clock.now(),
      atOnce: options.beaconAtOnce ?? false,
      resumes: retained !== undefined,
    });
    const beaconNonce = this.#beacons.nonce;
    this.reconciliation = new Reconciliation({
      ...{ store, assemblies: this.assemblies, random, beaconNonce, takesV2, effort },
    });
    this.#verification = new Verification(options.store, effort);
    this.admission = new Admission(options.store, this.heatNow());
    this.#ownDrops = new OwnDrops(options.store);
    this.#contacts = new Contacts(this);
    this.sharing = new Overhearing(this.#contacts, this.#cast === "broadcast");
    if (retained !== undefined) this.#carry(retained);
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
    this.effort.turns++;
    if (this.contacts > 0) this.#review(now);
    const roomLeft = this.#transmit(now);
    this.#verify(now);
    const alone = this.contacts === 0;
    if (alone || now >= this.#upkeepMs) this.#upkeep(now);
    const cleaning = alone && this.#clean(now);
    this.#recount();
    if (cleaning) return now + 1;
    if (!roomLeft) return now + RADIO_PATIENCE_MS;
    return Math.max(Math.min(this.#beacons.dueMs, this.#contacts.deadline, this.#verification.dueMs), now + 1);
  }

  /**
   * Store a Drop that did not come by air. "own": a person wrote the Drop at this node, so it is as warm as one
   * movement makes it, and is protected (own-drops.ts). "wire": the Drop came from a gateway's overlay. Nobody has
   * carried it, so it starts cold. Throws an Error unless the Drop has 1 to 2,048 bytes. The bytes are only read, and
   * only during the call. "stored" means that the Drop is durable.
   */
  publish(drop: Uint8Array, origin: "own" | "wire"): PublishOutcome {
    const id = dropId(drop);
    const now = this.heatNow();
    // All Drops that come by wire within a step start equally cold, so that none of them can displace another.
    const own = origin === "own";
    const key = own ? freshKey(now) : coldKey(now - (now % WIRE_STEP));
    if (own && this.store.find(shortIdLow(id), shortIdHigh(id)) < 0) this.#giveWay();
    const insertion = this.#insertion;
    insertion.shortIdLow = shortIdLow(id);
    insertion.shortIdHigh = shortIdHigh(id);
    insertion.bytes = drop;
    insertion.offset = 0;
    insertion.lengthBytes = drop.length;
    insertion.heatKey = key;
    insertion.own = own;
    const outcome = this.#insert("free");
    // Let go of the caller's buffer.
    insertion.bytes = undefined;
    if (outcome !== "stored") {
      if (outcome === "known" && own) this.#claim(this.store.find(shortIdLow(id), shortIdHigh(id)));
      return outcome;
    }
    const slot = this.store.lastSlot;
    this.events.dropStored(slot, undefined);
    this.#markVerified(slot);
    return outcome;
  }

  /** Take the Drop with this ShortId out of the store, as its person asks. False: there is no such Drop. */
  remove(low: number, high: number): boolean {
    const slot = this.store.find(low, high);
    if (slot < 0) return false;
    this.store.remove(slot, REMOVED);
    this.#forget(slot, low, high, "removed");
    return true;
  }

  /** Write the heat keys that are only in RAM to flash. A host calls this before it sleeps or stops. */
  checkpoint(): void {
    this.store.checkpoint(this.heatNow());
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
    this.#looked = over.number(this.#looked);
    this.#acquaintances.carry(over);
    this.#falsehoods.carry(over);
    this.admission.carry(over);
    this.#beacons.carry(over);
  }

  /** The number of Drops that are stored but not yet checked. The node does not serve them. */
  get unverified(): number {
    return this.store.unverified;
  }

  /** The number of open contacts: 0 .. CONTACTS_MAX. */
  get contacts(): number {
    return this.#contacts.open;
  }

  // Calls of the node's contacts (ContactOwner)

  /**
   * Frames that the peer of one contact may have in flight: its share of three quarters of the radio's queue. The rest
   * of the queue is for beacons, and for the probes of a sender while this node is busy.
   */
  get window(): number {
    const share = Math.floor((3 * this.#radio.receiveQueueFrames) / (4 * Math.max(this.contacts, 1)));
    return Math.min(Math.max(share, 1), 255);
  }

  /**
   * Heat time now. It is never before the last heat time that the store recorded. So the order of the Drops survives a
   * restart, however long the node was off.
   */
  heatNow(): number {
    return this.epoch + heatTime(this.#clock.now(), this.#halfLifeMs);
  }

  /** The Drop in this slot has moved once more: raise its heat. A newcomer stays a newcomer. */
  warm(slot: number): void {
    const key = this.store.heat(slot);
    const raised = raise(key, this.heatNow());
    this.store.setHeat(slot, isNewcomer(key) ? newcomerKey(raised) : settledKey(raised));
  }

  /** The peer keeps the Drop in this slot: the Drop moved. */
  handedOn(slot: number, peer: MacAddress): void {
    this.warm(slot);
    this.#ownDrops.handedOn(slot, this.#clock.now());
    this.#falsehoods.gave(this.store.idLow(slot), this.store.idHigh(slot), peer);
  }

  /** Whether every Drop that comes in now costs its contact a token. */
  get crowded(): boolean {
    this.admission.settle(this.heatNow());
    return this.admission.crowded;
  }

  /** Whether a Drop from the air would come in. `low`: the low word of its ShortId. */
  judge(low: number): Admittance {
    this.admission.settle(this.heatNow());
    return this.admission.judge(low);
  }

  /**
   * Whether this node would keep a Drop that it overhears: not in place of another, and not in the last free room,
   * which is for the Drops that peers bring to this node.
   */
  keepsOverheard(low: number): boolean {
    const { count, room } = this.store;
    return UNHEARD_SHARE * (room - count) > room && this.judge(low) === "free";
  }

  /** Store a Drop that arrived whole. */
  keep(assembly: Assembly, from: Contact): KeepOutcome {
    return this.#keep(assembly, from.peer, from);
  }

  /** Store a Drop that arrived whole. `contact`: the contact that brought it; undefined for an overheard Drop. */
  #keep(assembly: Assembly, peer: MacAddress, contact: Contact | undefined): KeepOutcome {
    const now = this.heatNow();
    const admittance = this.judge(assembly.shortIdLow);
    if (admittance === "departed" || (admittance === "token" && !((contact?.tokens ?? 0) > 0))) return admittance;
    const insertion = this.#insertion;
    insertion.shortIdLow = assembly.shortIdLow;
    insertion.shortIdHigh = assembly.shortIdHigh;
    insertion.bytes = assembly.bytes;
    insertion.offset = MESSAGE_PREFIX_BYTES;
    insertion.lengthBytes = assembly.bodyBytes;
    insertion.heatKey = keyOfClaim(assembly.claim, now);
    insertion.own = false;
    const outcome = this.#insert(admittance);
    if (outcome !== "stored") return outcome;
    // The movement counts only now, after the Drop came in. Otherwise each of two full stores would want the other's
    // coldest Drops.
    const slot = this.store.lastSlot;
    this.warm(slot);
    this.sharing.came(this.#clock.now());
    if (admittance === "token") contact?.spendToken();
    this.#falsehoods.brought(slot, peer);
    this.events.dropStored(slot, peer);
    if (this.#falsehoods.wasFalse(assembly.shortIdLow, assembly.shortIdHigh)) return "doubted";
    contact?.countMoved();
    return outcome;
  }

  /** The peer took the Drop in this slot whole, and did not keep it. Perhaps it found the Drop false. */
  suspect(slot: number): void {
    const now = this.#clock.now();
    if (now - this.#suspicionMs < SUSPICION_INTERVAL_MS) return;
    this.#suspicionMs = now;
    this.#verification.suspect(slot);
  }

  /** The peer of this contact lacks Drops that it said to keep. Perhaps it found them false: check them first. */
  recheck(contact: Contact): void {
    const { store } = this;
    const falsehoods = this.#falsehoods;
    for (let i = falsehoods.nextGiven(contact.peer, -1); i >= 0; i = falsehoods.nextGiven(contact.peer, i)) {
      const slot = store.find(falsehoods.lowAt(i), falsehoods.highAt(i));
      if (slot < 0 || !this.reconciliation.has(slot)) continue;
      if (!this.#verification.suspect(slot)) return;
      falsehoods.forgive(i);
      contact.withdraw(slot);
    }
  }

  // Drops: into the store, checked, and gone from it

  /** Store the Drop in `#insertion`. In a full store, the Drop that admission names dies for it. */
  #insert(admittance: Admittance): PublishOutcome {
    const { store, admission } = this;
    const insertion = this.#insertion;
    const { shortIdLow: low, shortIdHigh: high, heatKey } = insertion;
    if (store.find(low, high) >= 0) return "known";
    const now = this.heatNow();
    // Before a victim is named, the store gives up the Drops for which it has no room any more.
    if (!store.shrink(now)) return "flash";
    const newcomer = admittance !== "free";
    insertion.now = now;
    insertion.heatKey = newcomer ? newcomerKey(heatKey) : settledKey(heatKey);
    const obstacle = admission.nameVictim(insertion);
    if (obstacle !== undefined) return obstacle;
    const outcome = store.insert(insertion);
    if (outcome === "full") throw new Error("throwie: no victim was named for a full store");
    if (outcome !== "stored") return outcome;
    if (store.evicted) {
      if (newcomer) admission.displaced(store.lastEvictedSlot, store.lastEvictedLow);
      this.#forget(store.lastEvictedSlot, store.lastEvictedLow, store.lastEvictedHigh, "evicted");
    }
    // The store may have given up the slot's former Drop without telling the node.
    this.#contacts.withdraw(store.lastSlot);
    this.#beacons.add(low, high);
    this.#calmMs = this.#clock.now() + CALM_MS;
    this.#recount();
    if (newcomer) admission.entered(store.lastSlot, now);
    return outcome;
  }

  /** Hash one slice of a Drop if that is due, and act on the outcome. */
  #verify(now: number): void {
    if (now < this.#verification.dueMs) return;
    const outcome = this.#verification.step(now);
    if (outcome === undefined) return;
    const { slot } = this.#verification;
    if (outcome === "verified") {
      this.#markVerified(slot);
    } else {
      const low = this.store.idLow(slot);
      const high = this.store.idHigh(slot);
      // A Drop that was right once is false because of this node's own flash.
      if (!this.store.verified(slot)) this.#falsehoods.found(slot, low, high, now);
      this.store.remove(slot, CORRUPT);
      this.#forget(slot, low, high, "corrupt");
      this.#shun(now);
    }
  }

  /** The Drop's hash is right: write this to flash, and tell the host when it is new. */
  #markVerified(slot: number): void {
    const isNew = this.store.markVerified(slot);
    // If the log had no room for the mark, the store may have given the Drop up.
    if (!this.store.occupied(slot)) return;
    this.#falsehoods.right(slot, this.store.idLow(slot), this.store.idHigh(slot));
    this.#contacts.verified(slot);
    if (isNew) this.events.dropVerified(slot);
  }

  /** Protected Drops give way until there is room for one more. */
  #giveWay(): void {
    const { store } = this;
    for (;;) {
      const slot = this.#ownDrops.firstToGiveWay();
      if (slot === NOBODY) return;
      store.markOwn(slot, true, HAND_ONS_MIN);
      this.events.dropGaveWay(store.idLow(slot), store.idHigh(slot));
    }
  }

  /** A person writes here what was here before. */
  #claim(slot: number): void {
    if (this.store.isOwn(slot)) return;
    this.#giveWay();
    this.store.markOwn(slot, true, 0);
  }

  /** The Drop that was in this slot is gone: tell all parts of the node, and the host. */
  #forget(slot: number, low: number, high: number, cause: "evicted" | "corrupt" | "removed"): void {
    this.admission.left(slot);
    this.#beacons.remove(low, high);
    this.#contacts.withdraw(slot);
    this.events.dropLost(low, high, cause);
  }

  /** If the store itself gave Drops up to save the rest, bring beacons, admission and offers up to date. */
  #recount(): void {
    if (this.store.counters.sacrificed === this.#sacrificed) return;
    this.#sacrificed = this.store.counters.sacrificed;
    this.#beacons.recount();
    this.admission.recount();
    for (let slot = 0; slot < this.store.capacity; slot++) {
      if (!this.store.occupied(slot)) this.#contacts.withdraw(slot);
    }
  }

  // Upkeep of the store

  /**
   * Write heat keys when a checkpoint is due, and now and then choose a Drop whose bits may have flipped. This happens
   * during contacts too, because peers could keep contacts open for ever.
   */
  #upkeep(now: number): void {
    const { store } = this;
    this.#upkeepMs = now + UPKEEP_INTERVAL_MS;
    if (store.checkpointDue(this.heatNow())) this.checkpoint();
    const look = lookAt(now);
    if (look === this.#looked || store.count === 0) return;
    this.#looked = look;
    // A board that sleeps forgets which Drop came last. The clock tells which comes next.
    let left = look % store.count;
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot) && left-- === 0) this.#verification.look(slot);
    }
  }

  /** Do one step of cleaning, so that the next insert need not wait for it. True when there is more to clean. */
  #clean(now: number): boolean {
    // A node that has stored nothing since it started has nothing to clean. An erase at each wake-up would wear the
    // flash.
    if (this.store.counters.inserted === 0) return false;
    if (this.store.clean(this.heatNow())) return true;
    if (now < this.#calmMs) return false;
    if (this.unverified === 0 && this.store.eraseAhead()) return true;
    // There are Drops to check first, or enough is erased until Drops come in again.
    this.#calmMs = this.unverified > 0 ? now + CALM_MS : Infinity;
    return false;
  }

  // Frames that arrive, and the contacts that they open

  /** Take a frame. Returns why it was not used. */
  #receive(bytes: Uint8Array, lengthBytes: number, from: MacAddress): Refusal | undefined {
    const frame: FrameOf<FrameType> = this.#frameIn;
    const refusal = decodeFrame(bytes, lengthBytes, frame);
    if (refusal !== undefined) return refusal;
    if (sameAddress(from, this.#radio.address)) return "echo";
    const now = this.#clock.now();
    if (frame.type === BEACON) return this.#hear(frame, from, now);
    let contact = this.#contacts.with(from);
    if (contact === undefined || contact.link.sessionId !== frame.sessionId) {
      if (frame.type === DROP) return this.#overhear(frame, from, now) ? undefined : "session";
      if (!FRAME_TYPES[frame.type].opens || frame.sequence !== 0 || this.#contacts.hasSession(frame.sessionId))
        return "session";
      // The first fragment says whether the caller has heard this node. The link repeats it first.
      if (frame.fragment !== 0 || !this.reconciliation.answersBeacon(bytes, OPEN_BODY_AT)) return "session";
      const obstacle = this.#admit(contact, from, now);
      if (obstacle !== undefined) return obstacle;
      contact = this.#begin(from, frame.sessionId, false, now);
      if (contact === undefined) return "busy";
    }
    this.#verification.defer(now);
    return contact.link.receive(frame, now);
  }

  /** Take a fragment of a Drop that its sender means for another node. False: it is of no use here. */
  #overhear(frame: Frame, from: MacAddress, now: number): boolean {
    const { shortIdLow, shortIdHigh } = frame;
    const slot = this.store.find(shortIdLow, shortIdHigh);
    if (slot >= 0) {
      this.sharing.given(slot, now);
      return false;
    }
    if (this.#falsehoods.shuns(from, now)) return false;
    const assembly = this.assemblies.overhear(frame, from, now, this);
    if (assembly === undefined) return false;
    const owner = this.assemblies.ownerOf(assembly);
    if (owner >= 0) {
      this.#contacts.at(owner).link.overheard(assembly, now);
    } else if (assembly.complete) {
      this.#keep(assembly, from, undefined);
      this.assemblies.release(assembly);
    }
    return true;
  }

  /** Take a beacon, and open a contact if the peer's set differs. Returns why the beacon was not used. */
  #hear(frame: Frame, from: MacAddress, now: number): Refusal | undefined {
    const { reconciliation } = this;
    const beacons = this.#beacons;
    if (!beacons.read(frame)) return "beacon";
    if (this.contacts > 0) {
      const contact = this.#contacts.with(from);
      if (contact !== undefined) {
        if (contact.beacon(beacons, now)) return undefined;
        this.#close(contact, "restarted", now);
      }
    }
    if (this.#falsehoods.shuns(from, now)) return undefined;
    if (beacons.equal(now)) return undefined;
    const likely = this.#presence.likely(beacons.nonceLow, now);
    const engaged = reconciliation.owner < 0 ? undefined : this.#contacts.at(reconciliation.owner);
    if (engaged !== undefined && !(engaged.awaitsAnswer && engaged.stalled(now))) return undefined;
    // A peer that calls has heard this node. Whoever only beacons may not hear it.
    if (!this.#acquaintances.ready(from, beacons.answering, now) || this.#callers.othersWait(from, now))
      return undefined;
    if (!likely) return undefined;
    const estimate = beacons.estimate(now);
    if (estimate === undefined || estimate === 0) return undefined;
    if (this.store.count < this.store.room && this.sharing.converges(estimate, now)) {
      // Otherwise anyone could keep nodes apart with a small Drop now and then.
      if (!this.#callers.oneIn(CONVERGING_BEACONS)) return undefined;
    }
    if (beacons.peerCount >= this.store.count && this.#hasEnough(now)) return undefined;
    if (engaged !== undefined) this.#close(engaged, "unanswered", now);
    const opened = this.#begin(from, this.#sessionId(), true, now);
    if (opened === undefined) return undefined;
    opened.beacon(beacons, now);
    reconciliation.open(opened.peerNonce, estimate, beacons.peerCount, beacons.peerTakesV2);
    opened.link.fragmentBytes = reconciliation.fragmentBytes;
    return undefined;
  }

  /**
   * Whether this node has contacts enough with peers as full as itself. While every Drop waits for its turn here, more
   * contacts would cost the air of their openings and bring little. A contact that has lasted for long gives way.
   */
  #hasEnough(now: number): boolean {
    if (this.contacts < CROWDED_CONTACTS || !this.crowded) return false;
    const { lingering } = this.#contacts;
    if (lingering === undefined || now - lingering.link.begunMs < CROWDED_CONTACT_MS) return true;
    this.#close(lingering, "yielded", now);
    return false;
  }

  /**
   * Make way for a peer that opens a contact. Returns why the peer may not open one. `known`: this node's contact with
   * the peer, in another session.
   * - While a session goes on, nobody opens another one under the peer's address.
   * - Of the peers that call, the one that has called for longest is next (callers.ts).
   * - When both nodes opened at once, the node with the lower address stays the initiator.
   */
  #admit(known: Contact | undefined, from: MacAddress, now: number): Refusal | undefined {
    if (known?.outweighs(now) === true || this.#falsehoods.shuns(from, now)) return "busy";
    const owner = this.reconciliation.owner;
    const engaged = owner < 0 ? undefined : this.#contacts.at(owner);
    if (engaged !== undefined && engaged === known && known.awaitsAnswer) {
      if (!lowerAddress(from, this.#radio.address)) return "tie";
    } else {
      if (!this.#callers.next(from, now)) return "busy";
      if (engaged !== undefined) {
        if (engaged === known ? !known.stalled(now) : !this.#givesWay(engaged, from, now)) return "busy";
        if (engaged !== known) this.#close(engaged, engaged.awaitsAnswer ? "superseded" : "yielded", now);
      }
    }
    if (known !== undefined) this.#close(known, "superseded", now);
    this.#callers.left(from);
    return undefined;
  }

  /**
   * Whether the contact that has the workspace gives way to a third node that calls. One that has stalled does. An
   * opening of this node that the peer has not answered yet gives way to a lower address, so that no ring of nodes can
   * wait for one another, and else to one call in two: the caller is there, and the peer perhaps is not.
   */
  #givesWay(engaged: Contact, from: MacAddress, now: number): boolean {
    if (engaged.stalled(now)) return true;
    return engaged.awaitsAnswer && (lowerAddress(from, this.#radio.address) || this.#callers.oneIn(2));
  }

  /** Begin a contact. Undefined when no contact is free or the workspace is in use. */
  #begin(peer: MacAddress, sessionId: number, initiator: boolean, now: number): Contact | undefined {
    if (this.contacts === CONTACTS_MAX && this.reconciliation.owner < 0) {
      // One contact yields its place, if any contact may.
      const { lingering } = this.#contacts;
      if (lingering !== undefined) this.#close(lingering, "yielded", now);
    }
    const contact = this.#contacts.free;
    if (contact === undefined || !this.reconciliation.lend(contact.index, now)) return undefined;
    contact.begin(peer, sessionId, initiator, now);
    contact.failures = this.#acquaintances.failures(peer);
    contact.presumes = this.#acquaintances.mayPresume(peer);
    this.#contacts.open++;
    this.assemblies.contacts = Math.max(this.contacts, 1);
    this.events.contactOpened(contact.peer, sessionId);
    return contact;
  }

  /**
   * A session id that no other contact of this node has. A broadcast frame names only its session, not the node for
   * which it is meant.
   */
  #sessionId(): number {
    this.#random.fill(this.#chance);
    let sessionId = this.#chance[0]! | (this.#chance[1]! << 8);
    while (this.#contacts.hasSession(sessionId)) sessionId = (sessionId + 1) & 0xffff;
    return sessionId;
  }

  /** Close the contacts that are over. */
  #review(now: number): void {
    for (let i = 0, left = this.contacts; left > 0 && i < CONTACTS_MAX; i++) {
      const contact = this.#contacts.at(i);
      if (contact.phase === "free") continue;
      left--;
      const reason = contact.review(now);
      if (reason !== undefined) this.#close(contact, reason, now);
    }
  }

  /** Close the contacts with peers that brought false Drops again and again. */
  #shun(now: number): void {
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const contact = this.#contacts.at(i);
      if (contact.phase !== "free" && this.#falsehoods.shuns(contact.peer, now)) this.#close(contact, "refused", now);
    }
  }

  #close(contact: Contact, reason: CloseReason, now: number): void {
    const { ending } = contact;
    if (ending === "unanswered") this.#presence.unanswered(now);
    contact.end();
    this.#contacts.open--;
    this.assemblies.contacts = Math.max(this.contacts, 1);
    this.#acquaintances.ended(contact.peer, ending, contact.peerNonce[0]! | (contact.peerNonce[1]! << 8), now);
    if (contact.presumed > 0) this.#acquaintances.presumed(contact.peer, now);
    this.events.contactClosed(contact.peer, contact.link.sessionId, reason);
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

/** How often the time for a look at a Drop has come since the clock's beginning. */
function lookAt(now: number): number {
  return Math.floor(now / LOOK_INTERVAL_MS);
}

function lowerAddress(a: MacAddress, b: MacAddress): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return false;
}
