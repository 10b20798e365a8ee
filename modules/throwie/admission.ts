/**
 * Admission: who may come into a full store, and who dies for it (docs/temperature.md, "Admission").
 *
 * Heat alone would let anyone with 10,000 fresh Drops wash a store clean, and neither addresses nor movements tell a
 * crowd from one radio that plays a crowd. What nobody can multiply is time. So a Drop that comes into a full store is a
 * newcomer for one half-life, and newcomers have a share of the store:
 *
 *   - fewer than the share: the coldest of the others dies for it, whatever the newcomer's heat;
 *   - the share is full: the oldest newcomer dies for it, and a contact brings one in for each TOKEN_INTERVAL_MS that it has lasted.
 *
 * Invariant: in any half-life newcomers displace at most a NEWCOMERS_SHARE-th of the store from among the settled, the coldest
 * of them, however cold all have become; and each newcomer stays for at least share * TOKEN_INTERVAL_MS / contacts at once, whatever
 * is offered meanwhile.
 *
 * A newcomer's key is odd, every other's even: so flash knows it too, for one heat unit, and a restart changes nothing.
 * In RAM newcomers are pinned, which keeps them out of the store's own choice, and stand in a queue by arrival. Who died for a
 * newcomer does not come back as one for a while, or two full stores would trade for ever.
 *
 * Refuses to know who a peer is, what its Drops claim, and how often one was moved: all three are free to forge.
 */
import { COLDEST, FLOOD } from "../store/marks.ts";
import type { Store } from "../store/store.ts";
import { HEAT_RANGE, HEAT_UNITS_PER_HALF_LIFE } from "../temperature/temperature.ts";

/** A fifth of the store, but a place at least. */
export const NEWCOMERS_SHARE = 5;
/** Who walks past is there for longer: at 80 m of range a pedestrian two minutes, a cyclist half a minute. */
export const TOKEN_INTERVAL_MS = 8_000;
/** As long as a movement is worth half of what it was. */
const NEWCOMER_UNITS = HEAT_UNITS_PER_HALF_LIFE;
/** Remembered of those that died for a newcomer, for each place: what bench eviction delivers grows with it, and so does RAM. */
const DEPARTED_PER_PLACE = 2;
const NOBODY = -1;

/**
 * `free`: it comes in, and is no newcomer. `newcomer`: it comes in as one. `token`: it does so for a token of its contact.
 * `departed`: it died for a newcomer lately, and does not come in.
 */
export type Admittance = "free" | "newcomer" | "token" | "departed";

/** The key of a Drop that is no newcomer: a heat unit is nine seconds of a week. */
export function settledKey(key: number): number {
  return key & ~1;
}

/** Never above the key that it is made of, which may be the highest there is. */
export function newcomerKey(key: number): number {
  return (key - 1) | 1;
}

/** Is a key a newcomer's? */
export function isNewcomer(key: number): boolean {
  return (key & 1) !== 0;
}

function shareOf(room: number): number {
  return Math.max(Math.floor(room / NEWCOMERS_SHARE), 1);
}

export class Admission {
  /** Newcomers in the store. */
  count = 0;
  readonly #store: Store;
  /** By arrival, the oldest first. */
  readonly #slots: Uint16Array;
  readonly #since: Int32Array;
  /** The lower half of the id of each Drop that died for a newcomer lately: a ring. */
  readonly #departed: Uint32Array;
  #departures = 0;
  /** All departures until then are forgotten. */
  #forgotten: number;
  /** Free places that newcomers left by other ways than the queue. They are not for settling in. */
  #vacant = 0;
  /** Of these, places of newcomers that were not what they were announced as. */
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

