/**
 * The node: what a Throwie, a Mule and a gateway's radio side all are (design sections 3 to 7).
 *
 * Sans-I/O. The host gives it ports and a mounted store, hands it every frame that its radio hears (`receive`), and
 * calls `turn` at start, at the time that `turn` returned, after `receive`, and when the radio has room again. The node
 * beacons; on the beacon of a peer whose set differs from its own it opens a contact, reconciles, and both sides send
 * what the other lacks, hottest first. CONTACTS_MAX contacts may run at once.
 *
 * Everything is bounded and allocated here. A frame that cannot be used costs one counter, named after the reason, and
 * nothing else; no bytes from the air make it throw. It never serves a Drop whose hash it has not checked, and never
 * lets a peer believe that a Drop is stored before it is.
 */
import { dropId, shortIdHigh, shortIdLow } from "../drop/drop.ts";
import type { Assembly } from "../glacier/assembly.ts";
import {
  decodeFrame,
  FRAME_SIZE_BYTES_V1,
  FRAME_SIZE_BYTES_V2,
  Frame,
  FrameHeader,
  type FrameOf,
  type FrameRefusal,
} from "../glacier/frame.ts";
import { BEACON, FRAME_TYPES, type FrameType } from "../glacier/frame-type.ts";
import type { LinkRefusal } from "../glacier/link.ts";
import { MESSAGE_PREFIX_BYTES } from "../glacier/message.ts";
import { Insertion } from "../store/insertion.ts";
import { CORRUPT } from "../store/marks.ts";
import type { Store } from "../store/store.ts";
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
import type { Contact, ContactOwner, KeepOutcome } from "./contact.ts";
import { CONTACTS_MAX, Contacts } from "./contacts.ts";
import { type CloseReason, type NodeEvents, SILENT } from "./events.ts";
import { ADDRESS_BYTES, type Clock, type MacAddress, type Radio, type Random, sameAddress } from "./ports.ts";
import { Reconciliation } from "./reconciliation.ts";
import { Verification } from "./verification.ts";

const BEACON_INTERVAL_MS_DEFAULT = 1_000;
/** An eighth of a half-life: most of a day, if that is a week. */
const WIRE_STEP = HEAT_UNITS_PER_HALF_LIFE >>> 3;
/** While a contact is open; without one, each turn looks after the store. */
const UPKEEP_INTERVAL_MS = 10_000;
/** Between two Drops that are hashed anew: 750 take five days. */
const DOUBT_INTERVAL_MS = 600_000;
/** A full radio calls when it has room; this is for one that does not. Several frames at 1 Mbit/s. */
const RADIO_PATIENCE_MS = 20;
const BROADCAST: MacAddress = /* @__PURE__ */ new Uint8Array(ADDRESS_BYTES).fill(0xff);

/** Why a frame was not used. Together with `used`, `counters` accounts for every frame ever received. */
export type Refusal = FrameRefusal | LinkRefusal | "echo" | "beacon" | "session" | "busy" | "tie";

/** The ports of a node, and how it works. */
export interface ThrowieOptions {
  /** The way to the air; no other node may use it. */
  radio: Radio;
  /** The one clock of the node. */
  clock: Clock;
  /** The source of nonces and salts. A stranger who can guess them can hide Drops from reconciliation. */
  random: Random;
  /** A mounted store. The node is then its only writer; a host may read it between two calls. */
  store: Store;
  /** Where the node tells what happens; without it, nowhere. */
  events?: NodeEvents;
  /** From one beacon to the next, in milliseconds; 1,000 without it. */
  beaconIntervalMs?: number;
  /**
   * The first beacon goes out at once: for a board that woke, and has little time. Otherwise at some moment of the first
   * interval, since after a power cut many start together.
   */
  beaconAtOnce?: boolean;
  /** In how many milliseconds a Drop cools by half: the same in the whole town. A week without it. */
  halfLifeMs?: number;
  /**
   * Heat time at which the clock was 0, for a clock that went on while the node was off: what `epoch` was before. Without
   * it heat time goes on from the last that the store recorded, as if no time had passed since.
   */
  epoch?: number;
  /** How Drops and their acknowledgements travel (docs/protocol.md, "How a link works"). */
  cast?: Cast;
}

