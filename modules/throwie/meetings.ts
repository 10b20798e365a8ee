/**
 * Meetings: with which peers this node has contacts, and which of them gives way (docs/protocol.md, "Contacts").
 *
 * A beacon whose set differs makes this node open a contact, and an OPEN asks this node for one. CONTACTS_MAX contacts
 * may run at once, and one of them at a time may reconcile. Both are scarce among many neighbours, and beacons and
 * addresses are free to forge. So whom this node meets depends on what came of earlier contacts (acquaintances.ts), on
 * who calls and since when (callers.ts), on whether the peer seems to be there (presence.ts), and on whether it brought
 * false Drops (falsehoods.ts).
 *
 * This class refuses to know what a contact does (contact.ts).
 */
import type { Frame } from "../glacier/frame.ts";
import type { Store } from "../store/store.ts";
import { Acquaintances } from "./acquaintances.ts";
import type { Assemblies } from "./assemblies.ts";
import type { Beacons } from "./beacons.ts";
import { Callers } from "./callers.ts";
import type { Contact } from "./contact.ts";
import { CONTACTS_MAX, type Contacts } from "./contacts.ts";
import type { Custody } from "./custody.ts";
import type { Dice } from "./dice.ts";
import type { CloseReason, NodeEvents } from "./events.ts";
import type { Falsehoods } from "./falsehoods.ts";
import type { Overhearing } from "./overhearing.ts";
import { ADDRESS_BYTES, type MacAddress, type Radio } from "./ports.ts";
import { Presence } from "./presence.ts";
import type { Reconciliation } from "./reconciliation.ts";
import type { Retained } from "./retained.ts";

/** While a peer is about to have the same Drops, one beacon in so many opens a contact all the same. */
const CONVERGING_BEACONS = 32;
/** At a node where every Drop waits for its turn, a contact of its own choice lasts so long: seven turns. */
const CROWDED_CONTACT_MS = 60_000;
/** So many contacts are enough for such a node. A peer that has more to gain calls. */
const CROWDED_CONTACTS = 2;

/** Why a peer that calls is not let in. */
export type Obstruction = "busy" | "tie";

export interface MeetingsOptions {
  /** The radio, for its address. */
  radio: Radio;
  dice: Dice;
  store: Store;
  events: NodeEvents;
  beacons: Beacons;
  assemblies: Assemblies;
  reconciliation: Reconciliation;
  contacts: Contacts;
  sharing: Overhearing;
  custody: Custody;
  falsehoods: Falsehoods;
}

export class Meetings {
  readonly #radio: Radio;
  readonly #dice: Dice;
  readonly #store: Store;
  readonly #events: NodeEvents;
  readonly #beacons: Beacons;
  readonly #assemblies: Assemblies;
  readonly #reconciliation: Reconciliation;
  readonly #contacts: Contacts;
  readonly #sharing: Overhearing;
  readonly #custody: Custody;
  readonly #falsehoods: Falsehoods;
  readonly #acquaintances = new Acquaintances();
  readonly #callers: Callers;
  readonly #presence = new Presence();

  constructor(options: MeetingsOptions) {
    this.#radio = options.radio;
    this.#dice = options.dice;
    this.#store = options.store;
    this.#events = options.events;
    this.#beacons = options.beacons;
    this.#assemblies = options.assemblies;
    this.#reconciliation = options.reconciliation;
    this.#contacts = options.contacts;
    this.#sharing = options.sharing;
    this.#custody = options.custody;
    this.#falsehoods = options.falsehoods;
    this.#callers = new Callers(options.dice);
  }

  /** Take the beacon in this frame, and open a contact if the peer's set differs. False: the frame is no beacon. */
  beacon(frame: Frame, from: MacAddress, now: number): boolean {
    const beacons = this.#beacons;
    if (!beacons.read(frame)) return false;
    if (this.#contacts.open > 0) {
      const contact = this.#contacts.with(from);
      if (contact !== undefined) {
        if (contact.beacon(beacons, now)) return true;
        this.#close(contact, "restarted", now);
      }
    }
    if (beacons.equal(now) || this.#falsehoods.shuns(from, now)) return true;
    const estimate = this.#worthOpening(from, now);
    if (estimate !== 0) this.#openTo(from, estimate, now);
    return true;
  }

  /** About how many Drops a contact with the sender of the beacon could move. 0: this node opens none now. */
  #worthOpening(from: MacAddress, now: number): number {
    const beacons = this.#beacons;
    const likely = this.#presence.likely(beacons.nonceLow, now);
    const engaged = this.#engaged;
    if (engaged !== undefined && !(engaged.awaitsAnswer && engaged.stalled(now))) return 0;
    // A peer that calls has heard this node. Whoever only beacons may not hear it.
    if (!this.#acquaintances.ready(from, beacons.answering, now) || this.#callers.othersWait(from, now)) return 0;
    if (!likely) return 0;
    const estimate = beacons.estimate(now);
    if (estimate === undefined || estimate === 0) return 0;
    const store = this.#store;
    if (store.count < store.room && this.#sharing.converges(estimate, now)) {
      // Otherwise anyone could keep nodes apart with a small Drop now and then.
      if (!this.#dice.oneIn(CONVERGING_BEACONS)) return 0;
    }
    return beacons.peerCount >= store.count && this.#hasEnough(now) ? 0 : estimate;
  }

  #openTo(peer: MacAddress, estimate: number, now: number): void {
    const beacons = this.#beacons;
    const reconciliation = this.#reconciliation;
    const engaged = this.#engaged;
    if (engaged !== undefined) this.#close(engaged, "unanswered", now);
    const opened = this.#begin(peer, this.#sessionId(), true, now);
    if (opened === undefined) return;
    opened.beacon(beacons, now);
    reconciliation.open(opened.peerNonce, estimate, beacons.peerCount, beacons.peerTakesV2);
    opened.link.fragmentBytes = reconciliation.fragmentBytes;
  }

  /** The contact that has the workspace for reconciliation, if any. */
  get #engaged(): Contact | undefined {
    const { owner } = this.#reconciliation;
    return owner < 0 ? undefined : this.#contacts.at(owner);
  }

