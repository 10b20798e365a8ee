/**
 * The node's contacts: CONTACTS_MAX contacts, made once, each of them free or open (docs/protocol.md, "Contacts").
 *
 * A frame names a session, a beacon names a peer, and a new peer needs a place. This class finds the contact in each of
 * these cases: by peer, by session, a free contact, or the contact that yields its place. It refuses to open or close
 * contacts, because the rest of the node takes part in that (throwie.ts).
 */
import { Contact, type ContactOwner } from "./contact.ts";
import { type MacAddress, sameAddress } from "./ports.ts";

/** Four passers-by at once. More contacts would not move more Drops, since all of them share the air. */
export const CONTACTS_MAX = 4;

export class Contacts {
  /** How many contacts are open. The node counts. */
  open = 0;
  readonly #contacts: Contact[] = [];

  constructor(owner: ContactOwner) {
    for (let i = 0; i < CONTACTS_MAX; i++) this.#contacts.push(new Contact(owner, i));
  }

  at(index: number): Contact {
    return this.#contacts[index]!;
  }

  /** A free contact, or undefined. */
  get free(): Contact | undefined {
    for (let i = 0; i < CONTACTS_MAX; i++) if (this.#contacts[i]!.phase === "free") return this.#contacts[i];
    return undefined;
  }

  /** The next open contact after this index, cyclically. At least one contact must be open. */
  after(index: number): Contact {
    if (this.open === 1 && this.#contacts[index]!.phase !== "free") return this.#contacts[index]!;
    for (let i = index; ; ) {
      i = i + 1 < CONTACTS_MAX ? i + 1 : 0;
      const contact = this.#contacts[i]!;
      if (contact.phase !== "free") return contact;
    }
  }

  with(peer: MacAddress): Contact | undefined {
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const contact = this.#contacts[i]!;
      if (contact.phase !== "free" && sameAddress(contact.peer, peer)) return contact;
    }
    return undefined;
  }

  hasSession(sessionId: number): boolean {
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const contact = this.#contacts[i]!;
      if (contact.phase !== "free" && contact.link.sessionId === sessionId) return true;
    }
    return false;
  }

  /**
   * Of the contacts that may yield, the contact whose peer was not heard for longest, in whole seconds, and of these
   * the contact that has lasted longest. Undefined when no contact may yield. A peer that waits here says little, and a
   * beacon may be lost, but a peer that has gone says nothing.
   */
  get lingering(): Contact | undefined {
    let longest: Contact | undefined;
    let heardS = Infinity;
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const contact = this.#contacts[i]!;
      if (contact.phase === "free" || !contact.lingers) continue;
      const s = Math.floor(contact.patience.peerHeardMs / 1_000);
      if (s > heardS || (s === heardS && contact.link.begunMs >= longest!.link.begunMs)) continue;
      longest = contact;
      heardS = s;
    }
    return longest;
  }

  /** When a contact next has something to do, in clock milliseconds. Infinity when no contact is open. */
  get deadline(): number {
    let deadline = Infinity;
    for (let i = 0, left = this.open; left > 0 && i < CONTACTS_MAX; i++) {
      const contact = this.#contacts[i]!;
      if (contact.phase === "free") continue;
      left--;
      deadline = Math.min(deadline, contact.deadline);
    }
    return deadline;
  }

  /** The Drop in this slot is gone: no contact offers it any more. */
  withdraw(slot: number): void {
    for (let i = 0; i < CONTACTS_MAX; i++) if (this.#contacts[i]!.phase !== "free") this.#contacts[i]!.withdraw(slot);
  }

  /** The hash of the Drop in this slot was found right. */
  verified(slot: number): void {
    for (let i = 0; i < CONTACTS_MAX; i++) if (this.#contacts[i]!.phase !== "free") this.#contacts[i]!.verified(slot);
  }
}
