/**
 * The index in RAM: one slot for each Drop in the store (docs/store.md, "What it takes").
 *
 * A node asks all the time whether it has a Drop, which Drop is hottest, and which Drop dies first. Flash is too slow
 * for these questions. So the index holds everything that the store knows of a Drop except its bytes: 24 bytes for each
 * slot, hash chains included, all allocated in the constructor.
 *
 * A Drop is found by its ShortId, in a chain of slots. The low bits of the ShortId choose the chain. They need no
 * further hashing, because ids are hashes already. A sender who forges ids to lengthen a chain gets a search of at most
 * `capacity` steps, which is as long as any search for the coldest Drop.
 *
 * Invariant: a slot's number stays the same while its Drop lives. The index refuses to touch the flash.
 */
import { ABOVE_ALL_KEYS, firstToDie } from "../temperature/rank.ts";

const NONE = 0xffff;
/**
 * Drops in each chain of a full store. A longer chain costs one more comparison in a search and saves 2 bytes of RAM.
 */
const DROPS_PER_CHAIN = 3;

/**
 * Slots beyond the capacity, for mount. A record that should be DEAD but could not be marked, because its sector was
 * worn, takes a slot until mount reads the records after it.
 */
const SPARE_SLOTS = 8;

const OCCUPIED = 1;
const VERIFIED = 2;
/** The heat key changed since it was last written to flash. */
const CHANGED = 4;
/** The bits from here on count the readers of the Drop, who must not lose it: at most 31. */
const PIN = 8;
/** All flags are below this, since they have eight bits. */
const FLAGS_END = 256;

export class Slots {
  readonly capacity: number;
  /** The number of all slots. Only mount uses the slots beyond the capacity, and it empties them again. */
  readonly length: number;
  /** Drops in the store. */
  count = 0;
  /** Of these, Drops whose hash is not yet checked. */
  unverified = 0;
  /** Slots whose heat key changed since it was last written. */
  changed = 0;
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  readonly heat: Int32Array;
  readonly lengthBytes: Uint16Array;
  /** Where the body is: the sector (NOWHERE when the Drop has no body), and the byte in that sector. */
  readonly bodySector: Uint16Array;
  readonly bodyOffset: Uint16Array;
  /**
   * Where the record is: its row (the sequence of its log sector modulo `RecordLog.rows`), and its number in that
   * sector.
   */
  readonly recordRow: Uint8Array;
  readonly recordNumber: Uint8Array;
  readonly #flags: Uint8Array;
  /** The next slot: of an occupied slot, the next slot of its chain; of a free slot, the next free slot. */
  readonly #next: Uint16Array;
  readonly #chains: Uint16Array;
  readonly #mask: number;
  #firstFree = 0;

  constructor(capacity: number) {
    let chains = 1;
    while (chains * DROPS_PER_CHAIN < capacity) chains *= 2;
    const length = capacity + SPARE_SLOTS;
    this.capacity = capacity;
    this.length = length;
    this.low = new Uint32Array(length);
    this.high = new Uint32Array(length);
    this.heat = new Int32Array(length);
    this.lengthBytes = new Uint16Array(length);
    this.bodySector = new Uint16Array(length);
    this.bodyOffset = new Uint16Array(length);
    this.recordRow = new Uint8Array(length);
    this.recordNumber = new Uint8Array(length);
    this.#flags = new Uint8Array(length);
    this.#next = new Uint16Array(length);
    this.#chains = new Uint16Array(chains);
    this.#mask = chains - 1;
    this.clear();
  }

  clear(): void {
    const next = this.#next;
    this.count = 0;
    this.unverified = 0;
    this.changed = 0;
    this.#flags.fill(0);
    this.#chains.fill(NONE);
    for (let slot = 0; slot < this.length; slot++) next[slot] = slot + 1;
    next[this.length - 1] = NONE;
    this.#firstFree = 0;
  }

  /** The slot of the Drop with this ShortId; -1 when the Drop is not here. */
  find(low: number, high: number): number {
    const lows = this.low;
    const highs = this.high;
    const next = this.#next;
    let slot = this.#chains[low & this.#mask]!;
    while (slot !== NONE) {
      if (lows[slot] === low && highs[slot] === high) return slot;
      slot = next[slot]!;
    }
    return -1;
  }

