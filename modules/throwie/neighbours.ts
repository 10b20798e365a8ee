/**
 * This node's set of Drops under the nonces of its neighbours (docs/protocol.md, "BEACON").
 *
 * A beacon says what its sender holds under a nonce of the sender. To compare, a listener needs the fingerprint of its
 * own set under that nonce. An ESP32 needs a third of a second to count 750 Drops in TypeScript, and in a crowd fifty
 * neighbours send a beacon each second. Most of the time neither set changes, so the same fingerprint is wanted again.
 *
 * So the node keeps its fingerprint under each of the last NEIGHBOURS_MAX nonces. A Drop that comes or goes is only
 * noted. The fingerprint under a nonce takes in the noted changes when the next beacon under that nonce asks for it.
 * Only for a nonce that is not here, or that missed more than CHANGES_MAX changes, all Drops are counted.
 *
 * A nonce is free to forge, so counting has a budget: COUNTS_PER_SECOND. Beacons that come when the budget is spent
 * find no answer, and their senders come again within a second. The nonce that was heard longest ago makes room for a
 * new one. So a forger at full budget cannot drive out a neighbour that is heard every few seconds.
 *
 * Invariant: as long as the node reports each Drop that comes or goes (`add`, `remove`, `recount`), an answer of this
 * class is right for the store as it is. This class refuses to decide whether a contact is opened.
 */
import { Fingerprint } from "../rbsr/fingerprint.ts";
import type { Store } from "../store/store.ts";
import type { Effort } from "./effort.ts";
import type { Retained } from "./retained.ts";

/** Fifty neighbours, and the nonces that a forger may bring between two beacons of a neighbour. */
export const NEIGHBOURS_MAX = 64;
/** To take in so many changes costs a sixth of counting 750 Drops. */
const CHANGES_MAX = 128;
/** Each costs a board 750 mixes of native code, about a millisecond. */
export const COUNTS_PER_SECOND = 5;
/** The neighbours heard last whose fingerprints outlive a sleep. */
const NEIGHBOURS_RETAINED = 8;
const CAME = 1;
const WENT = 0;

export class Neighbours {
  readonly #store: Store;
  readonly #effort: Effort;
  readonly #under = new Fingerprint(NEIGHBOURS_MAX);
  /** The number of changes that the fingerprint under each nonce has taken in. */
  readonly #versions = new Int32Array(NEIGHBOURS_MAX).fill(-CHANGES_MAX - 1);
  readonly #heardMs = new Float64Array(NEIGHBOURS_MAX).fill(-Infinity);
  /** The number of changes since the node began. */
  #version = 0;
  // The last changes: a ring.
  readonly #low = new Int32Array(CHANGES_MAX);
  readonly #high = new Int32Array(CHANGES_MAX);
  readonly #kinds = new Uint8Array(CHANGES_MAX);
  #counts = COUNTS_PER_SECOND;
  #countedMs: number;

  constructor(store: Store, effort: Effort, now: number) {
    this.#store = store;
    this.#effort = effort;
    this.#countedMs = now;
  }

  add(shortIdLow: number, shortIdHigh: number): void {
    this.#note(shortIdLow, shortIdHigh, CAME);
  }

  remove(shortIdLow: number, shortIdHigh: number): void {
    this.#note(shortIdLow, shortIdHigh, WENT);
  }

  /** Drops came or went that were not reported one by one. */
  recount(): void {
    this.#version = (this.#version + CHANGES_MAX + 1) | 0;
  }

  /**
   * The fingerprint of this node's set under this nonce, if it is known without any hashing. It is selected until the
   * next call.
   */
  known(nonceLow: number, nonceHigh: number, now: number): Fingerprint | undefined {
    const i = this.#under.find(nonceLow, nonceHigh);
    if (i < 0) return undefined;
    this.#heardMs[i] = now;
    if (this.#versions[i] !== this.#version) return undefined;
    this.#under.select(i);
    return this.#under;
  }

  /** The fingerprint of this node's set under this nonce, hashed as far as necessary. Undefined: no budget. */
  fingerprint(nonceLow: number, nonceHigh: number, now: number): Fingerprint | undefined {
    const under = this.#under;
    const found = under.find(nonceLow, nonceHigh);
    if (found < 0 || !this.#mayCatchUp(found)) return this.#count(found, nonceLow, nonceHigh, now);
    under.select(found);
    this.#effort.mixes += (this.#version - this.#versions[found]!) | 0;
    for (let change = this.#versions[found]!; change !== this.#version; change = (change + 1) | 0) {
      const at = change & (CHANGES_MAX - 1);
      if (this.#kinds[at] === CAME) under.add(this.#low[at]!, this.#high[at]!);
      else under.remove(this.#low[at]!, this.#high[at]!);
    }
    this.#versions[found] = this.#version;
    return under;
  }

  /** Of the fingerprints that are up to date, the last heard come first. */
  carry(over: Retained): void {
    let heardMs = Infinity;
    for (let place = 0; place < NEIGHBOURS_RETAINED; place++) {
      const i = over.saving ? this.#lastHeardBefore(heardMs) : place;
      heardMs = over.number(i < 0 ? -Infinity : this.#heardMs[i]!);
      if (heardMs === -Infinity) return;
      this.#under.carry(over, i);
      if (over.saving) continue;
      this.#heardMs[i] = heardMs;
      this.#versions[i] = this.#version;
    }
  }

  /** The fingerprint that is up to date and was heard last, but before then; -1: there is none. */
  #lastHeardBefore(limitMs: number): number {
    let last = -1;
    let lastMs = -Infinity;
    for (let i = 0; i < NEIGHBOURS_MAX; i++) {
      const ms = this.#heardMs[i]!;
      if (ms >= limitMs || ms <= lastMs || this.#versions[i] !== this.#version) continue;
      last = i;
      lastMs = ms;
    }
    return last;
  }

  #mayCatchUp(i: number): boolean {
    const missed = (this.#version - this.#versions[i]!) | 0;
    return missed >= 0 && missed <= CHANGES_MAX;
  }

  /** Count all Drops under the nonce, in the place `found` or, if that is negative, in that of the oldest nonce. */
  #count(found: number, nonceLow: number, nonceHigh: number, now: number): Fingerprint | undefined {
    const earned = ((now - this.#countedMs) * COUNTS_PER_SECOND) / 1_000;
    this.#counts = Math.min(this.#counts + earned, COUNTS_PER_SECOND);
    this.#countedMs = now;
    if (this.#counts < 1) return undefined;
    this.#counts -= 1;
    const i = found < 0 ? this.#oldest() : found;
    const under = this.#under;
    const store = this.#store;
    under.select(i);
    under.begin(nonceLow, nonceHigh);
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot)) under.add(store.idLow(slot), store.idHigh(slot));
    }
    this.#effort.mixes += store.count;
    this.#versions[i] = this.#version;
    this.#heardMs[i] = now;
    return under;
  }

  #oldest(): number {
    let oldest = 0;
    for (let i = 1; i < NEIGHBOURS_MAX; i++) if (this.#heardMs[i]! < this.#heardMs[oldest]!) oldest = i;
    return oldest;
  }

  #note(low: number, high: number, kind: number): void {
    const at = this.#version & (CHANGES_MAX - 1);
    this.#low[at] = low;
    this.#high[at] = high;
    this.#kinds[at] = kind;
    this.#version = (this.#version + 1) | 0;
  }
}
