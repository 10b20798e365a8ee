/**
 * The store: a node's Drops on NOR flash, with an index in RAM (design section 7; docs/store.md).
 *
 *     const store = new Store(flash);
 *     const outcome = store.mount();            // "mounted" or "formatted", else do not use it
 *     store.insert(insertion);                  // a record that the caller fills anew for each Drop
 *
 * A log of records says what is stored; bodies lie in sectors of their own. A Drop is written body first, then record: the
 * record's CRC commits it. In a full store a Drop dies for each that comes in: the caller names it. Heat keys live in RAM and go to flash
 * with whatever record of the Drop is written next, and by `checkpoint`.
 *
 * Invariant: when `insert` says "stored" the Drop outlives a power cut at any later moment, until it is evicted or
 * removed; and a Drop that was evicted or removed does not come back. A cut during a call leaves that call done or not
 * done. Neither a torn write nor a half-erased sector is ever served, or keeps `mount` from succeeding.
 *
 * A slot names a Drop while it lives; `insert` and `remove` are all that ends one. Nothing is allocated after the
 * constructor. Refuses to know what time it is, to check a hash (it keeps what the node says of it: `markVerified`), to
 * touch a partition that carries a newer format, and to be used before it is mounted. Not re-entrant; one at a time on a flash.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";
import { Bodies } from "./bodies.ts";
import { Collector } from "./collector.ts";
import { StoreCounters } from "./counters.ts";
import type { Flash } from "./flash.ts";
import { type Insertion, NOBODY } from "./insertion.ts";
import { type Death, readJournal } from "./journal.ts";
import { HEAD_AT, Layout, NOWHERE } from "./layout.ts";
import { CORRUPT, REMOVED } from "./marks.ts";
import { RecordLog } from "./record-log.ts";
import { type MountOutcome, recover } from "./recover.ts";
import { Sectors } from "./sectors.ts";
import { Slots } from "./slots.ts";

/**
 * "mounted": the partition held a store. "formatted": it was empty, and holds one now. "newer": a newer format is on
 * it, and nothing was changed. "geometry": its size fits no store of this capacity. "flash": no sector could be
 * written.
 */
export type { MountOutcome } from "./recover.ts";

/** What 1.75 MB holds at the largest size with room left for cleaning. */
export const DROPS_MAX = 750;

/**
 * "stored": the Drop is durable. "known": a Drop of this ShortId was here before, and is unchanged. "full": there is no
 * room, and no victim is named. "flash": no sector could be written.
 */
export type StoreOutcome = "stored" | "known" | "full" | "flash";
/** Heat time passes this much before a checkpoint with nothing else to say is written: an hour, at a week's half-life. */
const TIME_STEP = 390;
/** Heat time after a checkpoint at which the next is due whatever it costs: a day. */
const DAY_STEP = 24 * TIME_STEP;
/** Before that at most such a part of what is programmed is for heat: a fiftieth. */
const CHECKPOINT_SHARE = 50;
/** The log cleans the sooner for each heat record: it costs as much as this many (bench store, "heat"). */
const HEAT_RECORD_COST = 3;
/** Sectors tried for one write before the part is taken to be broken. */
const ATTEMPTS_MAX = 4;

/**
 * Drops on one flash (docs/store.md). Times and heat keys are signed 32-bit integers in units of 1/65,536 half-life
 * (docs/temperature.md), a ShortId is two unsigned 32-bit words, and a slot is a number below the capacity.
 *
 * What the flash does is an outcome or a counter. Errors are bugs of the caller, and throw: a store that is not
 * mounted, a slot without a Drop, a Drop of another size than 1 to 2,048 bytes, a read beyond the Drop.
 */
export class Store {
  /** Drops that it holds at most, while no sector is worn out. */
  readonly capacity: number;
  /** What happened since the constructor, for an operator. */
  readonly counters = new StoreCounters();
  /** Heat time goes on from here after a restart: the latest that was on flash at mount. Does not change until the next. */
  epoch = 0;
  /** Slot of the Drop that `insert` last stored or found known. */
  lastSlot = -1;
  /** Whether the last `insert` evicted a Drop. */
  evicted = false;
  /** The slot that the Drop had which was evicted last. */
  lastEvictedSlot = -1;
  /** The low word of its ShortId. */
  lastEvictedLow = 0;
  /** The high word of its ShortId. */
  lastEvictedHigh = 0;
  readonly #flash: Flash;
  readonly #layout: Layout;
  readonly #sectors: Sectors;
  readonly #slots: Slots;
  readonly #log: RecordLog;
  readonly #bodies: Bodies;
  readonly #collector: Collector;
  #doubted = 0;
  /** What was programmed before the last checkpoint, and when that was. */
  #programmedBefore = 0;
  #checkpointedAt = 0;
  #mounted = false;

  /** Takes all memory; reads and writes nothing. */
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