/**
 * broadcast: each frame once; what is lost the link repeats. unicast: the radio waits for the peer's radio after each frame,
 * which costs an eighth of the air, repeats what nobody acknowledged, and backs off where the air is crowded.
 */
export type Cast = "broadcast" | "unicast";

/**
 * What became of a Drop that did not come by air. "stored": it is in the store. "known": it was there before. "colder": the
 * store is full of warmer Drops. "busy": the store is full, and every Drop that could die is being sent just now. "flash":
 * no sector could be written.
 */
export type PublishOutcome = "stored" | "known" | "flash" | Obstacle;

/**
 * A node (docs/protocol.md, "Contacts"; docs/embedding.md). A host calls `turn`, `receive`, `publish` and `checkpoint`,
 * one at a time and never from inside a port or an event. Times are milliseconds of the host's clock. What a port
 * throws passes through, and the node is then of no use: make a new one on the same flash.
 */
export class Throwie implements ContactOwner {
  /** The store that the host gave. */
  readonly store: Store;
  /** The buffers of messages that are not yet whole; for the node's contacts. */
  readonly assemblies = new Assemblies();
  /** The one reconciliation at a time; for the node's contacts. */
  readonly reconciliation: Reconciliation;
  /** Names the Drop that dies for another. A bench that tries other rules replaces its methods. */
  readonly admission: Admission;
  /** Where the node tells what happens. */
  readonly events: NodeEvents;
  /**
   * 1 for each slot whose Drop was written at this node. In RAM only: after a restart such a Drop is like any other.
   */
  readonly own: Uint8Array;
  /** Heat time at which the clock was 0: a signed 32-bit integer, which a host keeps where it keeps its clock. */
  readonly epoch: number;
  /** Frames received since the constructor, by what became of them. */
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
  readonly #verification: Verification;
  readonly #contacts: Contacts;
  readonly #frameIn = new Frame();
  readonly #frameOut: Uint8Array;
  /** Of the frame in `#frameOut`, if it is a contact's. */
  readonly #headerOut = new FrameHeader();
  readonly #cast: Cast;
  readonly #insertion = new Insertion();
  readonly #chance = new Uint8Array(2);
  #upkeepMs = 0;
  #doubtMs: number;
  #sentLast = 0;
  #sacrificed = 0;

