/**
 * Admission: which Drops come into a full store, and which Drop dies for each (docs/temperature.md, "Admission").
 *
 * Heat alone would let anyone with 10,000 fresh Drops wash a store clean, and neither addresses nor movements tell a
 * crowd from one radio that plays a crowd. What nobody can multiply is time. So a Drop that comes by air into a full store,
 * or is written here, is a newcomer for one half-life, and newcomers have a share of the store:
 *
 *   - fewer than the share: the coldest settled Drop dies for it, whatever the newcomer's heat;
 *   - the share is full: the oldest newcomer dies for it, and a contact brings one in for each TOKEN_INTERVAL_MS that it
 *     has lasted.
 *
 * A Drop from the wire displaces the coldest settled Drop, if that is colder.
 *
 * Invariant: in any half-life newcomers displace at most a NEWCOMERS_SHARE-th of the store from among the settled, the
 * coldest of them, however cold all have become; and each newcomer stays for at least share * TOKEN_INTERVAL_MS / contacts
 * at once, whatever is offered meanwhile.
 *
 * Only admission names victims; the order in which it does is modules/temperature/rank.ts. A newcomer is known by its key,
 * which flash keeps, so a restart changes nothing. The queue here says only in which order the newcomers came, and is
 * made anew after a restart. A Drop that died for a newcomer does not come back as one for a while, or two full stores
 * would trade for ever.
 *
 * Refuses to know who a peer is, what its Drops claim, and how often one was moved: all three are free to forge.
 */
import { type Insertion, NOBODY } from "../store/insertion.ts";
import { COLDEST, FLOOD } from "../store/marks.ts";
import type { Store } from "../store/store.ts";
import { isNewcomer, NEWCOMER_RANK_MIN, rank, settledKey } from "../temperature/rank.ts";
import { HEAT_RANGE, HEAT_UNITS_PER_HALF_LIFE } from "../temperature/temperature.ts";

/** A fifth of the store, but a place at least. */
export const NEWCOMERS_SHARE = 5;
/** Who walks past is there for longer: at 80 m of range a pedestrian two minutes, a cyclist half a minute. */
export const TOKEN_INTERVAL_MS = 8_000;
/** As long as a movement is worth half of what it was. */
const NEWCOMER_UNITS = HEAT_UNITS_PER_HALF_LIFE;
/** Remembered of those that died for a newcomer, for each place: what bench eviction delivers grows with it, and so does RAM. */
const DEPARTED_PER_PLACE = 2;

/**
 * `free`: it comes in, and is no newcomer. `newcomer`: it comes in as one. `token`: it does so for a token of its contact.
 * `departed`: it died for a newcomer lately, and does not come in.
 */
export type Admittance = "free" | "newcomer" | "token" | "departed";

/**
 * Why a Drop does not come into a full store. `colder`: the Drops that could die for it are all as warm or warmer. `busy`:
 * every Drop that could die for it is being read.
 */
export type Obstacle = "colder" | "busy";

/** From now on the Drop in this slot is no newcomer. */
function settle(store: Store, slot: number): void {
  store.setHeat(slot, settledKey(store.heat(slot)));
}

function shareOf(room: number): number {
  return Math.max(Math.floor(room / NEWCOMERS_SHARE), 1);
}

export class Admission {
  /** Newcomers in the store. */
  count = 0;
  readonly #store: Store;
  /** The slots of the newcomers by arrival, the oldest first. */
  readonly #slots: Uint16Array;
  readonly #since: Int32Array;
  /** The lower half of the id of each Drop that died for a newcomer lately: a ring. */
  readonly #departed: Uint32Array;
  #departures = 0;
  /** All departures until then are forgotten. */
  #forgotten: number;
  /** Free places of newcomers that were removed. The next Drops in them are newcomers too. */
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

  /** May a Drop that came by air come in? `low`: the lower half of its ShortId. */
  judge(low: number): Admittance {
    const store = this.#store;
    if (store.count < store.room) {
      if (this.#vacant === 0 || this.count >= this.#share) return "free";
      // For tokens, or false Drops would make way for one another faster than true ones may come.
      return this.#forfeited > 0 ? "token" : "newcomer";
    }
    const index = this.#departed.indexOf(low);
    if (index >= 0 && index < this.#departures) return "departed";
    return this.count < this.#share ? "newcomer" : "token";
  }

  /** Time passed: newcomers whose half-life is over are settled, and old departures are forgotten. Before each `judge`. */
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
   * Enter in the insertion which Drop dies for it, and of what; NOBODY when there is room. The insertion's heat key says
   * whether it is a newcomer. Returns why the Drop does not come in; undefined when it does.
   */
  nameVictim(insertion: Insertion): Obstacle | undefined {
    const store = this.#store;
    const newcomer = isNewcomer(insertion.heatKey);
    insertion.victim = NOBODY;
    insertion.cause = COLDEST;
    // Without any room the store says what is wrong.
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
    const limit = newcomer ? NEWCOMER_RANK_MIN : rank(insertion.heatKey);
    let victim = store.firstToDie();
    if (rank(store.heat(victim)) >= limit) return "colder";
    if (store.pins(victim) > 0) {
      victim = store.firstUnreadToDie();
      if (victim === NOBODY || rank(store.heat(victim)) >= limit) return "busy";
    }
    insertion.victim = victim;
    return undefined;
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
      if (now - since >= NEWCOMER_UNITS) settle(store, slot);
      else if (this.count < this.#share) this.#queue(slot, since);
      else if (this.count === 0 || since <= this.#since[0]!) settle(store, slot);
      else {
        // More than there can be, as in a store from before there were newcomers: the youngest are.
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

  /** Into the queue by its arrival. */
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
