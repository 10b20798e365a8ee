/**
 * The collector makes room: it chooses which sector is emptied, and which Drops are given up when the flash wears out
 * (docs/store.md, "Cleaning" and "Wear").
 *
 * The store never overwrites a body, so dead bodies accumulate, and only the erase of a whole sector frees their bytes.
 * The living bodies of that sector must be copied first, and power may fail at any moment of this.
 *
 * So the sector of bodies with the fewest living bytes is emptied into open sectors. One sector is always kept free so
 * that cleaning can begin, besides the sectors that the log will still take. If only that sector is free, only a sector
 * with a single Drop is emptied, so that a power cut leaves one sector free.
 *
 * Invariant: a body is copied, and its new record is durable, before its old record is marked DEAD. The collector
 * refuses to choose a victim: the caller of the store names the Drop that dies for another.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";
import type { Bodies } from "./bodies.ts";
import { SECTOR_RETIRED } from "./causes.ts";
import type { StoreCounters } from "./counters.ts";
import { type Layout, NOWHERE } from "./layout.ts";
import type { RecordLog } from "./record-log.ts";
import type { Sectors } from "./sectors.ts";
import type { Slots } from "./slots.ts";

/** Sectors that are tried for one write before the flash is taken to be broken. */
const ATTEMPTS_MAX = 4;
/**
 * Rounds of making room. The first round finds room or frees a sector, and the second round finds the room there. Only
 * worn sectors need more rounds.
 */
const ROUNDS_MAX = 8;
/**
 * The record of the new Drop, and one for the victim, in case its DEAD mark fails. Cleaning asks for its own records.
 */
const INSERT_RECORDS = 4;
/** Erases between two searches for a sector that wears too little. */
const LEVELLING_INTERVAL_ERASES = 16;

export class Collector {
  readonly #sectors: Sectors;
  readonly #layout: Layout;
  readonly #slots: Slots;
  readonly #log: RecordLog;
  readonly #bodies: Bodies;
  readonly #counters: StoreCounters;
  #levelledAt = 0;

  constructor(log: RecordLog, bodies: Bodies, counters: StoreCounters) {
    this.#sectors = log.sectors;
    this.#layout = log.sectors.layout;
    this.#slots = log.slots;
    this.#log = log;
    this.#bodies = bodies;
    this.#counters = counters;
  }

