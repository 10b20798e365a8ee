/**
 * Admission: which Drops come into a full store, and which Drop dies for each (docs/temperature.md, "Admission").
 *
 * With heat alone, anyone with 10,000 fresh Drops could replace all Drops of a store. Addresses and movements do not
 * help, because one radio can play a crowd. But nobody can multiply time. So a Drop that comes by air into a full
 * store is a newcomer for one half-life, and newcomers have a share of the store:
 *
 * - While fewer Drops than the share are newcomers, the coldest settled Drop dies for the new Drop, however cold the
 *   new Drop is.
 * - When the share is full, the oldest newcomer dies for the new Drop. A contact earns a token for each
 *   TOKEN_INTERVAL_MS that it lasts, and spends one for each such Drop.
 *
 * A Drop from the wire displaces the coldest settled Drop, if that Drop is colder. It is never a newcomer.
 *
 * A Drop that a person writes here always comes in, and is never a newcomer: the first Drop to die makes room, read or
 * not. While it is protected (own-drops.ts), it is nobody's victim.
 *
 * A newcomer is known by its heat key, which is on flash, so a restart changes nothing. The queue in this class says
 * only in which order the newcomers came, and is made anew after a restart. A Drop that died for a newcomer does not
 * come back as a newcomer for a while. Otherwise two full stores would trade the same Drops for ever. A sleep keeps the
 * latest of these deaths (retained.ts).
 *
 * Invariants:
 * - In any half-life, newcomers displace at most a NEWCOMERS_SHARE-th of the store from among the settled Drops, and
 *   always the coldest of these, however cold all Drops have become.
 * - Each newcomer stays for at least share * TOKEN_INTERVAL_MS / CONTACTS_MAX, whatever peers offer meanwhile.
 * - Only admission names victims. A settled victim is the first Drop to die in the order of
 *   modules/temperature/rank.ts.
 *
 * Admission refuses to use three facts because they are free to forge: which peer brings a Drop, what heat the peer
 * claims for it, and how often the Drop was moved.
 */

import { COLDEST, FLOOD } from "../store/causes.ts";
import { type Insertion, NOBODY } from "../store/insertion.ts";
import type { Store } from "../store/store.ts";
import { isNewcomer, NEWCOMER_RANK_MIN, rank, settledKey } from "../temperature/rank.ts";
import { HEAT_RANGE, HEAT_UNITS_PER_HALF_LIFE } from "../temperature/temperature.ts";
import type { Retained } from "./retained.ts";

/** The part of a store that newcomers may take: a fifth, and at least one place. */
export const NEWCOMERS_SHARE = 5;
/**
 * A contact earns a token in this time. People who pass stay in range for longer: at 80 m of range a pedestrian stays
 * for two minutes, and a cyclist for half a minute.
 */
export const TOKEN_INTERVAL_MS = 8_000;
/** A Drop is a newcomer for one half-life: until a movement is worth half of what it was. */
const NEWCOMER_UNITS = HEAT_UNITS_PER_HALF_LIFE;
/**
 * Remembered deaths for each place in the store, of Drops that died for a newcomer. With more, bench eviction delivers
 * more, and a board needs more RAM.
 */
const DEPARTED_PER_PLACE = 2;
/** The latest of these outlive a sleep: as many as RTC memory has room for, beside all else. */
const DEPARTED_RETAINED = 512;

/**
 * Whether a Drop from the air comes in. `free`: it comes in, and is not a newcomer. `newcomer`: it comes in as a
 * newcomer. `token`: it comes in as a newcomer if its contact spends a token. `departed`: it died for a newcomer
 * lately, and does not come in.
 */
export type Admittance = "free" | "newcomer" | "token" | "departed";

/**
 * Why a Drop does not come into a full store. `colder`: all Drops that could die for it are as warm or warmer. `busy`:
 * every Drop that could die for it is being read.
 */
export type Obstacle = "colder" | "busy";

/** The Drop in this slot becomes a settled Drop. */
function settle(store: Store, slot: number): void {
  store.setHeat(slot, settledKey(store.heat(slot)));
}

