/**
 * Making room: which sector is emptied, and which Drops are given up when the flash gives out (docs/store.md, "Cleaning"
 * and "Wear").
 *
 * The sector of bodies with the least alive in it is emptied into open ones. One sector is always kept free to begin with,
 * besides those that the log has yet to take; with only that one left, just a sector with a single Drop is begun, so
 * that a cut leaves one free.
 *
 * Invariant: a body is copied, and its new record durable, before its old record is marked. Refuses to choose a victim: the
 * caller of the store names the Drop that dies for another.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";
import type { Bodies } from "./bodies.ts";
import type { StoreCounters } from "./counters.ts";
import { type Layout, NOWHERE } from "./layout.ts";
import { LOG_FULL, SECTOR_RETIRED } from "./marks.ts";
import type { RecordLog } from "./record-log.ts";
import type { Sectors } from "./sectors.ts";
import type { Slots } from "./slots.ts";

/** Sectors tried for one write before the part is taken to be broken. */
const ATTEMPTS_MAX = 4;
/**
 * Rounds of making room: the first frees a sector or fits the body, the second puts it there; more only with worn
 * sectors.
 */
const ROUNDS_MAX = 8;
/** The newcomer's, and one for the evicted should its mark fail. Cleaning asks for its own. */
const INSERT_RECORDS = 2;
/** Erases between two looks for a sector that wears too little. */
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

  /** Drops that there is room for. */
  get room(): number {
    const usable = this.#layout.sectorCount - this.#sectors.retired;
    return Math.max(0, Math.min(this.#slots.capacity, this.#layout.roomIn(usable)));
  }

  /** One step of what the next inserts would otherwise wait for. False: nothing to do, or nothing that can be done. */
  clean(): boolean {
    if (!this.shrink()) return false;
    const failing = this.#sectors.failing();
    if (failing >= 0 && this.#allowance() >= 2) return this.#empty(failing);
    if (this.#level()) return true;
    if (this.#bodies.fits(this.#layout.bodyRoom(DROP_SIZE_BYTES_MAX))) return false;
    return this.#allowance() >= 2 ? this.#bodies.open(this.#log.head) : this.#cleanCheapest();
  }

  /** Free sectors that bodies may have. One is always kept, for cleaning to begin with. */
  #allowance(): number {
    return this.#sectors.free - this.#log.claims;
  }

  /** Make an insert of a body of `room` bytes possible: a record's room in the log, and an open sector. */
  makeRoom(room: number): boolean {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (!this.ensureLog(INSERT_RECORDS)) return false;
      if (this.#bodies.fits(room)) return true;
      if (this.#allowance() >= 2) {
        if (this.#level()) continue;
        if (!this.#bodies.open(this.#log.head)) return false;
      } else if (!this.#cleanCheapest()) {
        return false;
      }
    }
    return false;
  }

  /** Where a body of `room` bytes goes; `makeRoom` was true. The offset is in `bodies`. */
  takeRoom(room: number): number {
    if (room === 0) return NOWHERE;
    this.#bodies.take(room);
    return this.#bodies.sector;
  }

  giveUp(sector: number, room: number): void {
    this.#bodies.fail(sector);
    this.#sectors.release(sector, room);
  }

  /**
   * Free a sector. With one free sector left a cut must not leave it half used for a sector half emptied, so then only sectors
   * with a single Drop qualify; there always is one (docs/store.md, "Why cleaning never gets stuck").
   */
  #cleanCheapest(): boolean {
    const sector = this.#sectors.cheapest(this.#allowance() >= 2 ? 0xff : 1);
    return sector >= 0 && this.#empty(sector);
  }

  /** Empty a sector that is erased too seldom. */
  #level(): boolean {
    const sectors = this.#sectors;
    if (sectors.erases - this.#levelledAt < LEVELLING_INTERVAL_ERASES || this.#allowance() < 2) return false;
    this.#levelledAt = sectors.erases;
    const sector = sectors.laggard();
    return sector >= 0 && this.#empty(sector);
  }

  /** Move all bodies out of the sector. */
  #empty(sector: number): boolean {
    const slots = this.#slots;
    if (!this.ensureLog(this.#sectors.drops[sector]!)) return false;
    for (let slot = 0; slot < slots.capacity && this.#sectors.drops[sector]! > 0; slot++) {
      if (slots.bodySector[slot] === sector && slots.occupied(slot) && !this.#move(slot)) return false;
    }
    return true;
  }

  #move(slot: number): boolean {
    const slots = this.#slots;
    const room = this.#layout.bodyRoom(slots.lengthBytes[slot]!);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (!this.#bodies.fits(room) && (this.#allowance() < 1 || !this.#bodies.open(this.#log.head))) return false;
      const sector = this.takeRoom(room);
      const start = this.#bodies.offset;
      if (!this.#bodies.copy(slots.bodySector[slot]!, slots.bodyOffset[slot]!, slots.lengthBytes[slot]!)) {
        this.giveUp(sector, room);
        continue;
      }
      if (!this.rewrite(slot, sector, start)) {
        this.#sectors.release(sector, room);
        return false;
      }
      const from = slots.bodySector[slot]!;
      slots.bodySector[slot] = sector;
      slots.bodyOffset[slot] = start;
      this.#sectors.release(from, room);
      this.#counters.moved++;
      return true;
    }
    return false;
  }

  /** Append a new record for the slot and mark the old one DEAD. */
  rewrite(slot: number, bodySector: number, bodyOffset: number): boolean {
    const log = this.#log;
    // A log that had to be emptied on the way may have given up this very Drop.
    if (!this.ensureLog(1) || !this.#slots.occupied(slot)) return false;
    this.#sectors.flash.sync();
    log.putCopy(slot, bodySector, bodyOffset);
    if (!log.append()) return false;
    this.#sectors.flash.sync();
    log.supersede(slot);
    log.bind(slot);
    return true;
  }

  /**
   * With sectors that wore out, room for Drops went too: give up the Drops that there is no room for, the first to die
   * first. False: the flash takes no more.
   */
  shrink(): boolean {
    const slots = this.#slots;
    while (slots.count > this.room) {
      if (!this.ensureLog(1)) return false;
      // Which may have given up some already.
      if (slots.count <= this.room) break;
      this.drop(slots.firstToDie(), SECTOR_RETIRED);
      this.#sectors.flash.sync();
      this.#counters.sacrificed++;
    }
    return true;
  }

  /** `patiently`: should the head of the log have failed too, open another to say it there. */
  drop(slot: number, cause: number, patiently = false): void {
    const slots = this.#slots;
    const log = this.#log;
    if (!log.markDead(slot, cause) && !log.bury(slot, cause) && patiently && log.ensure(1)) log.bury(slot, cause);
    // Not before: `ensure` copies the record of whoever has a slot, and counts it.
    log.unbind(slot);
    const sector = slots.bodySector[slot]!;
    if (sector !== NOWHERE) this.#sectors.release(sector, this.#layout.bodyRoom(slots.lengthBytes[slot]!));
    slots.remove(slot);
  }

  ensureLog(records: number): boolean {
    if (this.#log.ensure(records)) return true;
    // A log that hundreds of cuts during its own cleaning made too long: its oldest Drops go, rather than all to come.
    if (this.#log.length <= this.#layout.logSectors) return false;
    for (let slot = 0; slot < this.#slots.capacity; slot++) {
      if (!this.#slots.occupied(slot) || !this.#log.inTail(slot)) continue;
      this.drop(slot, LOG_FULL);
      this.#counters.sacrificed++;
    }
    return this.#log.ensure(records);
  }
}
