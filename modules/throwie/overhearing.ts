/**
 * What the nodes of a crowd overhear (docs/protocol.md, "Overhearing").
 *
 * Drops go by broadcast, and each frame names its Drop. A node that served each of its peers alone would send each Drop
 * once for every peer, and several givers of the same Drops would all send them. So:
 *
 * - A contact takes up the Drops that another contact is sending, and each fragment goes out in one of the contacts.
 *   Every peer tells what it lacks.
 * - A Drop of one frame goes out once, and so does a Drop that another node was heard sending. This node presumes that
 *   the peers of its other contacts have overheard it, unless they lose many frames. Their next beacons tell whether
 *   they have.
 * - While another node gives Drops of this node, this node does not choose its Drops in the same order.
 * - While Drops come in, this node seldom opens a contact with a peer that has nearly the same Drops. Both are about to
 *   have the same.
 *
 * Frames are free to forge, so nothing here lasts: a presumption holds for one contact (acquaintances.ts). This class
 * refuses to decide what this node itself takes from what it overhears (assemblies.ts, admission.ts).
 */
import type { FrameHeader } from "../glacier/frame.ts";
import type { Contact, SharedAir } from "./contact.ts";
import { CONTACTS_MAX, type Contacts } from "./contacts.ts";

/** For so long after another node sent a Drop of this node, others give what this node gives. */
const OTHER_GIVERS_MS = 2_000;
/** Drops come in as long as the last one is not older than this. A Drop at 1 Mbit/s takes 30 ms. */
const COMING_MS = 250;
/** A peer has nearly the same Drops if no more than this differ. */
const CONVERGING_DROPS_MAX = 64;
const NONE = -1;

export class Overhearing implements SharedAir {
  readonly #contacts: Contacts;
  readonly #broadcast: boolean;
  /** When another node was last heard sending a Drop that this node has. */
  #otherGiverMs = -Infinity;
  /** When a Drop last came in by air. */
  #cameMs = -Infinity;

  /** `broadcast`: whether Drops go by broadcast, so that others overhear them. */
  constructor(contacts: Contacts, broadcast: boolean) {
    this.#contacts = contacts;
    this.#broadcast = broadcast;
  }

  /** A Drop came in by air. */
  came(now: number): void {
    this.#cameMs = now;
  }

  /** Another node was heard sending the Drop in this slot. */
  given(slot: number, now: number): void {
    this.#otherGiverMs = now;
    for (let i = 0, left = this.#contacts.open; left > 0 && i < CONTACTS_MAX; i++) {
      const contact = this.#contacts.at(i);
      if (contact.phase === "free") continue;
      left--;
      if (contact.phase === "transferring") contact.given(slot, now);
    }
  }

  /** Whether Drops come in just now, and a peer whose set differs by about so many Drops gets the same. */
  converges(differences: number, now: number): boolean {
    return differences <= CONVERGING_DROPS_MAX && now - this.#cameMs < COMING_MS;
  }

  amongGivers(now: number): boolean {
    return now - this.#otherGiverMs < OTHER_GIVERS_MS;
  }

  underWay(contact: Contact): number {
    if (!this.#shared) return NONE;
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const other = this.#contacts.at(i);
      if (!airsFor(other, contact)) continue;
      const slot = other.link.sender.underWay(contact);
      if (slot >= 0) return slot;
    }
    return NONE;
  }

  aired(contact: Contact, shortIdLow: number, shortIdHigh: number): number {
    let mask = 0;
    if (!this.#shared) return mask;
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const other = this.#contacts.at(i);
      if (airsFor(other, contact)) mask |= other.link.sender.sentOf(shortIdLow, shortIdHigh);
    }
    return mask;
  }

  presume(contact: Contact, slot: number): void {
    if (!this.#shared) return;
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const other = this.#contacts.at(i);
      if (airsFor(contact, other) && !other.link.sender.lossy) other.presume(slot);
    }
  }

  /** The fragment of a Drop with this header went out by broadcast in this contact. */
  air(contact: Contact, header: FrameHeader, now: number): void {
    const { shortIdLow, shortIdHigh, fragment } = header;
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const other = this.#contacts.at(i);
      if (airsFor(contact, other)) other.link.sender.aired(shortIdLow, shortIdHigh, fragment, now);
    }
  }

  /** Whether a Drop that goes out may serve several contacts. */
  get #shared(): boolean {
    return this.#broadcast && this.#contacts.open > 1;
  }
}

/** Whether the peer of `other` can use the Drop frames of `contact`. */
function airsFor(contact: Contact, other: Contact): boolean {
  if (contact === other || contact.phase !== "transferring" || other.phase !== "transferring") return false;
  return contact.link.fragmentBytes === other.link.fragmentBytes;
}