function shareOf(room: number): number {
  return Math.max(Math.floor(room / NEWCOMERS_SHARE), 1);
}

export class Admission {
  /** The number of newcomers in the store. */
  count = 0;
  readonly #store: Store;
  /** The slots of the newcomers by arrival, the oldest newcomer first. */
  readonly #slots: Uint16Array;
  /** The heat time at which each of these newcomers came. */
  readonly #since: Int32Array;
  /** The low word of the ShortId of each Drop that died for a newcomer lately: a ring. */
  readonly #departed: Uint32Array;
  #departures = 0;
  /** Heat time at which all departures before it were forgotten. */
  #forgotten: number;
  /** Free places that are kept for newcomers, so that junk that was removed makes no room to settle in. */
  #vacant = 0;
  /** Of these, the places of newcomers that were removed in this life. A Drop takes such a place for a token. */
  #forfeited = 0;

  constructor(store: Store, now: number) {
    this.#store = store;
    const newcomersMax = shareOf(store.capacity);
    this.#slots = new Uint16Array(newcomersMax);
    this.#since = new Int32Array(newcomersMax);
    this.#departed = new Uint32Array(DEPARTED_PER_PLACE * store.capacity);
    this.#forgotten = now;
    if (store.count + this.#share >= store.room) this.#vacant = store.room - store.count;
    this.#resume(now);
  }

  /** Whether a Drop from the air comes in. `low`: the low word of its ShortId. */
  judge(low: number): Admittance {
    const store = this.#store;
    if (store.count < store.room) {
      if (this.#vacant === 0 || this.count >= this.#share) return "free";
      // Without tokens, false Drops would make room for one another faster than true Drops may come.
      return this.#forfeited > 0 ? "token" : "newcomer";
    }
    const index = this.#departed.indexOf(low);
    if (index >= 0 && index < this.#departures) return "departed";
    return this.count < this.#share ? "newcomer" : "token";
  }

  /** Whether every Drop that comes in now costs its contact a token. The caller calls `settle` before. */
  get crowded(): boolean {
    const store = this.#store;
    const full = store.count >= store.room;
    return full ? this.count >= this.#share : this.#vacant > 0 && this.count < this.#share && this.#forfeited > 0;
  }

  /**
   * Settle the newcomers whose half-life is over, and forget old departures. The caller calls this before each `judge`.
   */
  settle(now: number): void {
    const store = this.#store;
    if (now - this.#forgotten >= HEAT_RANGE) {
      this.#forgotten = now;
      this.#departures = 0;
    }
    while (this.count > 0 && now - this.#since[0]! >= NEWCOMER_UNITS) {
      const slot = this.#slots[0]!;
      this.#leave(0);
      // The store may have given the Drop up, and `recount` was not called yet.
      if (store.occupied(slot)) settle(store, slot);
    }
    // A store that is full has no free places.
    if (store.count >= store.room) this.#vacant = this.#forfeited = 0;
  }

  /**
   * Enter into the insertion which Drop dies for it, and of what; NOBODY when there is room. The insertion's heat key
   * says whether its Drop is a newcomer. Returns why the Drop does not come in; undefined when it does.
   */
  nameVictim(insertion: Insertion): Obstacle | undefined {
    const store = this.#store;
    const newcomer = isNewcomer(insertion.heatKey);
    insertion.victim = NOBODY;
    insertion.cause = COLDEST;
    // If the store has no room at all, the store itself says what is wrong.
    if (store.count < store.room || store.room === 0) return undefined;
    if (newcomer && this.count >= this.#share) {
      insertion.cause = FLOOD;
      for (let place = 0; place < this.count; place++) {
        const slot = this.#slots[place]!;
        // The store may have given the Drop up, and `recount` was not called yet.
        if (!store.occupied(slot) || !isNewcomer(store.heat(slot)) || store.pins(slot) > 0) continue;
        insertion.victim = slot;
        return undefined;
      }
      return "busy";
    }
    const first = store.firstToDie();
    const unread = store.pins(first) > 0 ? store.firstUnreadToDie() : first;
    if (insertion.own) {
      insertion.victim = unread === NOBODY ? first : unread;
      return undefined;
    }
    const limit = newcomer ? NEWCOMER_RANK_MIN : rank(insertion.heatKey);
    if (store.isProtected(first) || rank(store.heat(first)) >= limit) return "colder";
    if (unread === NOBODY || rank(store.heat(unread)) >= limit) return "busy";
    insertion.victim = unread;
    return undefined;
  }

  /** The Drop that was in this slot died for a newcomer. `low`: the low word of its ShortId. */
  displaced(slot: number, low: number): void {
    this.#departed[this.#departures++ % this.#departed.length] = low;
    const place = this.#placeOf(slot);
    if (place >= 0) this.#leave(place);
  }

  /** The Drop that was just stored in this slot is a newcomer. */
  entered(slot: number, now: number): void {
    const store = this.#store;
    this.left(slot);
    this.#vacant = Math.min(Math.max(this.#vacant - 1, 0), store.room - store.count);
    this.#forfeited = Math.min(Math.max(this.#forfeited - 1, 0), this.#vacant);
    this.#queue(slot, now);
  }

  /** The Drop in this slot is gone, but did not die for a newcomer. */
  left(slot: number): void {
    const place = this.#placeOf(slot);
    if (place < 0) return;
    this.#leave(place);
    this.#vacant++;
    this.#forfeited++;
  }

  /** The store itself gave Drops up: take these Drops out of the queue. */
  recount(): void {
    const store = this.#store;
    for (let place = this.count - 1; place >= 0; place--) {
      const slot = this.#slots[place]!;
      if (!store.occupied(slot) || !isNewcomer(store.heat(slot))) this.#leave(place);
    }
  }

  /** Whoever could put a board to sleep could otherwise bring in anew what died here, and junk without tokens. */
  carry(over: Retained): void {
    const departed = this.#departed;
    const { length } = departed;
    const count = over.number(Math.min(this.#departures, length, DEPARTED_RETAINED));
    // From the oldest on: in a ring, they may lie in two pieces.
    const first = over.saving ? (this.#departures - count) % length : 0;
    const piece = Math.min(count, length - first);
    over.carry(departed.subarray(first, first + piece));
    over.carry(departed.subarray(0, count - piece));
    if (!over.saving) this.#departures = count;
    this.#forgotten = over.number(this.#forgotten);
    this.#forfeited = Math.min(over.number(this.#forfeited), this.#vacant);
  }

  /** Queue the newcomers from before the restart. */
  #resume(now: number): void {
    const store = this.#store;
    for (let slot = 0; slot < store.capacity; slot++) {
      if (!store.occupied(slot) || !isNewcomer(store.heat(slot))) continue;
      // A Drop that is not verified came just before the restart.
      const since = store.verified(slot) ? (store.verifiedSince(slot) ?? -Infinity) : now;
      if (now - since >= NEWCOMER_UNITS) settle(store, slot);
      else if (this.count < this.#share) this.#queue(slot, since);
      else if (this.count === 0 || since <= this.#since[0]!) settle(store, slot);
      else {
        // More newcomers than the share, as in a store from before this rule: the youngest stay newcomers.
        const oldest = this.#slots[0]!;
        this.#leave(0);
        settle(store, oldest);
        this.#queue(slot, since);
      }
    }
  }

  get #share(): number {
    return shareOf(this.#store.room);
  }

  /** Put the slot into the queue, by the time of its Drop's arrival. */
  #queue(slot: number, since: number): void {
    let place = this.count++;
    for (; place > 0 && this.#since[place - 1]! > since; place--) {
      this.#slots[place] = this.#slots[place - 1]!;
      this.#since[place] = this.#since[place - 1]!;
    }
    this.#slots[place] = slot;
    this.#since[place] = since;
  }

  #leave(place: number): void {
    this.#slots.copyWithin(place, place + 1, this.count);
    this.#since.copyWithin(place, place + 1, this.count);
    this.count--;
  }

  #placeOf(slot: number): number {
    const place = this.#slots.indexOf(slot);
    return place < this.count ? place : NOBODY;
  }
}
