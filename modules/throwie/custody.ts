/**
 * Custody: the Drops that a node holds, from the moment when each comes in until it is gone (docs/temperature.md,
 * docs/store.md).
 *
 * A Drop comes in from a peer, from the person at this node, or by wire. Admission judges it and names the Drop that
 * dies for it in a full store. The Drop is stored as it came, and its hash is checked later, slice by slice. While it
 * is here it warms whenever it moves. It goes when it dies for another, when its hash is wrong, or when its person
 * asks. All parts of the node that count Drops hear of each that comes or goes: beacons, contacts, admission, and the
 * host.
 *
 * Invariant: a Drop is "stored" only when it is durable. This class refuses to know how Drops travel (contact.ts).
 */
import { dropId, shortIdHigh, shortIdLow } from "../drop/drop.ts";
import type { Assembly } from "../glacier/assembly.ts";
import { MESSAGE_PREFIX_BYTES } from "../glacier/message.ts";
import { CORRUPT, REMOVED } from "../store/causes.ts";
import { Insertion, NOBODY } from "../store/insertion.ts";
import { HAND_ONS_MIN, type Store } from "../store/store.ts";
import { isNewcomer, newcomerKey, settledKey } from "../temperature/rank.ts";
import {
  coldKey,
  freshKey,
  HEAT_UNITS_PER_HALF_LIFE,
  heatTime,
  keyOfClaim,
  raise,
} from "../temperature/temperature.ts";
import { Admission, type Admittance, type Obstacle } from "./admission.ts";
import type { Beacons } from "./beacons.ts";
import type { Contact, Keeper, KeepOutcome } from "./contact.ts";
import type { Contacts } from "./contacts.ts";
import type { NodeEvents } from "./events.ts";
import type { Falsehoods } from "./falsehoods.ts";
import type { Overhearing } from "./overhearing.ts";
import { OwnDrops } from "./own-drops.ts";
import type { Clock, MacAddress } from "./ports.ts";
import type { Retained } from "./retained.ts";
import type { Verification } from "./verification.ts";

/**
 * Drops that come by wire in the same step start equally cold. An eighth of a half-life: most of a day, if that is a
 * week.
 */
const WIRE_STEP = HEAT_UNITS_PER_HALF_LIFE >>> 3;
/** From one Drop that is hashed anew to the next. 750 Drops take five days. */
const LOOK_INTERVAL_MS = 600_000;
/** Words of peers about false Drops make the node hash at most one Drop in this time: a tenth of its work at most. */
const SUSPICION_INTERVAL_MS = 5_000;
/** So long after the last Drop came in, and with no Drop to check, the store erases sectors ahead. */
const CALM_MS = 10_000;
/** One place in so many of the store is not for overheard Drops. */
const UNHEARD_SHARE = 5;

/** What became of a Drop that was to come in, as in `PublishOutcome` (throwie.ts). */
type Outcome = "stored" | "known" | "flash" | Obstacle;

export interface CustodyOptions {
  store: Store;
  clock: Clock;
  halfLifeMs: number;
  /** The `epoch` of a node that slept. Undefined: the node's clock has just begun. */
  epoch: number | undefined;
  events: NodeEvents;
  beacons: Beacons;
  contacts: Contacts;
  sharing: Overhearing;
  verification: Verification;
  falsehoods: Falsehoods;
}

export class Custody implements Keeper {
  /** Heat time at which the clock was 0: a signed 32-bit integer. */
  readonly epoch: number;
  /** Names the Drop that dies for another. A bench that tries other rules replaces its methods. */
  readonly admission: Admission;
  /** When sectors are erased ahead. Infinity: enough are. */
  calmMs = Infinity;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #halfLifeMs: number;
  readonly #events: NodeEvents;
  readonly #beacons: Beacons;
  readonly #contacts: Contacts;
  readonly #sharing: Overhearing;
  readonly #verification: Verification;
  readonly #falsehoods: Falsehoods;
  readonly #ownDrops: OwnDrops;
  readonly #insertion = new Insertion();
  #suspicionMs = -SUSPICION_INTERVAL_MS;
  #sacrificed = 0;
  /** Which Drop was last hashed anew because bits flip in time: the count of LOOK_INTERVAL_MS on the clock. */
  #looked: number;

