/**
 * Peers that a contact ended with lately, so that two nodes that have nothing for each other do not open one contact
 * after another as long as they hear each other's beacons.
 *
 * A contact in which something moved may be followed by the next after RECONTACT_MS. One in which nothing did (the sets
 * differ, but neither store keeps what the other offers, or the opening goes unheard) doubles the wait, up to
 * RECONTACT_MS_MAX. The table is a ring: an address is free to forge, so no table of addresses may grow.
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

  /** Has this peer to wait before we take part in a contact of its again? */
  pauses(peer: MacAddress, now: number): boolean {
    const i = this.#indexOf(peer);
    return i >= 0 && now < this.#pausesUntilMs[i]!;
  }

  /** May a contact with this peer be opened now? */
  ready(peer: MacAddress, now: number): boolean {
    const i = this.#indexOf(peer);
    return i < 0 || now >= this.#untilMs[i]!;
  }

  /** `idled`: the peer opened it, and to its end kept others from reconciling. */
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
