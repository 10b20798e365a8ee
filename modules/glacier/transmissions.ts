/**
 * The frames of a link that are in flight, and which of them are lost (docs/protocol.md, "How a link works").
 *
 * Every transmission has an order number, and an acknowledgement tells which fragments arrived. A fragment that did not
 * arrive and was transmitted REORDER_FRAMES or more before the latest that did is lost, and is sent again before
 * anything new. A fragment that was acknowledged is not sent again.
 *
 * Invariant: a fragment is in flight when its bit is set in `SENT` and not in `ACKED` of the table. Then exactly one
 * place of `#ring` names it.
 */
import { ACKED, CLAIM, NAMED, type OutgoingTable, SENT, TYPE } from "./outgoing-table.ts";
import type { RoundTrip } from "./round-trip.ts";

/** A sender's window is never larger. */
export const WINDOW_FRAMES_MAX = 48;
/** Places for transmissions: the window, and some for transmissions that are answered while an older one is not. */
const TRANSMISSIONS = WINDOW_FRAMES_MAX + 8;
/** In place of a transmission: none. No message has as many fragments as this would name. */
const NOTHING = 0xff;
/** In place of an order number: none. */
const NONE = -1;
/** So many later frames may arrive before a missing one counts as lost (QUIC's packet threshold, RFC 9002, 6.1.1). */
const REORDER_FRAMES = 3;

export class Transmissions {
  /** Frames in flight. */
  inFlight = 0;
  /** Transmissions that were given up as lost. Their fragments were or will be repeated. */
  lost = 0;
  readonly #outgoing: OutgoingTable;
  readonly #roundTrip: RoundTrip;
  /** Transmission n has place n % TRANSMISSIONS: its message's place x 16 + its fragment, or NOTHING once answered. */
  readonly #ring = new Uint8Array(TRANSMISSIONS);
  #next = 0;
  #oldest = 0;
  /** The order number of the poll whose answer measures the round trip, or NONE. */
  #timed = NONE;
  #timedMs = 0;

  constructor(outgoing: OutgoingTable, roundTrip: RoundTrip) {
    this.#outgoing = outgoing;
    this.#roundTrip = roundTrip;
  }

  begin(): void {
    this.inFlight = 0;
    this.lost = 0;
    this.#next = 0;
    this.#oldest = 0;
    this.#timed = NONE;
  }

  /** Whether there is no place for one more until the oldest is answered or lost. */
  get full(): boolean {
    return this.#next - this.#oldest >= TRANSMISSIONS;
  }

  /** The answer to the transmission that is added next measures the round trip. */
  time(now: number): void {
    this.#timed = this.#next;
    this.#timedMs = now;
  }

  /** The fragment is in flight from now on. */
  add(place: number, fragment: number): void {
    this.#outgoing.table[SENT + place]! |= 1 << fragment;
    this.#ring[this.#next++ % TRANSMISSIONS] = (place << 4) | fragment;
    this.inFlight++;
  }

  /**
   * Strike the transmissions that are acknowledged, and those that are lost as a result. False when nothing was
   * acknowledged.
   */
  answered(now: number): boolean {
    const table = this.#outgoing.table;
    let latest = NONE;
    for (let order = this.#oldest; order < this.#next; order++) {
      const transmission = this.#ring[order % TRANSMISSIONS]!;
      if (transmission === NOTHING) continue;
      const place = transmission >>> 4;
      if (table[TYPE + place] !== 0 && !(table[ACKED + place]! & (1 << (transmission & 15)))) continue;
      if (order === this.#timed) this.#roundTrip.measure(now - this.#timedMs);
      this.#strike(order);
      latest = order;
    }
    if (latest < 0) return false;
    this.#loseBefore(latest - REORDER_FRAMES + 1);
    return true;
  }

  /** The fragment, which is in flight, was transmitted once more by another link: its own transmission is void. */
  replace(place: number, fragment: number): void {
    const transmission = (place << 4) | fragment;
    for (let order = this.#oldest; order < this.#next; order++) {
      if (this.#ring[order % TRANSMISSIONS] === transmission) this.#strike(order);
    }
    this.#forgetStruck();
  }

  /** The oldest transmission is lost. */
  loseOldest(): void {
    this.#loseBefore(this.#oldest + 1);
  }

  loseAll(): void {
    this.#loseBefore(this.#next);
  }

  /** The transmissions with a lower order number are lost: their fragments are sent again, before anything new. */
  #loseBefore(end: number): void {
    const outgoing = this.#outgoing;
    const table = outgoing.table;
    for (let order = this.#oldest; order < end; order++) {
      const transmission = this.#ring[order % TRANSMISSIONS]!;
      if (transmission === NOTHING) continue;
      const place = transmission >>> 4;
      table[SENT + place]! &= ~(1 << (transmission & 15));
      if (table[ACKED + place] === 0) table[CLAIM + place]! &= ~NAMED;
      this.#strike(order);
      outgoing.unsentFrom = outgoing.base;
      this.lost++;
    }
    this.#forgetStruck();
  }

  #strike(order: number): void {
    if (order === this.#timed) this.#timed = NONE;
    this.#ring[order % TRANSMISSIONS] = NOTHING;
    this.inFlight--;
  }

  #forgetStruck(): void {
    while (this.#oldest < this.#next && this.#ring[this.#oldest % TRANSMISSIONS] === NOTHING) this.#oldest++;
  }
}