  constructor(options: CustodyOptions) {
    const { store, clock, halfLifeMs } = options;
    this.#store = store;
    this.#clock = clock;
    this.#halfLifeMs = halfLifeMs;
    this.#events = options.events;
    this.#beacons = options.beacons;
    this.#contacts = options.contacts;
    this.#sharing = options.sharing;
    this.#verification = options.verification;
    this.#falsehoods = options.falsehoods;
    const recorded = store.epoch - heatTime(clock.now(), halfLifeMs);
    this.epoch = Math.max(options.epoch ?? recorded, recorded);
    this.#looked = lookAt(clock.now());
    this.admission = new Admission(store, this.heatNow());
    this.#ownDrops = new OwnDrops(store);
  }

  /**
   * Heat time now. It is never before the last heat time that the store recorded. So the order of the Drops survives a
   * restart, however long the node was off.
   */
  heatNow(): number {
    return this.epoch + heatTime(this.#clock.now(), this.#halfLifeMs);
  }

  // Drops come in

  /** As `Throwie.publish`. */
  publish(drop: Uint8Array, origin: "own" | "wire"): Outcome {
    const id = dropId(drop);
    const now = this.heatNow();
    // All Drops that come by wire within a step start equally cold, so that none of them can displace another.
    const own = origin === "own";
    const key = own ? freshKey(now) : coldKey(now - (now % WIRE_STEP));
    if (own && this.#store.find(shortIdLow(id), shortIdHigh(id)) < 0) this.#giveWay();
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
      if (outcome === "known" && own) this.#claim(this.#store.find(shortIdLow(id), shortIdHigh(id)));
      return outcome;
    }
    const slot = this.#store.lastSlot;
    this.#events.dropStored(slot, undefined);
    this.#markVerified(slot);
    return outcome;
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
    const { count, room } = this.#store;
    return UNHEARD_SHARE * (room - count) > room && this.judge(low) === "free";
  }

  /** Store a Drop that arrived whole. `contact`: the contact that brought it; undefined for an overheard Drop. */
  keep(assembly: Assembly, peer: MacAddress, contact?: Contact): KeepOutcome {
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
    const slot = this.#store.lastSlot;
    this.warm(slot);
    this.#sharing.came(this.#clock.now());
    if (admittance === "token") contact?.spendToken();
    this.#falsehoods.brought(slot, peer);
    this.#events.dropStored(slot, peer);
    if (this.#falsehoods.wasFalse(assembly.shortIdLow, assembly.shortIdHigh)) return "doubted";
    contact?.countMoved();
    return outcome;
  }

  /** Store the Drop in `#insertion`. In a full store, the Drop that admission names dies for it. */
  #insert(admittance: Admittance): Outcome {
    const store = this.#store;
    const { admission } = this;
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
    this.calmMs = this.#clock.now() + CALM_MS;
    this.recount();
    if (newcomer) admission.entered(store.lastSlot, now);
    return outcome;
  }

  /** Protected Drops give way until there is room for one more. */
  #giveWay(): void {
    const store = this.#store;
    for (;;) {
      const slot = this.#ownDrops.firstToGiveWay();
      if (slot === NOBODY) return;
      store.markOwn(slot, true, HAND_ONS_MIN);
      this.#events.dropGaveWay(store.idLow(slot), store.idHigh(slot));
    }
  }

  /** A person writes here what was here before. */
  #claim(slot: number): void {
    if (this.#store.isOwn(slot)) return;
    this.#giveWay();
    this.#store.markOwn(slot, true, 0);
  }

  // Drops move, and are checked

  /** The Drop in this slot has moved once more: raise its heat. A newcomer stays a newcomer. */
  warm(slot: number): void {
    const key = this.#store.heat(slot);
    const raised = raise(key, this.heatNow());
    this.#store.setHeat(slot, isNewcomer(key) ? newcomerKey(raised) : settledKey(raised));
  }

  /** The peer keeps the Drop in this slot: the Drop moved. */
  handedOn(slot: number, peer: MacAddress): void {
    this.warm(slot);
    this.#ownDrops.handedOn(slot, this.#clock.now());
    this.#falsehoods.gave(this.#store.idLow(slot), this.#store.idHigh(slot), peer);
  }

