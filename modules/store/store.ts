/**
 * The store: a node's Drops on NOR flash, with an index in RAM (docs/store.md).
 *
 *     const store = new Store(flash);
 *     const outcome = store.mount();            // "mounted" or "formatted", else do not use it
 *     store.insert(insertion);                  // a record that the caller fills anew for each Drop
 *
 * A node may lose power at any moment, has 1.75 MB of flash for its Drops, and must not wear that flash out. Its Drops
 * must survive all of this.
 *
 * A log of records says which Drops are stored. The bodies of the Drops lie in sectors of their own. The body of a Drop
 * is written first and its record second: the record's CRC commits the Drop. In a full store a Drop dies for each Drop
 * that comes in, and the caller names it. Heat keys are kept in RAM. A key goes to flash with the next record of its
 * Drop that is written, or by `checkpoint`.
 *
 * Invariants:
 * - When `insert` says "stored", the Drop survives a power cut at any later moment, until it is evicted or removed.
 * - A Drop that was evicted or removed does not come back.
 * - A power cut during a call leaves that call done or not done.
 * - A torn write or a half-erased sector is never served, and does not keep `mount` from succeeding.
 * - A slot names its Drop as long as the Drop is stored. Only `insert` and `remove` end a Drop, unless the flash gives
 *   out: then any call that writes may give Drops up (`counters.sacrificed`).
 * - Nothing is allocated after the constructor, except by `journal`.
 *
 * The store refuses to know the time, to name a victim, to check a hash (it keeps the result that the node reports by
 * `markVerified`), to touch a partition with a newer format, and to be used before `mount`. It is not re-entrant, and a
 * flash has one store at a time.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";
import { Bodies } from "./bodies.ts";
import { COLDEST, CORRUPT, REMOVED } from "./causes.ts";
import { Collector } from "./collector.ts";
import { StoreCounters, StoreDamage } from "./counters.ts";
import type { Flash } from "./flash.ts";
import { type Insertion, NOBODY } from "./insertion.ts";
import { type Death, readJournal } from "./journal.ts";
import { HEAT_ENTRIES, Layout, LIST_ENTRIES } from "./layout.ts";
import { RecordLog } from "./record-log.ts";
import { type MountOutcome, recover } from "./recover.ts";
import { Sectors } from "./sectors.ts";
import { NO_SLOT, Slots } from "./slots.ts";

/**
 * "mounted": the partition held a store, or what is left of one (`Store.damage`). "formatted": it was blank, and holds
 * a store now. "foreign": it is not blank and was never a store, and nothing was changed. "newer": a newer format is on
 * it, and nothing was changed. "geometry": its size fits no store of this capacity. "flash": no sector could be
 * written.
 */
export type { MountOutcome } from "./recover.ts";
/** So many others keep a Drop of the owner well enough: it is protected no longer. */
export { HAND_ONS_MIN } from "./slots.ts";

/** The number of Drops of the largest size that 1.75 MB hold, with room left for cleaning. */
export const DROPS_MAX = 750;

/**
 * "stored": the Drop is durable. "known": a Drop with this ShortId was here before, and is unchanged. "full": the store
 * is full, and the caller named no victim. "flash": no sector could be written.
 */
export type StoreOutcome = "stored" | "known" | "full" | "flash";
/** A checkpoint without any keys is written only after so much heat time: an hour, if a half-life is a week. */
const TIME_STEP = 390;
/** So much heat time after a checkpoint the next one is due whatever it costs: a day, if a half-life is a week. */
const DAY_STEP = 24 * TIME_STEP;
/** Before that day is over, checkpoints may cost this part of everything that is programmed: a fiftieth. */
const CHECKPOINT_SHARE = 50;
/** A record of 32 bytes counts as so many, because the log is cleaned sooner for it (bench store, "heat"). */
const HEAT_RECORD_COST_BYTES = 124;
/** Sectors that are tried for one write before the flash is taken to be broken. */
const ATTEMPTS_MAX = 4;

/**
 * Drops on one flash (docs/store.md). Times and heat keys are signed 32-bit integers in units of 1/65,536 half-life
 * (docs/temperature.md), a ShortId is two unsigned 32-bit words, and a slot is a number below the capacity.
 *
 * A failure of the flash is an outcome or a counter. A bug of the caller throws an Error: the store is not mounted, the
 * slot has no Drop, the Drop has a size other than 1 to 2,048 bytes, or a read goes beyond the end of the Drop.
 */
