/**
 * Peers that call and find the workspace taken (docs/protocol.md, "Contacts").
 *
 * A node answers one OPEN at a time. If it answered whoever calls at the moment when the workspace becomes free, a
 * radio that calls all the time under new addresses would keep everyone else out. So the node remembers who calls, and
 * since when. Of the peers that still call, the one that has called for longest is next, and a peer that was let in
 * begins anew. So each caller that goes on is let in after all that called before it.
 *
 * A peer's link repeats an OPEN at least every 320 ms. A caller that was not heard for RECENT_MS calls no more.
 *
 * Invariant: the table has CALLERS_MAX entries. When it is full, a new caller is not entered, so those who wait keep
 * their turn, and the new caller comes in by chance. This class refuses to know whether the workspace is free.
 */
import type { Dice } from "./dice.ts";
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";

const CALLERS_MAX = 16;
/** Two repetitions of an OPEN, and a little. */
const RECENT_MS = 700;

export class Callers {
  readonly #dice: Dice;
  readonly #addresses = new Uint8Array(CALLERS_MAX * ADDRESS_BYTES);
  readonly #sinceMs = new Float64Array(CALLERS_MAX);
  readonly #lastMs = new Float64Array(CALLERS_MAX).fill(-Infinity);

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** Whether any other peer calls. */
  othersWait(peer: MacAddress, now: number): boolean {
    for (let i = 0; i < CALLERS_MAX; i++) if (this.#calls(i, now) && !this.#is(i, peer)) return true;
    return false;
  }

  /** A peer calls. Whether it is next. The call is remembered until the peer has `left`. */
  next(peer: MacAddress, now: number): boolean {
    let others = 0;
    let first = Infinity;
    let own = -1;
    let free = -1;
    for (let i = 0; i < CALLERS_MAX; i++) {
      if (!this.#calls(i, now)) {
        free = i;
      } else if (this.#is(i, peer)) {
        own = i;
      } else {
        others++;
        first = Math.min(first, this.#sinceMs[i]!);
      }
    }
    const longest = own >= 0 && this.#sinceMs[own]! <= first;
    if (own < 0 && free >= 0) {
      own = free;
      this.#addresses.set(peer, own * ADDRESS_BYTES);
      this.#sinceMs[own] = now;
    }
    if (own >= 0) this.#lastMs[own] = now;
    if (own < 0) return this.#dice.oneIn(others + 1);
    return others === 0 || longest;
  }

  /** The peer calls no more: it was let in. */
  left(peer: MacAddress): void {
    for (let i = 0; i < CALLERS_MAX; i++) if (this.#is(i, peer)) this.#lastMs[i] = -Infinity;
  }

  #calls(i: number, now: number): boolean {
    return now - this.#lastMs[i]! < RECENT_MS;
  }

  #is(i: number, peer: MacAddress): boolean {
    let at = 0;
    while (at < ADDRESS_BYTES && this.#addresses[i * ADDRESS_BYTES + at] === peer[at]) at++;
    return at === ADDRESS_BYTES;
  }
}