  /** The peer took the Drop in this slot whole, and did not keep it. Perhaps it found the Drop false. */
  suspect(slot: number): void {
    const now = this.#clock.now();
    if (now - this.#suspicionMs < SUSPICION_INTERVAL_MS) return;
    this.#suspicionMs = now;
    this.#verification.suspect(slot);
  }

  /**
   * The Drops that this contact offers are known. Its peer said to keep some of them. Perhaps the peer found them
   * false: check these first.
   */
  recheck(contact: Contact): void {
    const falsehoods = this.#falsehoods;
    for (let i = falsehoods.nextGiven(contact.peer, -1); i >= 0; i = falsehoods.nextGiven(contact.peer, i)) {
      const slot = this.#store.find(falsehoods.lowAt(i), falsehoods.highAt(i));
      if (slot < 0 || !contact.lacks(slot)) continue;
      if (!this.#verification.suspect(slot)) return;
      falsehoods.forgive(i);
      contact.withdraw(slot);
    }
  }

  /** Hash one slice of a Drop if that is due. True when a Drop was found false and is gone. */
  verify(now: number): boolean {
    const verification = this.#verification;
    if (now < verification.dueMs) return false;
    const outcome = verification.step(now);
    if (outcome === undefined) return false;
    const { slot } = verification;
    if (outcome === "verified") {
      this.#markVerified(slot);
      return false;
    }
    const store = this.#store;
    const low = store.idLow(slot);
    const high = store.idHigh(slot);
    // A Drop that was right once is false because of this node's own flash.
    if (!store.verified(slot)) this.#falsehoods.found(slot, low, high, now);
    store.remove(slot, CORRUPT);
    this.#forget(slot, low, high, "corrupt");
    return true;
  }

  /** The Drop's hash is right: write this to flash, and tell the host when it is new. */
  #markVerified(slot: number): void {
    const store = this.#store;
    const isNew = store.markVerified(slot);
    // If the log had no room for the mark, the store may have given the Drop up.
    if (!store.occupied(slot)) return;
    this.#falsehoods.right(slot, store.idLow(slot), store.idHigh(slot));
    this.#contacts.verified(slot);
    if (isNew) this.#events.dropVerified(slot);
  }

  // Drops go

  /** As `Throwie.remove`. */
  remove(low: number, high: number): boolean {
    const slot = this.#store.find(low, high);
    if (slot < 0) return false;
    this.#store.remove(slot, REMOVED);
    this.#forget(slot, low, high, "removed");
    return true;
  }

  /** The Drop that was in this slot is gone: tell all parts of the node, and the host. */
  #forget(slot: number, low: number, high: number, cause: "evicted" | "corrupt" | "removed"): void {
    this.admission.left(slot);
    this.#beacons.remove(low, high);
    this.#contacts.withdraw(slot);
    this.#events.dropLost(low, high, cause);
  }

  /** If the store itself gave Drops up to save the rest, bring beacons, admission and offers up to date. */
  recount(): void {
    const store = this.#store;
    if (store.counters.sacrificed === this.#sacrificed) return;
    this.#sacrificed = store.counters.sacrificed;
    this.#beacons.recount();
    this.admission.recount();
    for (let slot = 0; slot < store.capacity; slot++) if (!store.occupied(slot)) this.#contacts.withdraw(slot);
  }

  // Upkeep of the store

  /**
   * Write heat keys when a checkpoint is due, and now and then choose a Drop whose bits may have flipped. This happens
   * during contacts too, because peers could keep contacts open for ever.
   */
  keepUp(now: number): void {
    const store = this.#store;
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

  /** Write the heat keys that are only in RAM to flash. */
  checkpoint(): void {
    this.#store.checkpoint(this.heatNow());
  }

  /** What died here, and which Drop was looked at last. */
  carry(over: Retained): void {
    this.#looked = over.number(this.#looked);
    this.admission.carry(over);
  }

  /** Do one step of cleaning, so that the next insert need not wait for it. True when there is more to clean. */
  clean(now: number): boolean {
    const store = this.#store;
    // A node that has stored nothing since it started has nothing to clean. An erase at each wake-up would wear the
    // flash.
    if (store.counters.inserted === 0) return false;
    if (store.clean(this.heatNow())) return true;
    if (now < this.calmMs) return false;
    if (store.unverified === 0 && store.eraseAhead()) return true;
    // There are Drops to check first, or enough is erased until Drops come in again.
    this.calmMs = store.unverified > 0 ? now + CALM_MS : Infinity;
    return false;
  }
}

/** How often the time for a look at a Drop has come since the clock's beginning. */
function lookAt(now: number): number {
  return Math.floor(now / LOOK_INTERVAL_MS);
}
