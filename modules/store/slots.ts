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
/** Of a verified Drop: no record says that it was found right. Of another Drop: it is being hashed anew. */
const UNWRITTEN = 8;
/** The bits from here on count the readers of the Drop, who must not lose it: at most 7. */
const PIN = 16;
/** The owner of the store wrote the Drop, and it was not yet handed on to enough others. */
const PROTECTED = 128;
/** The low bits of the offset of a body: its first byte is escaped; its first bytes are in its record. */
export const ESCAPED = 1;
export const OLD = 2;
/** The bits of `bodyOffset` from here on are the owner's mark. No offset is so great. */
const MARK_AT = 13;
const OFFSET_MASK = (1 << MARK_AT) - 1;
/** The owner's mark: the owner wrote the Drop. The two bits above say to how many others it was handed on. */
const OWN = 1;
/** So many others keep a Drop of the owner well enough: the owner's store protects it no longer. */
export const HAND_ONS_MIN = 3;
/** No slot. */
export const NO_SLOT = -1;
/** Drops that were found right and wait for a record that says so. More wait for the next checkpoint. */
const QUEUE = 8;
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
  /** The sector of the body; NOWHERE when the Drop has no body. */
  readonly bodySector: Uint16Array;
  /** The byte in that sector, and the owner's mark. */
  readonly #bodyOffset: Uint16Array;
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
  /** Drops that were found right, and no record says so. */
  unwritten = 0;
  readonly #queue = new Uint16Array(QUEUE);
  #queued = 0;
  /** Where the search for Drops that were found right goes on, when the queue is empty. */
  #searched = 0;

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
    this.#bodyOffset = new Uint16Array(length);
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
    this.unwritten = 0;
    this.#queued = 0;
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
   * Drops count too. Protected Drops die last.
   */
  firstToDie(): number {
    const slot = firstToDie(this.heat, this.#flags, PROTECTED);
    return slot >= 0 ? slot : firstToDie(this.heat, this.#flags, FLAGS_END);
  }

  /** The slot of the Drop that dies first of the Drops that are not protected and that nobody reads; -1: none. */
  firstUnreadToDie(): number {
    return firstToDie(this.heat, this.#flags, PIN);
  }

  /**
   * Fill `into` with the slots of the best of the verified Drops whose bits are set in `among`, the best Drop last. The
   * owner's Drops are better than all others; otherwise the hotter Drop is better. Returns how many slots were filled
   * in.
   */
  hottestFew(into: Uint16Array, among: Uint8Array): number {
    const heat = this.heat;
    const flags = this.#flags;
    const bodyOffset = this.#bodyOffset;
    let count = 0;
    let least = -Infinity;
    for (let byte = 0; byte < among.length; byte++) {
      let slot = byte << 3;
      for (let bits = among[byte]!; bits !== 0; bits >>>= 1) {
        // Few Drops come further than this line, once the list is full. Only the owner's Drops have a mark.
        if (bits & 1 && (heat[slot]! > least || bodyOffset[slot]! > OFFSET_MASK) && flags[slot]! & VERIFIED) {
          const order = this.#offerOrder(slot);
          if (order > least) {
            const place = this.#placeAmong(into, count, order);
            if (count < into.length) {
              into.copyWithin(place + 1, place, count++);
              into[place] = slot;
            } else {
              into.copyWithin(0, 1, place);
              into[place - 1] = slot;
            }
            if (count === into.length) least = this.#offerOrder(into[0]!);
          }
        }
        slot++;
      }
    }
    return count;
  }

  /** How many of the first `count` slots of this list, whose orders rise, have a lower offer order. */
  #placeAmong(list: Uint16Array, count: number, order: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offerOrder(list[middle]!) < order) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The Drop with the highest offer order is offered first: the owner's, else the hottest. */
  #offerOrder(slot: number): number {
    return this.heat[slot]! + ((this.#bodyOffset[slot]! >>> MARK_AT) & OWN) * ABOVE_ALL_KEYS;
  }

  pin(slot: number): void {
    this.#flags[slot] = this.#flags[slot]! + PIN;
  }

  pins(slot: number): number {
    return (this.#flags[slot]! & (PROTECTED - 1)) >> 4;
  }

  unpin(slot: number): void {
    if (this.pins(slot) > 0) this.#flags[slot] = this.#flags[slot]! - PIN;
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
    this.#bodyOffset[slot] = 0;
    this.#flags[slot] = OCCUPIED;
    this.count++;
    this.unverified++;
    return slot;
  }

  /** Whether the first bytes of the slot's Drop are in its record, as in format 2. */
  old(slot: number): boolean {
    return (this.#bodyOffset[slot]! & OLD) !== 0;
  }

  /** The byte in its sector where the body begins. The low bits are ESCAPED and OLD. */
  offset(slot: number): number {
    return this.#bodyOffset[slot]! & OFFSET_MASK;
  }

  /** The slot's Drop is here from now on. */
  place(slot: number, sector: number, offset: number): void {
    this.bodySector[slot] = sector;
    this.#bodyOffset[slot] = (this.#bodyOffset[slot]! & ~OFFSET_MASK) | offset;
  }

  /** The owner's mark, three bits. 0: somebody else wrote the Drop. */
  mark(slot: number): number {
    return this.#bodyOffset[slot]! >>> MARK_AT;
  }

  setMark(slot: number, own: boolean, handedOn: number): void {
    const mark = (own ? OWN : 0) | (handedOn << 1);
    this.#bodyOffset[slot] = this.offset(slot) | (mark << MARK_AT);
    const flags = this.#flags[slot]! & ~PROTECTED;
    this.#flags[slot] = own && handedOn < HAND_ONS_MIN ? flags | PROTECTED : flags;
  }

  isOwn(slot: number): boolean {
    return (this.mark(slot) & OWN) !== 0;
  }

  handedOn(slot: number): number {
    return this.mark(slot) >>> 1;
  }

  isProtected(slot: number): boolean {
    return (this.#flags[slot]! & PROTECTED) !== 0;
  }

  remove(slot: number): void {
    const next = this.#next;
    const chain = this.low[slot]! & this.#mask;
    this.written(slot);
    this.verifiedWritten(slot);
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

  holds(slot: number, low: number, high: number): boolean {
    return this.low[slot] === low && this.high[slot] === high && (this.#flags[slot]! & OCCUPIED) !== 0;
  }

  verified(slot: number): boolean {
    return (this.#flags[slot]! & VERIFIED) !== 0;
  }

  setVerified(slot: number, verified: boolean): void {
    if (this.verified(slot) === verified) return;
    this.#flags[slot] = this.#flags[slot]! ^ VERIFIED;
    this.unverified += verified ? -1 : 1;
  }

  /** Whether the Drop was found right, though it may be in doubt now. */
  foundRight(slot: number): boolean {
    return (this.#flags[slot]! & (VERIFIED | UNWRITTEN)) !== 0;
  }

  /**
   * The Drop was found right before, but is not taken for verified until it is found right again. If no record says yet
   * that it was, only its next record will.
   */
  doubt(slot: number): void {
    this.verifiedWritten(slot);
    this.setVerified(slot, false);
    this.#flags[slot] = this.#flags[slot]! | UNWRITTEN;
  }

  /** The Drop was found right just now. False: it had been found right before. */
  verify(slot: number): boolean {
    this.setVerified(slot, true);
    this.#flags[slot] = this.#flags[slot]! ^ UNWRITTEN;
    if (!this.#isUnwritten(slot)) return false;
    this.unwritten++;
    if (this.#queued < QUEUE) this.#queue[this.#queued++] = slot;
    return true;
  }

  #isUnwritten(slot: number): boolean {
    return this.verified(slot) && (this.#flags[slot]! & UNWRITTEN) !== 0;
  }

  /** A Drop that was found right, and no record says so; -1: none is at hand. `search`: look at all Drops for one. */
  nextUnwritten(search: boolean): number {
    while (this.#queued > 0) {
      const slot = this.#queue[--this.#queued]!;
      if (this.#isUnwritten(slot)) return slot;
    }
    for (let tried = 0; search && this.unwritten > 0 && tried < this.capacity; tried++) {
      const slot = this.#searched;
      this.#searched = (this.#searched + 1) % this.capacity;
      if (this.#isUnwritten(slot)) return slot;
    }
    return -1;
  }

  /** A record says that the slot's Drop was found right. */
  verifiedWritten(slot: number): void {
    if (!this.#isUnwritten(slot)) return;
    this.#flags[slot] = this.#flags[slot]! & ~UNWRITTEN;
    this.unwritten--;
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
