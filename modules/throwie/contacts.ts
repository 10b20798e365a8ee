/**
 * The node's contacts: CONTACTS_MAX of them, made once, free or open (design section 4).
 *
 * Here they are found: by peer, by session, the one that may give way. What it means for the rest of the node that one begins or
 * ends is the node's affair (throwie.ts).
 */
import { Contact, type ContactOwner } from "./contact.ts";
import { type MacAddress, sameAddress } from "./ports.ts";

/** Four passers-by at once; they share the air anyway. */
export const CONTACTS_MAX = 4;

export class Contacts {
  /** How many are open. */
  open = 0;
  readonly #contacts: Contact[] = [];

  constructor(owner: ContactOwner) {
    for (let i = 0; i < CONTACTS_MAX; i++) this.#contacts.push(new Contact(owner, i));
  }

  at(index: number): Contact {
    return this.#contacts[index]!;
  }

  /** One that is free, or undefined. */
  get free(): Contact | undefined {
    for (let i = 0; i < CONTACTS_MAX; i++) if (this.#contacts[i]!.phase === "free") return this.#contacts[i];
    return undefined;
  }

  /** The next that is open after this place, round and round; there has to be one. */
  after(index: number): Contact {
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

  /** Of the contacts that may make room for another the one that has lasted longest; undefined when there is none. */
  get lingering(): Contact | undefined {
    let longest: Contact | undefined;
    for (let i = 0; i < CONTACTS_MAX; i++) {
      const contact = this.#contacts[i]!;
      const begunMs = longest?.link.begunMs ?? Infinity;
      if (contact.lingers && contact.link.begunMs < begunMs) longest = contact;
    }
    return longest;
  }

  /** When the next of them has something to do, in clock milliseconds. */
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

  /** The Drop in this slot is gone: nobody offers it any more. */
  withdraw(slot: number): void {
    for (let i = 0; i < CONTACTS_MAX; i++) if (this.#contacts[i]!.phase !== "free") this.#contacts[i]!.withdraw(slot);
  }
}