  /** The number of Drops for which there is room. */
  get room(): number {
    const usable = this.#layout.sectorCount - this.#sectors.retired;
    return Math.max(0, Math.min(this.#slots.capacity, this.#layout.roomIn(usable)));
  }

  /**
   * Do one step of the work for which the next inserts would otherwise wait. False: nothing is left to do, or nothing
   * can be done.
   */
  clean(): boolean {
    if (!this.shrink()) return false;
    const failing = this.#sectors.failing();
    if (failing >= 0 && this.#allowance() >= 2) return this.#empty(failing);
    if (this.#level()) return true;
    if (this.#bodies.fits(this.#layout.bodyRoom(DROP_SIZE_BYTES_MAX))) return false;
    return this.#open(1) || this.#cleanCheapest();
  }

  /** Free sectors that the log does not need. Bodies may take all of them but one, which is kept for cleaning. */
  #allowance(): number {
    return this.#sectors.free - this.#log.claims;
  }

  /** Open a sector for bodies, and leave so many free. A sector that fails is retired, and is free no longer. */
  #open(reserve: number): boolean {
    while (this.#allowance() > reserve) if (this.#bodies.open()) return true;
    return false;
  }

  /** The same for a Drop that moves out of a sector. If the Drop is alone there, its sector is free in return. */
  #openForMove(from: number): boolean {
    if (this.#open(0)) return true;
    while (this.#sectors.free > 0 && from !== NOWHERE && this.#sectors.drops[from] === 1)
      if (this.#bodies.open()) return true;
    return false;
  }

  /** Make an insert with a body of `room` bytes possible: room in the log, and an open sector. False: impossible. */
  makeRoom(room: number): boolean {
    this.#log.cleanStep();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (!this.ensureLog(INSERT_RECORDS)) return false;
      if (this.#bodies.fits(room)) return true;
      if (!this.#level() && !this.#open(1) && !this.#cleanCheapest()) return false;
    }
    return false;
  }

  /**
   * Take room for a body of `room` bytes, after `makeRoom` was true. Returns the sector, or NOWHERE for no bytes. The
   * offset is in `bodies`.
   */
  takeRoom(room: number): number {
    this.#bodies.take(room);
    return this.#bodies.sector;
  }

  /** The program of a body of `room` bytes failed: use its sector no further. */
  giveUp(sector: number, room: number): void {
    this.#bodies.fail(sector);
    this.#sectors.release(sector, room);
  }

  /**
   * Free a sector. If only one sector is free, a power cut must not leave that sector half filled and another sector
   * half emptied. So then only sectors with a single Drop qualify, and there always is one (docs/store.md, "Why
   * cleaning never gets stuck").
   */
  #cleanCheapest(): boolean {
    const sector = this.#sectors.cheapest(this.#allowance() >= 2 ? 0xff : 1);
    if (sector >= 0 && this.#sectors.free > 0 && this.#empty(sector)) return true;
    return this.#sectors.free === 0 && this.#giveUpDropIn(this.#sectors.cheapest(1));
  }

  /** The last free sector wore out, so nothing can be moved. Give up the Drop that is alone in this sector. */
  #giveUpDropIn(sector: number): boolean {
    const slots = this.#slots;
    if (sector < 0 || !this.ensureLog(1)) return false;
    for (let slot = 0; slot < slots.capacity; slot++) {
      if (!slots.occupied(slot) || slots.bodySector[slot] !== sector) continue;
      this.drop(slot, SECTOR_RETIRED);
      this.#counters.sacrificed++;
    }
    this.#sectors.flash.sync();
    return true;
  }

  /** Empty a sector that is erased too seldom. False: there is none, or it is not time to look for one. */
  #level(): boolean {
    const sectors = this.#sectors;
    if (sectors.erases - this.#levelledAt < LEVELLING_INTERVAL_ERASES || this.#allowance() < 2) return false;
    this.#levelledAt = sectors.erases;
    const sector = sectors.laggard();
    return sector >= 0 && this.#empty(sector);
  }

  /** Move all living bodies out of the sector. False: the flash took no more. */
  #empty(sector: number): boolean {
    const slots = this.#slots;
    if (!this.ensureLog(this.#sectors.drops[sector]!)) return false;
    for (let slot = 0; slot < slots.capacity && this.#sectors.drops[sector]! > 0; slot++) {
      if (slots.bodySector[slot] === sector && slots.occupied(slot) && !this.#move(slot)) return false;
    }
    return true;
  }

  /** Copy the slot's body into an open sector, and append a record that says so. */
  #move(slot: number): boolean {
    const slots = this.#slots;
    const room = this.#layout.bodyRoom(slots.lengthBytes[slot]!);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (!this.#bodies.fits(room) && !this.#openForMove(slots.bodySector[slot]!)) return false;
      const sector = this.takeRoom(room);
      if (!this.#bodies.copy(this.#log.reader, slot)) {
        this.giveUp(sector, room);
        continue;
      }
      const start = this.#bodies.offset;
      if (!this.rewrite(slot, sector, start)) {
        this.#sectors.release(sector, room);
        return false;
      }
      const from = slots.bodySector[slot]!;
      slots.place(slot, sector, start);
      if (from !== NOWHERE) this.#sectors.release(from, room);
      this.#counters.moved++;
      return true;
    }
    return false;
  }

  /** Write anew all Drops that lie as format 2 wrote them. What cannot be written now stays readable. */
  modernise(): void {
    const slots = this.#slots;
    this.#log.hasOld = this.#oldestOld() >= 0;
    for (let slot = this.#oldestOld(); slot >= 0; slot = this.#oldestOld()) {
      if (!this.makeRoom(this.#layout.bodyRoom(slots.lengthBytes[slot]!))) return;
      // `makeRoom` may have moved this very Drop.
      if (slots.occupied(slot) && slots.old(slot) && !this.#move(slot)) return;
    }
    this.#log.hasOld = false;
  }

  /** The slot of such a Drop whose record is the oldest; -1: there is none. So the oldest pairs are empty first. */
  #oldestOld(): number {
    const slots = this.#slots;
    let oldest = -1;
    for (let slot = 0; slot < slots.capacity; slot++) {
      if (!slots.occupied(slot) || !slots.old(slot)) continue;
      if (oldest < 0 || this.#log.ring.pairsBack(slot) > this.#log.ring.pairsBack(oldest)) oldest = slot;
    }
    return oldest;
  }

  /** Write the slot's record anew, with its present mark. False: the flash took no more. */
  remark(slot: number): boolean {
    const slots = this.#slots;
    if (!slots.old(slot)) return this.rewrite(slot, slots.bodySector[slot]!, slots.offset(slot));
    const room = this.#layout.bodyRoom(slots.lengthBytes[slot]!);
    return this.makeRoom(room) && slots.occupied(slot) && (!slots.old(slot) || this.#move(slot));
  }

  /** Append a new record for the slot, with its body at this place. */
  rewrite(slot: number, bodySector: number, bodyOffset: number): boolean {
    const log = this.#log;
    // `ensureLog` may have given up this very Drop.
    if (!this.ensureLog(1) || !this.#slots.occupied(slot)) return false;
    this.#sectors.flash.sync();
    if (!log.appendCopy(slot, bodySector, bodyOffset)) return false;
    this.#sectors.flash.sync();
    log.ring.unbind(slot);
    log.bind(slot);
    return true;
  }

  /** Give up the Drops for which worn sectors left no room, in the order of rank.ts. False: the flash took no more. */
  shrink(): boolean {
    const slots = this.#slots;
    while (slots.count > this.room) {
      if (!this.ensureLog(1)) return false;
      // `ensureLog` may have given up enough Drops already.
      if (slots.count <= this.room) break;
      this.drop(slots.firstToDie(), SECTOR_RETIRED);
      this.#sectors.flash.sync();
      this.#counters.sacrificed++;
    }
    return true;
  }

  /**
   * The slot's Drop dies of this cause, and the slot becomes free. `patiently`: if the mark fails, and the head of the
   * log fails too, open another head to append a dead copy there.
   */
  drop(slot: number, cause: number, patiently = false): void {
    const log = this.#log;
    if (!log.appendClose(slot, cause) && patiently && log.ensure(2)) log.appendClose(slot, cause);
    // The record is unbound only now, because `ensure` copies the record of every slot that has a Drop, and counts it.
    this.#forget(slot);
  }

  #forget(slot: number): void {
    const slots = this.#slots;
    this.#log.ring.unbind(slot);
    const sector = slots.bodySector[slot]!;
    if (sector !== NOWHERE) this.#sectors.release(sector, this.#layout.bodyRoom(slots.lengthBytes[slot]!));
    slots.remove(slot);
  }

  /** Make room for so many records in the log, if need be by giving up Drops. False: the flash took no more. */
  ensureLog(records: number): boolean {
    const log = this.#log;
    const slots = this.#slots;
    if (log.ensure(records)) return true;
    // Hundreds of power cuts during cleaning made the log too long. The Drops whose records are in its oldest pair die,
    // so that the store can go on: the tail moves past their records, and no more records are needed.
    if (log.ring.length <= this.#layout.logPairs) return false;
    log.abandonHalf();
    for (let slot = 0; slot < slots.capacity; slot++) {
      if (!slots.occupied(slot) || !log.ring.inTail(slot)) continue;
      this.#forget(slot);
      this.#counters.sacrificed++;
    }
    return log.ensure(records);
  }
}