  /** May a Drop that came by air come in? */
  judge(low: number, now: number): Admittance {
    const store = this.#store;
    this.#settle(now);
    if (store.count < store.room) {
      if (this.#vacant === 0 || this.count >= this.#share) return "free";
      // For tokens, or false Drops would make way for one another faster than true ones may come.
      return this.#forfeited > 0 ? "token" : "newcomer";
    }
    this.#vacant = this.#forfeited = 0;
    const index = this.#departed.indexOf(low);
    if (index >= 0 && index < this.#departures) return "departed";
    return this.count < this.#share ? "newcomer" : "token";
  }

  /** Who dies for the next newcomer, -1: nobody has to, or nobody can because all are being read. */
  get victim(): number {
    const store = this.#store;
    if (store.count < store.room) return NOBODY;
    if (this.count < this.#share) return store.coldest();
    for (let i = 0; i < this.count; i++) if (store.pins(this.#slots[i]!) === 1) return this.#slots[i]!;
    return NOBODY;
  }

  /** What the victim dies of, should the newcomer come in. */
  causeOf(victim: number): number {
    return this.#placeOf(victim) >= 0 ? FLOOD : COLDEST;
  }

  /** The victim, which was in this slot, died for a newcomer. */
  displaced(slot: number, low: number): void {
    this.#departed[this.#departures++ % this.#departed.length] = low;
    const place = this.#placeOf(slot);
    if (place >= 0) this.#leave(place);
  }

  /** The Drop just stored in this slot is a newcomer. */
  entered(slot: number, now: number): void {
    const store = this.#store;
    this.left(slot);
    this.#vacant = Math.min(Math.max(this.#vacant - 1, 0), store.room - store.count);
    this.#forfeited = Math.min(Math.max(this.#forfeited - 1, 0), this.#vacant);
    this.#queue(slot, now);
  }

  /** The Drop in this slot is gone, not for a newcomer. */
  left(slot: number): void {
    const place = this.#placeOf(slot);
    if (place < 0) return;
    this.#leave(place);
    this.#vacant++;
    this.#forfeited++;
  }

  /** The store gave Drops up on its own account. */
  recount(): void {
    const store = this.#store;
    for (let place = this.count - 1; place >= 0; place--) {
      const slot = this.#slots[place]!;
      if (!store.occupied(slot) || !isNewcomer(store.heat(slot))) this.#leave(place);
    }
  }

  /** The newcomers of an earlier life. */
  #resume(now: number): void {
    const store = this.#store;
    for (let slot = 0; slot < store.capacity; slot++) {
      if (!store.occupied(slot) || !isNewcomer(store.heat(slot))) continue;
      // Not checked yet: it came just before the restart.
      const since = store.verified(slot) ? (store.verifiedSince(slot) ?? -Infinity) : now;
      if (now - since >= NEWCOMER_UNITS) this.#release(slot);
      else if (this.count < this.#share) this.#queue(slot, since);
      else if (this.count === 0 || since <= this.#since[0]!) this.#release(slot);
      else {
        // More than there can be, as in a store from before there were newcomers: the youngest are.
        const oldest = this.#slots[0]!;
        this.#leave(0);
        store.unpin(oldest);
        this.#release(oldest);
        this.#queue(slot, since);
      }
    }
  }

  #release(slot: number): void {
    this.#store.setHeat(slot, settledKey(this.#store.heat(slot)));
  }

  get #share(): number {
    return shareOf(this.#store.room);
  }

  /** Who has been here for long enough is no newcomer any more; and where little happens, who departed may come back one day. */
  #settle(now: number): void {
    const store = this.#store;
    if (now - this.#forgotten >= HEAT_RANGE) {
      this.#forgotten = now;
      this.#departures = 0;
    }
    while (this.count > 0 && now - this.#since[0]! >= NEWCOMER_UNITS) {
      const slot = this.#slots[0]!;
      this.#leave(0);
      // The store may have given it up on its own account, and nobody counted yet.
      if (!store.occupied(slot)) continue;
      store.unpin(slot);
      this.#release(slot);
    }
  }

  /** Into the queue by its arrival, pinned. */
  #queue(slot: number, since: number): void {
    const store = this.#store;
    let place = this.count++;
    for (; place > 0 && this.#since[place - 1]! > since; place--) {
      this.#slots[place] = this.#slots[place - 1]!;
      this.#since[place] = this.#since[place - 1]!;
    }
    this.#slots[place] = slot;
    this.#since[place] = since;
    store.pin(slot);
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
