/**
 * Peers with which a contact ended lately, and how long this node waits before the next contact with each of them.
 *
 * The sets of two nodes may differ although neither store keeps what the other offers. Such nodes would open one
 * contact after another as long as they hear each other's beacons. So the wait after a contact depends on what came of
 * it:
 * - After a contact in which a Drop moved, the next contact may begin after RECONTACT_MS.
 * - After a contact in which no Drop moved, the wait doubles, up to 64 times RECONTACT_MS. The same holds for an
 *   opening that the peer did not hear.
 *
 * Invariant: the table has ACQUAINTANCES_MAX entries and never grows, because an address is free to forge. The oldest
 * entry makes room for a new peer. A peer that is not in the table is treated as new.
 */
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";

const ACQUAINTANCES_MAX = 8;
const RECONTACT_MS = 1_000;
/** Doublings of RECONTACT_MS: at most 64 s. */
const DOUBLINGS_MAX = 6;

export class Acquaintances {
  readonly #addresses = new Uint8Array(ACQUAINTANCES_MAX * ADDRESS_BYTES);
  readonly #untilMs = new Float64Array(ACQUAINTANCES_MAX);
  readonly #pausesUntilMs = new Float64Array(ACQUAINTANCES_MAX);
  readonly #doublings = new Uint8Array(ACQUAINTANCES_MAX);
  #next = 0;

  /** Whether this peer must wait before this node answers an OPEN of the peer again. */
  pauses(peer: MacAddress, now: number): boolean {
    const i = this.#indexOf(peer);
    return i >= 0 && now < this.#pausesUntilMs[i]!;
  }

  /** Whether this node may open a contact with this peer now. */
  ready(peer: MacAddress, now: number): boolean {
    const i = this.#indexOf(peer);
    return i < 0 || now >= this.#untilMs[i]!;
  }

  /**
   * A contact with this peer ended. `fruitful`: a Drop moved in the contact. `idled`: the peer opened the contact, and
   * kept the reconciliation from other peers until the contact ended.
   */
  ended(peer: MacAddress, fruitful: boolean, idled: boolean, now: number): void {
    let i = this.#indexOf(peer);
    if (i < 0) {
      i = this.#next;
      this.#next = (this.#next + 1) % ACQUAINTANCES_MAX;
      this.#addresses.set(peer, i * ADDRESS_BYTES);
      this.#doublings[i] = 0;
    }
    this.#pausesUntilMs[i] = idled ? now + RECONTACT_MS : now;
    if (fruitful) this.#doublings[i] = 0;
    this.#untilMs[i] = now + RECONTACT_MS * (1 << this.#doublings[i]!);
    if (!fruitful && this.#doublings[i]! < DOUBLINGS_MAX) this.#doublings[i]!++;
  }

  #indexOf(peer: MacAddress): number {
    for (let i = 0; i < ACQUAINTANCES_MAX; i++) {
      let at = 0;
      while (at < ADDRESS_BYTES && this.#addresses[i * ADDRESS_BYTES + at] === peer[at]) at++;
      if (at === ADDRESS_BYTES) return i;
    }
    return -1;
  }
}
