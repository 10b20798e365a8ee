/**
 * Peers with which a contact ended lately, and how long this node waits before the next contact with each of them.
 *
 * The sets of two nodes may differ although neither store keeps what the other offers. Such nodes would open one
 * contact after another as long as they hear each other's beacons. So the wait after a contact depends on what came of
 * it:
 * - After a contact in which a Drop moved, the next contact may begin after RECONTACT_MS.
 * - After a contact in which no Drop moved, the wait doubles, up to 64 times RECONTACT_MS. The same holds for an
 *   opening that the peer did not answer, since many neighbours may be heard that do not hear this node. But anyone may
 *   send a beacon under the peer's address. So the wait after such an opening holds only for the nonce that was
 *   answered.
 *
 * Invariant: the table has ACQUAINTANCES_MAX entries and never grows, because an address is free to forge. The entry
 * whose wait was over first makes room for a new peer, so a peer that must wait for long is not forgotten for peers
 * that wait for a second. A peer that is not in the table is treated as new.
 */
import type { MacAddress } from "./ports.ts";
import type { Retained } from "./retained.ts";

export const ACQUAINTANCES_MAX = 64;
const RECONTACT_MS = 1_000;
/** Doublings of RECONTACT_MS: at most 64 s. */
const DOUBLINGS_MAX = 6;
/** Beside the doublings: the last contact ended with Drops that the peer was presumed to overhear. */
const PRESUMED = 0x80;
/** The nonce of a contact for which the peer's beacon was not heard. */
const NO_NONCE = 0;

/**
 * What came of a contact. "moved": a Drop moved. "barren": no Drop moved. "unanswered": the peer did not answer this
 * node's OPEN.
 */
export type Ending = "moved" | "barren" | "unanswered";

/** 17 bytes for each peer. */
export class Acquaintances {
  /** The first four bytes of each address, as one word, and the last two. */
  readonly #low = new Int32Array(ACQUAINTANCES_MAX);
  readonly #high = new Uint16Array(ACQUAINTANCES_MAX);
  readonly #untilMs = new Float64Array(ACQUAINTANCES_MAX).fill(-Infinity);
  readonly #doublings = new Uint8Array(ACQUAINTANCES_MAX);
  /** The first bytes of the nonce to which an unanswered opening answered; else NO_NONCE. */
  readonly #nonces = new Uint16Array(ACQUAINTANCES_MAX);

  /** How often in a row the last contacts with this peer came to nothing: it may need more time than others. */
  failures(peer: MacAddress): number {
    const i = this.#indexOf(peer);
    return i < 0 ? 0 : this.#doublings[i]! & ~PRESUMED;
  }

  /**
   * Whether this node may presume in its next contact with the peer that the peer overhears. It may not in two contacts
   * in a row, because anyone may send frames that this node hears and the peer does not.
   */
  mayPresume(peer: MacAddress): boolean {
    const i = this.#indexOf(peer);
    return i < 0 || (this.#doublings[i]! & PRESUMED) === 0;
  }

  /** Whether this node may open a contact with this peer now, whose beacon has a nonce with these first bytes. */
  ready(peer: MacAddress, nonce: number, now: number): boolean {
    const i = this.#indexOf(peer);
    if (i < 0 || now >= this.#untilMs[i]!) return true;
    return this.#nonces[i] !== NO_NONCE && this.#nonces[i] !== nonce;
  }

  /** A contact with this peer ended. `nonce`: the first bytes of the nonce to which this node's OPEN answered. */
  ended(peer: MacAddress, ending: Ending, nonce: number, now: number): void {
    let i = this.#indexOf(peer);
    if (i < 0) {
      i = this.#soonest();
      this.#low[i] = lowOf(peer);
      this.#high[i] = highOf(peer);
      this.#doublings[i] = 0;
    }
    this.#nonces[i] = ending === "unanswered" ? nonce : NO_NONCE;
    this.#doublings[i]! &= ~PRESUMED;
    if (ending === "moved") this.#doublings[i] = 0;
    this.#untilMs[i] = now + RECONTACT_MS * (1 << this.#doublings[i]!);
    if (ending !== "moved" && this.#doublings[i]! < DOUBLINGS_MAX) this.#doublings[i]!++;
  }

  #soonest(): number {
    let soonest = 0;
    for (let i = 1; i < ACQUAINTANCES_MAX; i++) if (this.#untilMs[i]! < this.#untilMs[soonest]!) soonest = i;
    return soonest;
  }

  /**
   * The contact with this peer that ended last left out Drops that the peer has presumably overheard. The peer's next
   * beacon tells whether it has, so the next contact may begin at once.
   */
  presumed(peer: MacAddress, now: number): void {
    const i = this.#indexOf(peer);
    if (i < 0) return;
    this.#untilMs[i] = now;
    if (this.#doublings[i]! > 0) this.#doublings[i]!--;
    this.#doublings[i]! |= PRESUMED;
  }

  /**
   * Peers whose wait is not over when the node sleeps shall wait on afterwards. A wait after an unanswered opening is
   * not taken: anyone may replay the beacon of a peer that sleeps, and the peer wakes with the nonce of that beacon.
   */
  carry(over: Retained): void {
    over.carry(this.#low);
    over.carry(this.#high);
    over.carry(this.#untilMs);
    over.carry(this.#doublings);
    over.carry(this.#nonces);
    if (over.saving) return;
    for (let i = 0; i < ACQUAINTANCES_MAX; i++) if (this.#nonces[i] !== NO_NONCE) this.#untilMs[i] = -Infinity;
  }

  #indexOf(peer: MacAddress): number {
    const low = lowOf(peer);
    const high = highOf(peer);
    // The engine's own search, as in Fingerprint.find.
    let i = this.#low.indexOf(low);
    while (i >= 0 && (this.#high[i] !== high || this.#untilMs[i] === -Infinity)) i = this.#low.indexOf(low, i + 1);
    return i;
  }
}

function lowOf(address: MacAddress): number {
  return address[0]! | (address[1]! << 8) | (address[2]! << 16) | (address[3]! << 24);
}

function highOf(address: MacAddress): number {
  return address[4]! | (address[5]! << 8);
}