export class Store {
  /** The largest number of Drops in the store, while no sector is worn out. */
  readonly capacity: number;
  /** What happened since the constructor, for an operator. */
  readonly counters = new StoreCounters();
  /** What the last mount missed, beyond what a power cut takes away. */
  readonly damage = new StoreDamage();
  /**
   * The latest heat time that was on flash at mount. Heat time continues from here. It changes only at the next mount.
   */
  epoch = 0;
  /** Slot of the Drop that `insert` stored last, or found to be known. */
  lastSlot = -1;
  /** Whether the last `insert` evicted a Drop. */
  evicted = false;
  /** The slot in which the Drop was that was evicted last. */
  lastEvictedSlot = -1;
  /** The low word of the ShortId of the Drop that was evicted last. */
  lastEvictedLow = 0;
  /** The high word of the ShortId of the Drop that was evicted last. */
  lastEvictedHigh = 0;
  readonly #flash: Flash;
  readonly #layout: Layout;
  readonly #sectors: Sectors;
  readonly #slots: Slots;
  readonly #log: RecordLog;
  readonly #bodies: Bodies;
  readonly #collector: Collector;
  /** The slot at which `doubt` goes on. */
  #doubted = 0;
  /** Bytes that were programmed before the last checkpoint. */
  #programmedBefore = 0;
  /** Heat time of the last checkpoint. */
  #checkpointedAt = 0;
  #mounted = false;

  /** Allocates all memory. Reads and writes nothing. */
  constructor(flash: Flash, capacity: number = DROPS_MAX) {
    this.capacity = capacity;
    this.#flash = flash;
    this.#layout = new Layout(flash, capacity);
    this.#sectors = new Sectors(flash, this.#layout);
    this.#slots = new Slots(capacity);
    this.#log = new RecordLog(this.#sectors, this.#slots);
    this.#bodies = new Bodies(this.#sectors);
    this.#collector = new Collector(this.#log, this.#bodies, this.counters);
  }

  /**
   * Read headers and records, but no bodies. Format a blank partition. May be called again, with the effect of a
   * restart.
   */
  mount(): MountOutcome {
    return this.#start(false);
  }

  /**
   * Mount as `mount` does, but format a foreign partition too: everything on it is lost. A board calls this, because a
   * new chip may hold anything, and nobody is there to ask. A partition with sectors of a store is never formatted.
   */
  format(): MountOutcome {
    return this.#start(true);
  }