  /**
   * The slot of the Drop that dies first (modules/temperature/rank.ts); -1 when there is none. Spare slots and pinned
   * Drops count too.
   */
  firstToDie(): number {
    return firstToDie(this.heat, this.#flags, FLAGS_END);
  }

  /** The slot of the Drop that dies first of the Drops that nobody reads; -1 when there is none. */
  firstUnreadToDie(): number {
    return firstToDie(this.heat, this.#flags, PIN);
  }

  /**
   * Fill `into` with the slots of the best of the verified Drops whose bits are set in `among`, the best Drop last. A
   * Drop whose entry in `first` is 1 is better than all others; otherwise the hotter Drop is better. Returns how many
   * slots were filled in.
   */
  hottestFew(into: Uint16Array, among: Uint8Array, first: Uint8Array): number {
    const { heat, capacity } = this;
    const flags = this.#flags;
    const last = into.length - 1;
    let count = 0;
    let least = -Infinity;
    let slot = 0;
    while (slot < capacity) {
      if (among[slot >>> 3]! & (1 << (slot & 7)) && flags[slot]! & VERIFIED) {
        const order = heat[slot]! + first[slot]! * ABOVE_ALL_KEYS;
        if (count <= last || order > least) {
          // The places before hold cooler Drops. A full list loses the first of them.
          let place = count <= last ? count++ : 0;
          const down = place > 0;
          while (down && place > 0 && this.#offerOrder(into[place - 1]!, first) >= order) {
            into[place] = into[place - 1]!;
            place--;
          }
          while (!down && place < count - 1 && this.#offerOrder(into[place + 1]!, first) < order) {
            into[place] = into[place + 1]!;
            place++;
          }
          into[place] = slot;
          least = this.#offerOrder(into[0]!, first);
        }
      }
      slot++;
    }
    return count;
  }

  /** The Drop with the highest offer order is offered first: a Drop whose entry in `first` is 1, else the hottest. */
  #offerOrder(slot: number, first: Uint8Array): number {
    return this.heat[slot]! + first[slot]! * ABOVE_ALL_KEYS;
  }

  pin(slot: number): void {
    this.#flags[slot] = this.#flags[slot]! + PIN;
  }

  pins(slot: number): number {
    return Math.floor(this.#flags[slot]! / PIN);
  }

  unpin(slot: number): void {
    if (this.#flags[slot]! >= PIN) this.#flags[slot] = this.#flags[slot]! - PIN;
  }

  /**
   * Make the list of free slots anew, without the spare slots. A Drop in a spare slot stays there until it is removed.
   */
  closeSpares(): void {
    this.#firstFree = NONE;
    for (let slot = this.capacity - 1; slot >= 0; slot--) {
      if (this.occupied(slot)) continue;
      this.#next[slot] = this.#firstFree;
      this.#firstFree = slot;
    }
  }

  /**
   * Take a slot for a new Drop, which is not verified. The caller enters where its body and its record are, and has
   * made sure that a slot is free. Throws an Error if no slot is free.
   */
  add(low: number, high: number, lengthBytes: number, heatKey: number): number {
    const slot = this.#firstFree;
    if (slot === NONE) throw new Error("store: no free slot");
    const chain = low & this.#mask;
    this.#firstFree = this.#next[slot]!;
    this.#next[slot] = this.#chains[chain]!;
    this.#chains[chain] = slot;
    this.low[slot] = low;
    this.high[slot] = high;
    this.lengthBytes[slot] = lengthBytes;
    this.heat[slot] = heatKey;
    this.#flags[slot] = OCCUPIED;
    this.count++;
    this.unverified++;
    return slot;
  }

  remove(slot: number): void {
    const next = this.#next;
    const chain = this.low[slot]! & this.#mask;
    this.written(slot);
    if (this.#chains[chain] === slot) {
      this.#chains[chain] = next[slot]!;
    } else {
      let before = this.#chains[chain]!;
      while (next[before] !== slot) before = next[before]!;
      next[before] = next[slot]!;
    }
    next[slot] = this.#firstFree;
    this.#firstFree = slot;
    if (!this.verified(slot)) this.unverified--;
    this.#flags[slot] = 0;
    this.count--;
  }

  occupied(slot: number): boolean {
    return (this.#flags[slot]! & OCCUPIED) !== 0;
  }

  verified(slot: number): boolean {
    return (this.#flags[slot]! & VERIFIED) !== 0;
  }

  setVerified(slot: number, verified: boolean): void {
    if (this.verified(slot) === verified) return;
    this.#flags[slot] = this.#flags[slot]! ^ VERIFIED;
    this.unverified += verified ? -1 : 1;
  }

  heatChanged(slot: number): boolean {
    return (this.#flags[slot]! & CHANGED) !== 0;
  }

  setHeat(slot: number, key: number): void {
    if (this.heat[slot] === key) return;
    this.heat[slot] = key;
    if (this.heatChanged(slot)) return;
    this.#flags[slot] = this.#flags[slot]! | CHANGED;
    this.changed++;
  }

  /** The slot's present heat key is on flash. */
  written(slot: number): void {
    if (!this.heatChanged(slot)) return;
    this.#flags[slot] = this.#flags[slot]! & ~CHANGED;
    this.changed--;
  }
}