  /**
   * Whether this node has contacts enough with peers as full as itself. While every Drop waits for its turn here, more
   * contacts would cost the air of their openings and bring little. A contact that has lasted for long gives way.
   */
  #hasEnough(now: number): boolean {
    if (this.#contacts.open < CROWDED_CONTACTS || !this.#custody.crowded) return false;
    const { lingering } = this.#contacts;
    if (lingering === undefined || now - lingering.link.begunMs < CROWDED_CONTACT_MS) return true;
    this.#close(lingering, "yielded", now);
    return false;
  }

  /**
   * A peer opens a contact: the new contact, or why there is none. `known`: this node's contact with the peer, in
   * another session.
   */
  call(known: Contact | undefined, from: MacAddress, sessionId: number, now: number): Contact | Obstruction {
    const obstruction = this.#admit(known, from, now);
    return obstruction ?? this.#begin(from, sessionId, false, now) ?? "busy";
  }

  /**
   * Make way for a peer that opens a contact. Returns why the peer may not open one.
   * - While a session goes on, nobody opens another one under the peer's address.
   * - Of the peers that call, the one that has called for longest is next (callers.ts).
   * - When both nodes opened at once, the node with the lower address stays the initiator.
   */
  #admit(known: Contact | undefined, from: MacAddress, now: number): Obstruction | undefined {
    if (known?.outweighs(now) === true || this.#falsehoods.shuns(from, now)) return "busy";
    const engaged = this.#engaged;
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
    return engaged.awaitsAnswer && (lowerAddress(from, this.#radio.address) || this.#dice.oneIn(2));
  }

  /** Begin a contact. Undefined when no contact is free or the workspace is in use. */
  #begin(peer: MacAddress, sessionId: number, initiator: boolean, now: number): Contact | undefined {
    const contacts = this.#contacts;
    if (contacts.open === CONTACTS_MAX && this.#reconciliation.owner < 0) {
      // One contact yields its place, if any contact may.
      const { lingering } = contacts;
      if (lingering !== undefined) this.#close(lingering, "yielded", now);
    }
    const contact = contacts.free;
    if (contact === undefined || !this.#reconciliation.lend(contact.index, now)) return undefined;
    contact.begin(peer, sessionId, initiator, now);
    contact.failures = this.#acquaintances.failures(peer);
    contact.presumes = this.#acquaintances.mayPresume(peer);
    contacts.open++;
    this.#assemblies.contacts = contacts.open;
    this.#events.contactOpened(contact.peer, sessionId);
    return contact;
  }

  /**
   * A session id that no other contact of this node has. A broadcast frame names only its session, not the node for
   * which it is meant.
   */
  #sessionId(): number {
    let sessionId = this.#dice.u16();
    while (this.#contacts.hasSession(sessionId)) sessionId = (sessionId + 1) & 0xffff;
    return sessionId;
  }

  /** Close the contacts that are over. */
  review(now: number): void {
    for (let i = 0, left = this.#contacts.open; left > 0 && i < CONTACTS_MAX; i++) {
      const contact = this.#contacts.at(i);
      if (contact.phase === "free") continue;
      left--;
      const reason = contact.review(now);
      if (reason !== undefined) this.#close(contact, reason, now);
    }
  }

  /** Close the contacts with peers that brought false Drops again and again. */
  shun(now: number): void {
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const contact = this.#contacts.at(i);
      if (contact.phase !== "free" && this.#falsehoods.shuns(contact.peer, now)) this.#close(contact, "refused", now);
    }
  }

  /** Peers with which this node waits. */
  carry(over: Retained): void {
    this.#acquaintances.carry(over);
  }

  #close(contact: Contact, reason: CloseReason, now: number): void {
    const { ending } = contact;
    if (ending === "unanswered") this.#presence.unanswered(now);
    contact.end();
    this.#contacts.open--;
    this.#assemblies.contacts = Math.max(this.#contacts.open, 1);
    this.#acquaintances.ended(contact.peer, ending, contact.peerNonce[0]! | (contact.peerNonce[1]! << 8), now);
    if (contact.presumed > 0) this.#acquaintances.presumed(contact.peer, now);
    this.#events.contactClosed(contact.peer, contact.link.sessionId, reason);
  }
}

function lowerAddress(a: MacAddress, b: MacAddress): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return false;
}