  #start(takesForeign: boolean): MountOutcome {
    this.#mounted = false;
    if (!this.#layout.fits) return "geometry";
    this.#bodies.clear();
    const outcome = recover(this.#log, this, takesForeign);
    if (outcome !== "mounted" && outcome !== "formatted") return outcome;
    this.epoch = this.#log.recordedTime;
    this.#programmedBefore = this.programmedBytes;
    this.#checkpointedAt = this.epoch;
    // If sectors are worn out, room is below the capacity. Then a cut insert leaves a surplus that `recover` does not
    // see.
    this.#collector.modernise();
    this.#collector.shrink();
    this.#mounted = true;
    return outcome;
  }

  /** The number of Drops in the store. */
  get count(): number {
    return this.#slots.count;
  }

  /** The number of Drops whose hash is not yet checked. */
  get unverified(): number {
    return this.#slots.unverified;
  }

  /** Where the log goes on: it grows with each record. A mount skips at most one place. */
  get position(): number {
    return this.#log.ring.head * this.#layout.recordsPerPair + this.#log.next;
  }

  /** Sectors erased since the constructor. */
  get erases(): number {
    return this.#sectors.erases;
  }

  /** Bytes programmed since the constructor. */
  get programmedBytes(): number {
    return this.#sectors.programmedBytes;
  }

  /** How many Drops the store takes: fewer than the capacity once many sectors are worn out. */
  get room(): number {
    return this.#collector.room;
  }

  /**
   * Bytes of living bodies in the sector of this slot's body; Infinity when that sector is being filled, or when the
   * Drop has no body. A bench measures with this what a strict order of deaths costs.
   */
  liveBytesBeside(slot: number): number {
    return this.#sectors.liveBytesBeside(this.#slots.bodySector[slot]!);
  }

  /** Sectors that failed, before or after the last restart, and are no longer used. */
  get retiredSectors(): number {
    return this.#sectors.retired;
  }

  /** The slot of the Drop with this ShortId, verified or not; -1 when the Drop is not here. */
  find(low: number, high: number): number {
    return this.#slots.find(low, high);
  }

  /**
   * Give up the Drops for which worn sectors left no room, in the order of modules/temperature/rank.ts. The caller
   * calls this before it names a victim. `mount`, `insert` and `clean` do the same. False: the flash took no more.
   */
  shrink(now: number): boolean {
    this.#use(now);
    return this.#collector.shrink();
  }

  /**
   * Store the insertion's bytes as an unverified Drop. Throws unless there are 1 to DROP_SIZE_BYTES_MAX bytes. When the
   * store is full, the victim dies, whatever the heat of both Drops. The new Drop is durable on return, and no victim
   * dies for a Drop that did not come in.
   *
   * Power may fail after the Drop is stored and before the victim is marked. Then mount evicts the first Drop to die
   * (modules/temperature/rank.ts). So a Drop that displaces a hotter Drop needs the key of a newcomer.
   */
  insert(insertion: Insertion): StoreOutcome {
    const { shortIdLow, shortIdHigh, bytes, lengthBytes, victim } = insertion;
    this.#use(insertion.now);
    if (bytes === undefined || lengthBytes < 1 || lengthBytes > DROP_SIZE_BYTES_MAX) {
      throw new Error("store: a Drop is 1 to 2,048 bytes");
    }
    this.evicted = false;
    const slots = this.#slots;
    const known = slots.find(shortIdLow, shortIdHigh);
    if (known >= 0) {
      this.lastSlot = known;
      return "known";
    }
    if (!this.#collector.shrink() || this.room === 0) return "flash";
    const full = slots.count >= this.room;
    if (full && (victim === NOBODY || !slots.occupied(victim))) return "full";
    const room = this.#layout.bodyRoom(lengthBytes);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (!this.#collector.makeRoom(room)) return "flash";
      const sector = this.#collector.takeRoom(room);
      if (!this.#bodies.program(bytes, insertion.offset, lengthBytes)) {
        this.#collector.giveUp(sector, room);
        continue;
      }
      this.#flash.sync();
      const start = this.#bodies.offset;
      if (!this.#log.appendDrop(insertion, sector, start)) {
        this.#sectors.release(sector, room);
        continue;
      }
      // The Drop is committed. A power cut from here on leaves a surplus of one Drop, and mount chooses which one dies.
      const { ring, lastNumber } = this.#log;
      const { head } = ring;
      ring.hold(head);
      this.#flash.sync();
      // `makeRoom` may have given the victim up already.
      if (full && slots.occupied(victim)) this.#evict(victim, insertion.cause);
      else this.#log.appendClose(NO_SLOT, COLDEST);
      this.lastSlot = slots.add(shortIdLow, shortIdHigh, lengthBytes, insertion.heatKey);
      slots.place(this.lastSlot, sector, start);
      slots.setMark(this.lastSlot, insertion.own, 0);
      ring.moveTo(this.lastSlot, head % ring.rows, lastNumber);
      this.#flash.sync();
      this.counters.inserted++;
      return "stored";
    }
    return "flash";
  }

  /**
   * Fill `into` with the slots of the best of the verified Drops whose bits are set in `among`, the best Drop last. The
   * owner's Drops are better than all others; otherwise the hotter Drop is better. Returns how many slots were filled
   * in.
   */
  hottestFew(into: Uint16Array, among: Uint8Array): number {
    return this.#slots.hottestFew(into, among);
  }

  /** The slot of the Drop that dies first (modules/temperature/rank.ts); -1 when the store is empty. */
  firstToDie(): number {
    return this.#slots.firstToDie();
  }

  /** The slot of the Drop that dies first of the Drops that are not pinned; -1 when there is none. */
  firstUnreadToDie(): number {
    return this.#slots.firstUnreadToDie();
  }

  /** Whether the slot holds a Drop. */
  occupied(slot: number): boolean {
    return this.#slots.occupied(slot);
  }

  /** Whether the slot holds the Drop with this ShortId. */
  holds(slot: number, low: number, high: number): boolean {
    return this.#slots.holds(slot, low, high);
  }

  /** The low word of the ShortId of the slot's Drop. */
  idLow(slot: number): number {
    return this.#slots.low[slot]!;
  }

  /** The high word of the ShortId of the slot's Drop. */
  idHigh(slot: number): number {
    return this.#slots.high[slot]!;
  }

  /** The size of the slot's Drop. */
  lengthBytes(slot: number): number {
    return this.#slots.lengthBytes[slot]!;
  }

  /** The heat key of the slot's Drop. */
  heat(slot: number): number {
    return this.#slots.heat[slot]!;
  }

  /** Whether the Drop's hash was found right, before or after the last restart. */
  verified(slot: number): boolean {
    return this.#slots.verified(slot);
  }

  /** Heat time at which the Drop's hash was first found right here; undefined when the flash does not say. */
  verifiedSince(slot: number): number | undefined {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    return this.#slots.verified(slot) ? this.#log.sinceOf(slot) : undefined;
  }

  /** Copy the Drop's bytes, from its byte `from` on, to `into[offset .. offset + lengthBytes)`. */
  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  read(slot: number, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const slots = this.#slots;
    if (!slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    if (from < 0 || lengthBytes < 0 || from + lengthBytes > slots.lengthBytes[slot]!) {
      throw new Error("store: read beyond the Drop");
    }
    const start = slots.offset(slot);
    // Most Drops lie as they are. Every frame that is sent reads here.
    if ((start & 3) !== 0) this.#log.reader.read(slot, from, into, offset, lengthBytes);
    else
      this.#flash.read(
        slots.bodySector[slot]! * this.#layout.sectorSizeBytes + start + from,
        into,
        offset,
        lengthBytes,
      );
  }

  /**
   * Bits of the flash flip in time. So choose a verified Drop, another one each time, and take it for unverified until
   * the node has hashed it anew. Returns its slot; -1 when no Drop is verified. The doubt is only in RAM: if the hash
   * is right, `markVerified` writes nothing.
   */
  doubt(): number {
    const slots = this.#slots;
    for (let tried = 0; tried < slots.capacity; tried++) {
      const slot = this.#doubted;
      this.#doubted = (this.#doubted + 1) % slots.capacity;
      if (!slots.occupied(slot) || !slots.verified(slot)) continue;
      slots.doubt(slot);
      return slot;
    }
    return -1;
  }

  /**
   * The Drop's hash was found right. This survives restarts, but a power cut soon after the call may lose it. False:
   * the hash had been found right before.
   */
  markVerified(slot: number): boolean {
    const slots = this.#slots;
    if (!slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    return !slots.verified(slot) && slots.verify(slot);
  }

  /** Whether the owner of this store wrote the Drop. */
  isOwn(slot: number): boolean {
    return this.#slots.isOwn(slot);
  }

  /** To how many others the Drop was handed on, as `markOwn` said last: 0 to HAND_ONS_MIN. */
  handedOn(slot: number): number {
    return this.#slots.handedOn(slot);
  }

  /**
   * Whether the owner wrote the Drop, and it was handed on to fewer than HAND_ONS_MIN others. Such a Drop is the first
   * to die only when there are no others, and is never named by `firstUnreadToDie`.
   */
  isProtected(slot: number): boolean {
    return this.#slots.isProtected(slot);
  }

  /**
   * Say whether the owner of the store wrote the Drop, and to how many others it was handed on (0 to HAND_ONS_MIN).
   * This is durable when the result is true. False: the flash took no more, and a restart may forget the mark.
   */
  markOwn(slot: number, own: boolean, handedOn: number): boolean {
    const slots = this.#slots;
    if (!slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    if (slots.isOwn(slot) === own && slots.handedOn(slot) === handedOn) return true;
    slots.setMark(slot, own, handedOn);
    const written = this.#collector.remark(slot);
    this.#log.settle();
    this.#flash.sync();
    return written;
  }

  /** Remove the Drop. The cause (causes.ts) is for the journal. The removal is durable on return. */
  remove(slot: number, cause: number = REMOVED): void {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    // Room for a dead copy of the record, in case the mark fails. If the head fails too, another head is opened.
    this.#collector.ensureLog(3);
    if (this.#slots.occupied(slot)) this.#collector.drop(slot, cause, true);
    this.#flash.sync();
    this.counters.removed++;
    if (cause === CORRUPT) this.counters.damaged++;
  }

  /**
   * The Drop is being read, and must not be named as a victim meanwhile. Pins are counted in RAM, at most 7 for each
   * Drop. They end when the Drop dies.
   */
  pin(slot: number): void {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    this.#slots.pin(slot);
  }

  /** How often the slot's Drop is pinned. */
  pins(slot: number): number {
    return this.#slots.pins(slot);
  }

  /** Take one pin back. Nothing happens if the Drop is not pinned. */
  unpin(slot: number): void {
    this.#slots.unpin(slot);
  }

  /** Change the heat key in RAM. `checkpoint` makes it durable. */
  setHeat(slot: number, key: number): void {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    this.#slots.setHeat(slot, key);
  }

  /**
   * Whether a checkpoint is due: it would cost at most its share of everything that was programmed since the last one.
   * A day after the last checkpoint it is due whatever it costs, if there is a key or the time to write.
   */
  checkpointDue(now: number): boolean {
    this.#use(now);
    const slots = this.#slots;
    if (now - this.#checkpointedAt >= DAY_STEP) return slots.changed > 0 || slots.unwritten > 0 || this.#timeDue;
    // The next closes take a few Drops that were found right at no cost.
    if (slots.changed === 0 && slots.unwritten < LIST_ENTRIES) return false;
    const records = Math.ceil(slots.changed / HEAT_ENTRIES) + Math.floor(slots.unwritten / LIST_ENTRIES);
    return records * HEAT_RECORD_COST_BYTES * CHECKPOINT_SHARE <= this.programmedBytes - this.#programmedBefore;
  }

  /** Make the heat keys that changed durable, and the heat time. */
  checkpoint(now: number): void {
    this.#use(now);
    const log = this.#log;
    const slots = this.#slots;
    while (this.#collector.ensureLog(2) && log.appendVerified());
    let slot = 0;
    let time = this.#timeDue;
    while (slots.changed > 0 || time) {
      // To make room, `ensureLog` may copy records, and their heat keys with them. So look for changed keys only after
      // it.
      if (!this.#collector.ensureLog(1)) break;
      // Keys that a failing sector did not take still count as changed, and the next checkpoint writes them.
      slot = log.appendHeat(slot);
      if (slot < 0) break;
      time = false;
      if (slot >= slots.capacity) break;
    }
    log.settle();
    this.#flash.sync();
    this.#programmedBefore = this.programmedBytes;
    this.#checkpointedAt = log.now;
    this.counters.checkpoints++;
  }

  /**
   * Do one step of the work for which the next inserts would otherwise wait: open a sector, empty a sector, or even out
   * wear. It takes at most three erases. Returns false when there is nothing to do.
   */
  clean(now: number): boolean {
    this.#use(now);
    const worked = this.#collector.clean();
    if (worked) this.#log.settle();
    return worked;
  }

  /**
   * Erase one free sector ahead, so that no insert waits for the erase. For a store that was quiet for a while. False:
   * enough sectors are erased.
   */
  eraseAhead(): boolean {
    if (!this.#mounted) throw new Error("store: not mounted");
    return this.#sectors.eraseAhead();
  }

  /** The latest deaths and their causes. This reads the whole log and allocates, so it is for an operator who asks. */
  journal(): Death[] {
    if (!this.#mounted) throw new Error("store: not mounted");
    return readJournal(this.#log);
  }

  /** A call that needs a mounted store begins. Heat time never goes back. */
  #use(now: number): void {
    if (!this.#mounted) throw new Error("store: not mounted");
    if (now > this.#log.now) this.#log.now = now;
  }

  /** Whether the heat time on flash is so old that a checkpoint must write it, even without any keys. */
  get #timeDue(): boolean {
    return this.#log.recordedTime + TIME_STEP <= this.#log.now;
  }

  #evict(slot: number, cause: number): void {
    this.evicted = true;
    this.lastEvictedSlot = slot;
    this.lastEvictedLow = this.#slots.low[slot]!;
    this.lastEvictedHigh = this.#slots.high[slot]!;
    this.#collector.drop(slot, cause, true);
    this.counters.evicted++;
  }
}