  /** Takes all memory that the node ever uses. Throws an Error for a half-life that `heatTime` refuses. */
  constructor(options: ThrowieOptions) {
    this.store = options.store;
    this.events = options.events ?? SILENT;
    this.own = new Uint8Array(options.store.capacity);
    this.#radio = options.radio;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#halfLifeMs = options.halfLifeMs ?? HALF_LIFE_MS_DEFAULT;
    const recorded = options.store.epoch - heatTime(options.clock.now(), this.#halfLifeMs);
    this.epoch = Math.max(options.epoch ?? recorded, recorded);
    this.#cast = options.cast ?? "broadcast";
    this.#doubtMs = options.clock.now();
    const takesV2 = options.radio.frameSizeBytesMax >= FRAME_SIZE_BYTES_V2;
    this.#frameOut = new Uint8Array(takesV2 ? FRAME_SIZE_BYTES_V2 : FRAME_SIZE_BYTES_V1);
    const { store, random } = options;
    this.#beacons = new Beacons({
      store,
      random,
      intervalMs: options.beaconIntervalMs ?? BEACON_INTERVAL_MS_DEFAULT,
      takesV2,
      now: options.clock.now(),
      atOnce: options.beaconAtOnce ?? false,
    });
    const beaconNonce = this.#beacons.nonce;
    this.reconciliation = new Reconciliation({ store, assemblies: this.assemblies, random, beaconNonce, takesV2 });
    this.#verification = new Verification(options.store);
    this.admission = new Admission(options.store, this.heatNow());
    this.#contacts = new Contacts(this);
  }

  /** Drops stored but not yet checked: they are not served. */
  get unverified(): number {
    return this.store.unverified;
  }

  /** Contacts that are open: 0 .. CONTACTS_MAX. */
  get contacts(): number {
    return this.#contacts.open;
  }

  /**
   * Take the frame `bytes[0 .. lengthBytes)` that the radio heard from the address `from`. Both buffers are only read,
   * and only during the call. No bytes make it throw: a frame that is not used adds one to a counter. Call `turn`
   * afterwards.
   */
  receive(bytes: Uint8Array, lengthBytes: number, from: MacAddress): void {
    this.counters[this.#receive(bytes, lengthBytes, from) ?? "used"]++;
  }

  /** Do what is due. Returns when to call again at the latest, in clock milliseconds; that is later than now. */
  turn(): number {
    const now = this.#clock.now();
    if (this.contacts > 0) this.#review(now);
    const roomLeft = this.#transmit(now);
    this.#verify(now);
    const alone = this.contacts === 0;
    if (alone || now >= this.#upkeepMs) this.#upkeep(now);
    const cleaning = alone && this.#clean();
    this.#recount();
    if (cleaning) return now + 1;
    if (!roomLeft) return now + RADIO_PATIENCE_MS;
    return Math.max(Math.min(this.#beacons.dueMs, this.#contacts.deadline, this.#verification.dueMs), now + 1);
  }

  /**
   * Store a Drop that did not come by air: the node's own ("own", one movement warm) or one from a gateway's wire
   * ("wire", which nobody has carried, so it starts cold). At most 2,048 bytes, at least one, else it throws.
   */
  publish(drop: Uint8Array, origin: "own" | "wire"): PublishOutcome {
    const id = dropId(drop);
    const now = this.heatNow();
    // All that comes by wire within a step starts equally cold, so that none of it can displace the rest.
    const key = origin === "own" ? freshKey(now) : coldKey(now - (now % WIRE_STEP));
    // A message written here needs no token. Drops from the wire displace only colder ones.
    const admittance = origin === "own" ? this.judge(shortIdLow(id)) : "free";
    const insertion = this.#insertion;
    insertion.shortIdLow = shortIdLow(id);
    insertion.shortIdHigh = shortIdHigh(id);
    insertion.bytes = drop;
    insertion.offset = 0;
    insertion.lengthBytes = drop.length;
    insertion.heatKey = key;
    const outcome = this.#insert(admittance);
    // The caller's Drop is not kept alive.
    insertion.bytes = undefined;
    if (outcome !== "stored") return outcome;
    const slot = this.store.lastSlot;
    this.own[slot] = origin === "own" ? 1 : 0;
    this.store.markVerified(slot);
    this.events.dropStored(slot, undefined);
    this.events.dropVerified(slot);
    return outcome;
  }

  /** Write the heat that is only in RAM. A host calls it before it sleeps or stops. */
  checkpoint(): void {
    this.store.checkpoint(this.heatNow());
  }

  // ContactOwner

  /**
   * Three quarters of the radio's queue; the rest is for beacons, and for the probes of a sender while this node is
   * busy.
   */
  get window(): number {
    const share = Math.floor((3 * this.#radio.receiveQueueFrames) / (4 * Math.max(this.contacts, 1)));
    return Math.min(Math.max(share, 1), 255);
  }

  /**
   * Heat time now. It never falls behind the last that the store recorded, so order outlives a restart of unknown
   * length.
   */
  heatNow(): number {
    return this.epoch + heatTime(this.#clock.now(), this.#halfLifeMs);
  }

  /** For a contact: the slot's Drop has moved once more. */
  warm(slot: number): void {
    const key = this.store.heat(slot);
    const raised = raise(key, this.heatNow());
    this.store.setHeat(slot, isNewcomer(key) ? newcomerKey(raised) : settledKey(raised));
  }

  /** For a contact: on which terms a Drop from the air, of this low word of a ShortId, would come in. */
  judge(low: number): Admittance {
    this.admission.settle(this.heatNow());
    return this.admission.judge(low);
  }

  /** For a contact: store the Drop that came whole. */
  keep(assembly: Assembly, from: Contact): KeepOutcome {
    const now = this.heatNow();
    const admittance = this.judge(assembly.shortIdLow);
    if (admittance === "departed" || (admittance === "token" && from.tokens <= 0)) return admittance;
    const insertion = this.#insertion;
    insertion.shortIdLow = assembly.shortIdLow;
    insertion.shortIdHigh = assembly.shortIdHigh;
    insertion.bytes = assembly.bytes;
    insertion.offset = MESSAGE_PREFIX_BYTES;
    insertion.lengthBytes = assembly.bodyBytes;
    insertion.heatKey = keyOfClaim(assembly.claim, now);
    const outcome = this.#insert(admittance);
    if (outcome !== "stored") return outcome;
    // It has moved once more, but that is no reason to take it in: of two full stores each would then want the other's coldest.
    this.warm(this.store.lastSlot);
    from.countMoved();
    this.own[this.store.lastSlot] = 0;
    if (admittance === "token") from.spendToken();
    this.events.dropStored(this.store.lastSlot, from.peer);
    return outcome;
  }

  /** Store the Drop of `#insertion`, and let the one that admission names die for it. */
  #insert(admittance: Admittance): PublishOutcome {
    const { store, admission } = this;
    const insertion = this.#insertion;
    const { shortIdLow: low, shortIdHigh: high, heatKey } = insertion;
    if (store.find(low, high) >= 0) return "known";
    const now = this.heatNow();
    // A Drop that there is no room for any more is not named as a victim.
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
    // Whose slot it was before may have been given up without a word.
    this.#contacts.withdraw(store.lastSlot);
    this.#beacons.add(low, high);
    this.#recount();
    if (newcomer) admission.entered(store.lastSlot, now);
    return outcome;
  }

  /** Write heat when it is due, and look for bits that flipped now and then; during contacts too, which peers may keep open. */
  #upkeep(now: number): void {
    const { store } = this;
    this.#upkeepMs = now + UPKEEP_INTERVAL_MS;
    if (store.checkpointDue(this.heatNow())) this.checkpoint();
    if (now - this.#doubtMs < DOUBT_INTERVAL_MS) return;
    this.#doubtMs = now;
    store.doubt();
  }

  /** Spare the next insert its cleaning. True when there is more to clean. */
  #clean(): boolean {
    // A life that stored nothing has nothing to clean up after, and an erase a wake-up would wear the flash.
    return this.store.counters.inserted > 0 && this.store.clean(this.heatNow());
  }

  /** The store gave Drops up on its own account, to save the rest: what the beacon says is counted anew. */
  #recount(): void {
    if (this.store.counters.sacrificed === this.#sacrificed) return;
    this.#sacrificed = this.store.counters.sacrificed;
    this.#beacons.recount();
    this.admission.recount();
    for (let slot = 0; slot < this.store.capacity; slot++) {
      if (!this.store.occupied(slot)) this.#contacts.withdraw(slot);
    }
  }

  #forget(slot: number, low: number, high: number, cause: "evicted" | "corrupt"): void {
    this.admission.left(slot);
    this.#beacons.remove(low, high);
    this.#contacts.withdraw(slot);
    this.events.dropLost(low, high, cause);
  }

  #receive(bytes: Uint8Array, lengthBytes: number, from: MacAddress): Refusal | undefined {
    const frame: FrameOf<FrameType> = this.#frameIn;
    const refusal = decodeFrame(bytes, lengthBytes, frame);
    if (refusal !== undefined) return refusal;
    if (sameAddress(from, this.#radio.address)) return "echo";
    const now = this.#clock.now();
    if (frame.type === BEACON) return this.#hear(frame, from, now);
    let contact = this.#contacts.with(from);
    if (contact === undefined || contact.link.sessionId !== frame.sessionId) {
      if (!FRAME_TYPES[frame.type].opens || frame.sequence !== 0 || this.#contacts.hasSession(frame.sessionId))
        return "session";
      const obstacle = this.#admit(contact, from, now);
      if (obstacle !== undefined) return obstacle;
      contact = this.#begin(from, frame.sessionId, false, now);
      if (contact === undefined) return "busy";
    }
    this.#verification.defer(now);
    return contact.link.receive(frame, now);
  }

  #hear(frame: Frame, from: MacAddress, now: number): Refusal | undefined {
    const { reconciliation } = this;
    if (!this.#beacons.read(frame)) return "beacon";
    const contact = this.#contacts.with(from);
    if (contact !== undefined) {
      if (contact.beacon(this.#beacons.peerNonce, now)) return undefined;
      this.#close(contact, "restarted", now);
    }
    if (reconciliation.owner >= 0 || !this.#acquaintances.ready(from, now)) return undefined;
    const estimate = this.#beacons.estimate();
    if (estimate === 0) return undefined;
    const opened = this.#begin(from, this.#sessionId(), true, now);
    if (opened === undefined) return undefined;
    opened.beacon(this.#beacons.peerNonce, now);
    reconciliation.open(this.#beacons.peerNonce, estimate, this.#beacons.peerCount, this.#beacons.peerTakesV2);
    opened.link.fragmentBytes = reconciliation.fragmentBytes;
    return undefined;
  }

  /**
   * May a peer that knows nothing of a contact open one? When both opened at once, the lower address stays the initiator.
   * An opening of our own that nobody answered gives way to a lower address too, so that no ring of nodes can wait for
   * one another. A peer that opens again and again, and never comes to Drops, pauses between: the workspace is for all.
   */
  #admit(known: Contact | undefined, from: MacAddress, now: number): Refusal | undefined {
    const owner = this.reconciliation.owner;
    const engaged = owner < 0 ? undefined : this.#contacts.at(owner);
    if (engaged !== undefined && engaged !== known) {
      if (!engaged.awaitsAnswer || !lowerAddress(from, this.#radio.address)) return "busy";
      this.#close(engaged, "superseded", now);
    }
    if (known === undefined) return this.#acquaintances.pauses(from, now) ? "busy" : undefined;
    if (known.awaitsAnswer && !lowerAddress(from, this.#radio.address)) return "tie";
    this.#close(known, "superseded", now);
    return this.#acquaintances.pauses(from, now) ? "busy" : undefined;
  }

  #begin(peer: MacAddress, sessionId: number, initiator: boolean, now: number): Contact | undefined {
    if (this.contacts === CONTACTS_MAX && this.reconciliation.owner < 0) {
      // One contact yields its place, if one may.
      const { lingering } = this.#contacts;
      if (lingering !== undefined) this.#close(lingering, "yielded", now);
    }
    const contact = this.#contacts.free;
    if (contact === undefined || !this.reconciliation.lend(contact.index, now)) return undefined;
    contact.begin(peer, sessionId, initiator, now);
    this.#contacts.open++;
    this.assemblies.contacts = Math.max(this.contacts, 1);
    this.events.contactOpened(contact.peer, sessionId);
    return contact;
  }

  #close(contact: Contact, reason: CloseReason, now: number): void {
    const idled = !contact.initiator && contact.reconciling;
    contact.end();
    this.#contacts.open--;
    this.assemblies.contacts = Math.max(this.contacts, 1);
    this.#acquaintances.ended(contact.peer, contact.moved > 0, idled, now);
    this.events.contactClosed(contact.peer, contact.link.sessionId, reason);
  }

  /** Contacts that are over end here. */
  #review(now: number): void {
    for (let i = 0, left = this.contacts; left > 0 && i < CONTACTS_MAX; i++) {
      const contact = this.#contacts.at(i);
      if (contact.phase === "free") continue;
      left--;
      const reason = contact.review(now);
      if (reason !== undefined) this.#close(contact, reason, now);
    }
  }

  /** Send until the radio is full or nothing is left to send; true in the latter case. */
  #transmit(now: number): boolean {
    const radio = this.#radio;
    if (now >= this.#beacons.dueMs) {
      if (radio.full) return false;
      const lengthBytes = this.#beacons.write(this.#frameOut);
      if (!radio.send(this.#frameOut, lengthBytes, BROADCAST)) return false;
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
        contact.link.sent(header, now);
        this.#verification.defer(now);
        idle = 0;
      } else {
        idle++;
      }
      this.#sentLast = contact.index;
    }
    return true;
  }

  #verify(now: number): void {
    if (now < this.#verification.dueMs) return;
    const outcome = this.#verification.step(now);
    if (outcome === undefined) return;
    const { slot } = this.#verification;
    if (outcome === "verified") {
      // A log without room for the mark may have given the Drop up.
      if (this.store.markVerified(slot) && this.store.occupied(slot)) this.events.dropVerified(slot);
    } else {
      const low = this.store.idLow(slot);
      const high = this.store.idHigh(slot);
      this.store.remove(slot, CORRUPT);
      this.#forget(slot, low, high, "corrupt");
    }
  }

  /** One that no other contact here has: a broadcast frame tells its session, not its addressee. */
  #sessionId(): number {
    this.#random.fill(this.#chance);
    let sessionId = this.#chance[0]! | (this.#chance[1]! << 8);
    while (this.#contacts.hasSession(sessionId)) sessionId = (sessionId + 1) & 0xffff;
    return sessionId;
  }
}

function lowerAddress(a: MacAddress, b: MacAddress): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return false;
}
