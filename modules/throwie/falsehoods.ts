/**
 * What this node knows of false Drops: which Drops it found false, who brought them, and to whom it gave which Drops
 * (docs/protocol.md, "False Drops").
 *
 * One flipped bit in flash makes an honest giver's Drop false. Its takers say that they keep the Drop, find it false,
 * remove it, and lack it at their next contact. Without a memory the giver would give the Drop for ever. So:
 *
 * - A giver remembers the last Drops that peers said to keep. When such a peer lacks the Drop again, or when a peer
 *   does not want a Drop of which all fragments went out, the giver checks its own copy before it gives it again.
 * - A taker remembers the last Drops that it found false. It takes such a Drop again, since another giver's copy may be
 *   right, but it does not say that it keeps it.
 * - A giver of several false Drops waits before this node has another contact with it: longer with each false Drop, and
 *   less with each that is right.
 *
 * A sleep keeps all of this (retained.ts), except who brought the Drops that are not checked: a board that sleeps has
 * checked all of them.
 *
 * Peers are known by a hash of 16 bits, because an address is free to forge anyway. All tables are bounded: the oldest
 * entry makes room. This class refuses to decide whether a Drop is false: only the Drop's hash can (verification.ts).
 */
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";
import type { Retained } from "./retained.ts";

/** Drops that were found false. A bit flips once in years; more entries would only serve liars. */
const FALSE_MAX = 8;
/** Drops that a peer said to keep. */
const GIVEN_MAX = 32;
const GIVERS_MAX = 8;
/** The first falsehood costs a giver nothing: a bit may have flipped. The second costs so long, each further twice. */
const WAIT_MS = 1_000;
/** Doublings of WAIT_MS: at most 16 s. Anyone can send false Drops under an honest giver's address. */
const DOUBLINGS_MAX = 4;
const NOBODY = 0;

export class Falsehoods {
  /** For each slot whose Drop is not checked yet: who brought the Drop. */
  readonly #bringers: Uint16Array;
  readonly #false = new Uint32Array(2 * FALSE_MAX);
  #falseNext = 0;
  readonly #given = new Uint32Array(2 * GIVEN_MAX);
  readonly #givenTo = new Uint16Array(GIVEN_MAX);
  #givenNext = 0;
  readonly #givers = new Uint16Array(GIVERS_MAX);
  readonly #counts = new Uint8Array(GIVERS_MAX);
  readonly #foundMs = new Float64Array(GIVERS_MAX);
  #giversNext = 0;

  constructor(capacity: number) {
    this.#bringers = new Uint16Array(capacity);
  }

  // As a taker

  /** The peer brought the Drop that is now in this slot. */
  brought(slot: number, peer: MacAddress): void {
    this.#bringers[slot] = hashOf(peer);
  }

  /** The Drop in this slot was found false before it was ever found right. */
  found(slot: number, low: number, high: number, now: number): void {
    if (this.#falseAt(low, high) < 0) {
      this.#false[2 * this.#falseNext] = low;
      this.#false[2 * this.#falseNext + 1] = high;
      this.#falseNext = (this.#falseNext + 1) % FALSE_MAX;
    }
    const giver = this.#bringers[slot]!;
    if (giver === NOBODY) return;
    let i = this.#givers.indexOf(giver);
    if (i < 0) {
      i = this.#giversNext;
      this.#giversNext = (this.#giversNext + 1) % GIVERS_MAX;
      this.#givers[i] = giver;
      this.#counts[i] = 0;
    }
    if (this.#counts[i]! < DOUBLINGS_MAX + 2) this.#counts[i]!++;
    this.#foundMs[i] = now;
  }

  /** The Drop in this slot was found right. This speaks for its giver. */
  right(slot: number, low: number, high: number): void {
    const place = this.#falseAt(low, high);
    if (place >= 0) this.#false[2 * place] = this.#false[2 * place + 1] = 0;
    const i = this.#givers.indexOf(this.#bringers[slot]!);
    this.#bringers[slot] = NOBODY;
    if (i >= 0 && this.#counts[i]! > 0) this.#counts[i]!--;
  }

  /** Whether the Drop with this ShortId was found false the last time. */
  wasFalse(low: number, high: number): boolean {
    return this.#falseAt(low, high) >= 0;
  }

  /** Whether this node has no contact with the peer now, because of what the peer brought. */
  shuns(peer: MacAddress, now: number): boolean {
    const i = this.#givers.indexOf(hashOf(peer));
    if (i < 0 || this.#counts[i]! < 2) return false;
    return now < this.#foundMs[i]! + WAIT_MS * (1 << (this.#counts[i]! - 2));
  }

  // As a giver

  /** The peer says that it keeps the Drop with this ShortId. */
  gave(low: number, high: number, peer: MacAddress): void {
    const i = this.#givenNext;
    this.#givenNext = (i + 1) % GIVEN_MAX;
    this.#given[2 * i] = low;
    this.#given[2 * i + 1] = high;
    this.#givenTo[i] = hashOf(peer);
  }

  /**
   * The next Drop, after this place, that the peer said to keep: its place, or -1. Begin with -1. `lowAt` and `highAt`
   * tell which Drop it was.
   */
  nextGiven(peer: MacAddress, after: number): number {
    const to = hashOf(peer);
    for (let i = after + 1; i < GIVEN_MAX; i++) if (this.#givenTo[i] === to) return i;
    return -1;
  }

  /** The Drop at this place is checked, and given again if it is right. */
  forgive(place: number): void {
    this.#givenTo[place] = NOBODY;
  }

  lowAt(place: number): number {
    return this.#given[2 * place]!;
  }

  highAt(place: number): number {
    return this.#given[2 * place + 1]!;
  }

  carry(over: Retained): void {
    over.carry(this.#false);
    this.#falseNext = over.number(this.#falseNext);
    over.carry(this.#given);
    over.carry(this.#givenTo);
    this.#givenNext = over.number(this.#givenNext);
    over.carry(this.#givers);
    over.carry(this.#counts);
    over.carry(this.#foundMs);
    this.#giversNext = over.number(this.#giversNext);
  }

  #falseAt(low: number, high: number): number {
    for (let i = 0; i < FALSE_MAX; i++) if (this.#false[2 * i] === low && this.#false[2 * i + 1] === high) return i;
    return -1;
  }
}

/** A hash of an address, never NOBODY. */
function hashOf(address: MacAddress): number {
  let hash = 0;
  for (let i = 0; i < ADDRESS_BYTES; i++) hash = Math.imul(hash, 0x01000193) ^ address[i]!;
  return ((hash >>> 0) % 0xffff) + 1;
}