  /** Read headers and records, not bodies; format what carries no store. May be called again, as after a restart. */
  mount(): MountOutcome {
    this.#mounted = false;
    if (!this.#layout.fits) return "geometry";
    this.#bodies.clear();
    const outcome = recover(this.#log, this.counters);
    if (outcome !== "mounted" && outcome !== "formatted") return outcome;
    this.epoch = this.#log.recordedTime;
    this.#programmedBefore = this.programmedBytes;
    this.#checkpointedAt = this.epoch;
    // Where sectors are worn out, a cut insert leaves one too many long before there are more than the capacity.
    this.#collector.shrink();
    this.#mounted = true;
    return outcome;
  }

  /** Drops in the store. */
  get count(): number {
    return this.#slots.count;
  }

  /** Drops whose hash is still to be checked. */
  get unverified(): number {
    return this.#slots.unverified;
  }

  /** Sectors erased since the constructor. */
  get erases(): number {
    return this.#sectors.erases;
  }

  /** Bytes programmed since the constructor. */
  get programmedBytes(): number {
    return this.#sectors.programmedBytes;
  }

  /** Drops that it takes: fewer than the capacity once many sectors are worn out. */
  get room(): number {
    return this.#collector.room;
  }

  /**
   * Bytes of bodies that live in the sector of this slot's body; Infinity when that sector is still being filled, or the
   * Drop has no body. A bench asks what it costs to be strict about the coldest.
   */
  liveBytesBeside(slot: number): number {
    return this.#sectors.liveBytesBeside(this.#slots.bodySector[slot]!);
  }

  /** Sectors that failed, in this life or an earlier one, and are no longer used. */
  get retiredSectors(): number {
    return this.#sectors.retired;
  }

  /** The slot of the Drop with this ShortId, -1 when it is not here. Verified or not makes no difference. */
  find(low: number, high: number): number {
    return this.#slots.find(low, high);
  }

  /**
   * Where sectors wore out, give up the Drops that there is no room for any more, the first to die first. To be called
   * before a victim is named; `mount`, `insert` and `clean` do the same. False: the flash takes no more.
   */
  shrink(now: number): boolean {
    this.#use(now);
    return this.#collector.shrink();
  }

  /**
   * Store the insertion's bytes as an unverified Drop: 1 to DROP_SIZE_BYTES_MAX bytes, else it throws. When the store is
   * full the victim dies, whatever the heat of both. Power may fail between the two, and mount then lets the first to die
   * go: so a Drop that displaces a hotter one needs a newcomer's key. Durable on return; no victim dies for a Drop that
   * did not come in.
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
      const start = this.#bodies.offset;
      if (sector !== NOWHERE && !this.#bodies.program(bytes, insertion.offset, lengthBytes)) {
        this.#collector.giveUp(sector, room);
        continue;
      }
      this.#flash.sync();
      this.#log.putDrop(insertion, sector, start);
      if (!this.#log.append()) {
        if (sector !== NOWHERE) this.#sectors.release(sector, room);
        continue;
      }
      // The Drop is committed; a cut from here on leaves a surplus of one, and mount chooses the one that dies.
      const { head, lastNumber } = this.#log;
      this.#log.hold(head);
      if (full) {
        this.#flash.sync();
        // A log that had to be emptied on the way may have given up that one already.
        if (slots.occupied(victim)) this.#evict(victim, insertion.cause);
      }
      this.lastSlot = slots.add(shortIdLow, shortIdHigh, lengthBytes, insertion.heatKey);
      slots.bodySector[this.lastSlot] = sector;
      slots.bodyOffset[this.lastSlot] = start;
      this.#log.moveTo(this.lastSlot, head % this.#log.rows, lastNumber);
      this.#flash.sync();
      this.counters.inserted++;
      return "stored";
    }
    return "flash";
  }

  /**
   * Fill `into` with the best of the verified Drops whose bits are set in `among`, the best last: those marked in `first` (1 a
   * slot) before the others, then the hottest. Returns how many.
   */
  hottestFew(into: Uint16Array, among: Uint8Array, first: Uint8Array): number {
    return this.#slots.hottestFew(into, among, first);
  }

  /** The slot of the Drop that dies first (modules/temperature/rank.ts); -1 when the store is empty. */
  firstToDie(): number {
    return this.#slots.firstToDie();
  }

  /** The same among the Drops that nobody reads; -1 when there is none. */
  firstUnreadToDie(): number {
    return this.#slots.firstUnreadToDie();
  }

  /** Whether the slot holds a Drop. */
  occupied(slot: number): boolean {
    return this.#slots.occupied(slot);
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

  /** Was the Drop's hash found right, in this life or an earlier one? */
  verified(slot: number): boolean {
    return this.#slots.verified(slot);
  }

  /** Heat time at which the Drop's hash was first found right here; undefined when flash does not say. */
  verifiedSince(slot: number): number | undefined {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    return this.#log.verifiedSince(slot);
  }

  /** Copy the Drop's bytes from its byte `from` on into `into[offset .. offset + lengthBytes)`. */
  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  read(slot: number, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const slots = this.#slots;
    if (!slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    if (from < 0 || lengthBytes < 0 || from + lengthBytes > slots.lengthBytes[slot]!) {
      throw new Error("store: read beyond the Drop");
    }
    const { headBytes, sectorSizeBytes } = this.#layout;
    let done = 0;
    if (from < headBytes) {
      done = Math.min(headBytes - from, lengthBytes);
      this.#flash.read(this.#log.addressOf(slot) + HEAD_AT + from, into, offset, done);
    }
    if (done === lengthBytes) return;
    const body = slots.bodySector[slot]! * sectorSizeBytes + slots.bodyOffset[slot]!;
    this.#flash.read(body + from + done - headBytes, into, offset + done, lengthBytes - done);
  }

  /**
   * Bits flip in time. Choose a verified Drop, another each time, that is to be hashed anew, and take it for unverified until it
   * is; -1 when there is none. In RAM only: `markVerified` writes nothing, should the Drop be right.
   */
  doubt(): number {
    const slots = this.#slots;
    for (let tried = 0; tried < slots.capacity; tried++) {
      const slot = this.#doubted;
      this.#doubted = (this.#doubted + 1) % slots.capacity;
      if (!slots.occupied(slot) || !slots.verified(slot)) continue;
      slots.setVerified(slot, false);
      return slot;
    }
    return -1;
  }

  /**
   * The Drop's hash was found right. Kept across restarts; a power cut soon after may lose it. False: that had been found before.
   */
  markVerified(slot: number): boolean {
    const slots = this.#slots;
    const log = this.#log;
    if (!slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    if (slots.verified(slot)) return false;
    slots.setVerified(slot, true);
    if (log.saysVerified(slot)) return false;
    if (!log.markVerified(slot)) this.#collector.rewrite(slot, slots.bodySector[slot]!, slots.bodyOffset[slot]!);
    return true;
  }

  /** Forget the Drop; the cause, of marks.ts, is for the journal. Durable on return. */
  remove(slot: number, cause: number = REMOVED): void {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    // Room to say it again, should the mark fail; and once more, should the head have failed with it.
    this.#collector.ensureLog(1);
    if (this.#slots.occupied(slot)) this.#collector.drop(slot, cause, true);
    this.#flash.sync();
    this.counters.removed++;
    if (cause === CORRUPT) this.counters.damaged++;
  }

  /**
   * The Drop is being read, and is not to be named as a victim meanwhile. Pins are counted, in RAM, and end with the Drop.
   * At most 31 at once.
   */
  pin(slot: number): void {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    this.#slots.pin(slot);
  }

  /** How often the slot's Drop is pinned. */
  pins(slot: number): number {
    return this.#slots.pins(slot);
  }

  /** Take one pin back; nothing happens where none is left. */
  unpin(slot: number): void {
    this.#slots.unpin(slot);
  }

  /** Change the heat key in RAM; `checkpoint` makes it durable. */
  setHeat(slot: number, key: number): void {
    if (!this.#slots.occupied(slot)) throw new Error("store: no Drop in this slot");
    this.#slots.setHeat(slot, key);
  }

  /**
   * Does a checkpoint cost no more than its share of what was programmed since the last? A day after that one it is due whatever
   * it costs, if there is anything to say.
   */
  checkpointDue(now: number): boolean {
    this.#use(now);
    const { changed } = this.#slots;
    const { heatEntries, recordBytes } = this.#layout;
    if (now - this.#checkpointedAt >= DAY_STEP) return changed > 0 || this.#timeDue;
    const costBytes = Math.ceil(changed / heatEntries) * recordBytes * HEAT_RECORD_COST;
    return changed > 0 && costBytes * CHECKPOINT_SHARE <= this.programmedBytes - this.#programmedBefore;
  }

  /** Make the heat keys that changed durable, and the time. */
  checkpoint(now: number): void {
    this.#use(now);
    const log = this.#log;
    const slots = this.#slots;
    let slot = 0;
    let time = this.#timeDue;
    while (slots.changed > 0 || time) {
      // Making room may copy records, and with them heat: so look for what changed only after it.
      if (!this.#collector.ensureLog(1)) break;
      const next = log.putHeat(slot);
      // What a failing sector did not take is still counted as changed, for the next checkpoint.
      if (!log.append()) break;
      log.heatWritten(slot, next);
      log.recordedTime = Math.max(log.recordedTime, log.now);
      slot = next;
      time = false;
      if (slot >= slots.capacity) break;
    }
    this.#flash.sync();
    this.#programmedBefore = this.programmedBytes;
    this.#checkpointedAt = log.now;
    this.counters.checkpoints++;
  }

  /**
   * Do one step of what the next inserts would otherwise wait for: open a sector, empty one, or even out wear. At most three
   * erases. Returns false when there is nothing to do.
   */
  clean(now: number): boolean {
    this.#use(now);
    return this.#collector.clean();
  }

  /** The latest deaths, and why: reads the whole log and allocates, so for an operator who asks. */
  journal(): Death[] {
    if (!this.#mounted) throw new Error("store: not mounted");
    return readJournal(this.#log);
  }

  #use(now: number): void {
    if (!this.#mounted) throw new Error("store: not mounted");
    if (now > this.#log.now) this.#log.now = now;
  }

  /** Is the time on flash so old that it should be written for itself? */
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
