/**
 * Flash wears out sector by sector, and its bits flip. The store must lose nothing that can still be read, must shrink
 * its room by whole sectors, and must notice a changed body by its hash.
 */
import process from "node:process";
import test, { type ExecutionContext } from "ava";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import { CORRUPT, FLOOD, SECTOR_RETIRED } from "../modules/store/causes.ts";
import type { Flash } from "../modules/store/flash.ts";
import { DROP_RECORD, ID_AT, KIND_MASK, Layout, RETIRED_RECORD, word } from "../modules/store/layout.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { World } from "../sim/world.ts";
import { Around } from "./around-flash.ts";
import { insertFromWire, insertion } from "./insertion.ts";
import { dropBytes, highOf, lowOf, randomSteps, SMALL_CAPACITY, Witness } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SECTORS = 44;
const CAPACITY = 40;
const DROP_BYTES = 2048;

test.serial("a store retires worn sectors and loses no Drop that can be read", (t) => {
  for (let seed = SEED; seed < SEED + 5; seed++) {
    const flash = new NorFlash({ sizeBytes: 40 * 4096 });
    const witness = new Witness(flash, SMALL_CAPACITY);
    const random = new SeededRandom(seed, "wear");
    witness.mount();
    t.notThrows(() => {
      for (let part = 0; part < 8; part++) {
        witness.run(randomSteps(random, 60, 1 + part * 60).filter(({ kind }) => kind !== "verify"));
        flash.wear(random.below(40));
        // An erase that fails makes the store erase another sector.
        witness.erasesMax++;
        witness.check();
      }
      witness.mount();
      witness.check();
    }, `replay: SEED=${seed}`);
  }
});

test.serial(
  "a full store gives up no Drop when its log meets worn sectors, however many sectors were retired before",
  (t) => {
    for (const worn of [13, 14, 27, 40, 52]) {
      const flash = new NorFlash({ sizeBytes: 448 * 4096 });
      const store = new Store(flash);
      store.mount();
      const drop = new Uint8Array(DROP_BYTES);
      for (let i = 0; i < store.capacity; i++)
        store.insert(insertion(i, 7, drop, { heatKey: 70_000 + 10 * i, now: 1_000 }));
      let wear = worn;
      for (let sector = 0; sector < 448 && wear > 0; sector++) {
        if (flash.erasesOf[sector] !== 0) continue;
        flash.wear(sector);
        wear--;
      }
      t.is(wear, 0);
      for (let round = 0; round < 60; round++) {
        for (let k = 0; k < 60; k++) {
          const slot = (round * 60 + k) % store.capacity;
          store.setHeat(slot, store.heat(slot) + 2);
        }
        store.checkpoint(2_000 + 100 * round);
      }
      t.is(store.count, 750, `${worn} worn`);
      t.is(store.counters.sacrificed, 0);
    }
  },
);

/**
 * A full store whose sectors wear out one after another, until little room is left. Each Drop is hotter than all Drops
 * before it.
 */
class Decline {
  readonly flash: NorFlash;
  readonly seen: Flash;
  readonly rooms: number[] = [];
  readonly worn: number[] = [];
  store: Store;
  /** Drops that the store gave up because their room was retired. */
  sacrificed = 0;
  readonly #random: SeededRandom;
  #newest = 0;
  #reported = 0;
  /** The Drop after which the last sector was retired. */
  #retiredAt = 0;

  constructor(seed: number, around: (flash: NorFlash) => Flash = (flash) => flash) {
    this.#random = new SeededRandom(seed, "decline");
    this.flash = new NorFlash({ sizeBytes: SECTORS * 4096, chance: new SeededRandom(seed, "decline cuts") });
    this.seen = around(this.flash);
    this.store = this.#mounted();
    this.#insert(CAPACITY);
  }

  /** Wears out one more sector, inserts, restarts and inserts. Throws if the store loses a Drop that it must hold. */
  step(): void {
    const left = Array.from({ length: SECTORS }, (_, sector) => sector).filter((sector) => !this.worn.includes(sector));
    const sector = left[this.#random.below(left.length)]!;
    this.flash.wear(sector);
    this.worn.push(sector);
    this.#insert(250);
    this.#check();
    // The next pair of log sectors names the retired sectors. Until then a restart may forget them.
    const { recordsPerPair } = new Layout(this.flash, CAPACITY);
    while (this.#newest < this.#retiredAt + recordsPerPair) this.#insert(1);
    const retired = this.store.retiredSectors;
    const tried = this.worn.map((one) => this.flash.erasesOf[one]!);
    this.store = this.#mounted();
    if (this.store.retiredSectors < retired) throw new Error("the restart has forgotten a retired sector");
    this.#insert(250);
    this.#check();
    if (this.store.retiredSectors === retired) {
      const again = this.worn.filter((one, i) => this.flash.erasesOf[one]! > tried[i]! + 1);
      if (again.length > 0) throw new Error(`the store tried the worn sectors ${again} more than once`);
    }
    this.rooms.push(this.store.room);
  }

  restart(): void {
    this.store = this.#mounted();
  }

  /**
   * Cuts the power at an operation of four inserts, checks, and restores the flash. False: the inserts ended before.
   */
  cut(operation: number): boolean {
    const image = this.flash.snapshot();
    const newest = this.#newest;
    let failed = false;
    this.store = this.#mounted();
    this.flash.cutAt(operation);
    try {
      this.#insert(4);
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      failed = true;
    }
    this.flash.cutAt(undefined);
    this.store = this.#mounted();
    const { store } = this;
    if (this.#newest > this.#reported && store.find(lowOf(this.#newest), highOf(this.#newest)) < 0) this.#newest--;
    if (store.count !== store.room)
      throw new Error(`the store holds ${store.count} Drops, but has room for ${store.room}`);
    this.#check();
    this.flash.restore(image);
    this.#newest = newest;
    this.#reported = newest;
    return failed;
  }

  #mounted(): Store {
    const store = new Store(this.seen, CAPACITY);
    const outcome = store.mount();
    if (outcome !== "mounted" && outcome !== "formatted") throw new Error(`mount answered ${outcome}`);
    return store;
  }

  #insert(count: number): void {
    for (let i = 0; i < count; i++) {
      const id = ++this.#newest;
      const { retiredSectors } = this.store;
      const { sacrificed } = this.store.counters;
      const record = insertion(lowOf(id), highOf(id), dropBytes(id, DROP_BYTES), { heatKey: 2 * id, now: id });
      const outcome = insertFromWire(this.store, record);
      if (outcome === "stored") this.#reported = id;
      else throw new Error(`insert ${id} answered ${outcome} with room for ${this.store.room}`);
      if (i % 3 === 0) this.store.clean(id);
      if (this.store.retiredSectors !== retiredSectors) this.#retiredAt = id;
      const gone = this.store.counters.sacrificed - sacrificed;
      if (gone === 0) continue;
      this.sacrificed += gone;
      const told = this.store
        .journal()
        .filter(({ cause, time }) => cause === SECTOR_RETIRED && (time | 1) === (id | 1));
      if (told.length !== gone)
        throw new Error(`the store gave up ${gone} Drops with their room, but its journal names ${told.length}`);
    }
  }

  /** Throws unless the store holds the hottest Drops, no more than it has room for, with the right bytes. */
  #check(): void {
    const { store } = this;
    const usable = SECTORS - store.retiredSectors;
    const room = Math.min(CAPACITY, new Layout(this.flash, CAPACITY).roomIn(usable));
    if (store.room !== room) throw new Error(`the store has room for ${store.room} Drops, not ${room}`);
    if (store.count > room) throw new Error(`the store holds ${store.count} Drops, but has room for ${room}`);
    const bytes = new Uint8Array(DROP_BYTES);
    for (let id = this.#newest; id > this.#newest - store.count; id--) {
      const slot = store.find(lowOf(id), highOf(id));
      if (slot < 0) throw new Error(`Drop ${id} is missing`);
      store.read(slot, 0, bytes, 0, DROP_BYTES);
      if (Buffer.compare(bytes, dropBytes(id, DROP_BYTES)) !== 0) throw new Error(`Drop ${id} has other bytes`);
    }
  }
}

test.serial(
  "a store whose sectors wear out shrinks by whole sectors, journals lost Drops, and remembers at restart",
  (t) => {
    for (let seed = SEED; seed < SEED + 4; seed++) {
      t.notThrows(() => {
        const decline = new Decline(seed);
        for (let worn = 0; worn < 24; worn++) decline.step();
        t.true(decline.rooms.at(-1)! < CAPACITY - 10, `the room after each step: ${decline.rooms}`);
        t.true(decline.sacrificed > 0);
      }, `replay: SEED=${seed}`);
    }
  },
);

test.serial("a store whose room has shrunk survives a power cut at every operation of its inserts", (t) => {
  for (let seed = SEED; seed < SEED + 4; seed++) {
    t.notThrows(() => {
      const decline = new Decline(seed);
      let cuts = 0;
      for (let worn = 0; worn < 24; worn++) {
        decline.step();
        if (worn >= 16) for (let operation = 1; decline.cut(operation); operation++) cuts++;
        decline.restart();
      }
      t.true(cuts > 100, `${cuts} cuts`);
    }, `replay: SEED=${seed}`);
  }
});

/** Does not write the records that name the retired sectors. */
class Forgetful extends Around {
  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (lengthBytes === 32 && bytes[offset] === RETIRED_RECORD) return true;
    return super.program(address, bytes, offset, lengthBytes);
  }
}

test.serial("canary: the decline test finds a store that forgets retired sectors", (t) => {
  const decline = new Decline(SEED, (flash) => new Forgetful(flash));
  t.throws(
    () => {
      for (let worn = 0; worn < 24; worn++) decline.step();
    },
    { message: /has forgotten a retired sector/ },
  );
});

/** Wears out the two sectors of the head of the log as soon as they have taken the next record of one Drop. */
class FailingHead extends Around {
  /** The low half of that Drop's ShortId. -1: no sector wears out. */
  low = -1;
  /** Programs that failed because the sector was worn. */
  refused = 0;
  readonly #nor: NorFlash;
  /** The sectors of the last two records. */
  #sectors = [0, 0];

  constructor(nor: NorFlash) {
    super(nor);
    this.#nor = nor;
  }

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const took = super.program(address, bytes, offset, lengthBytes);
    if (!took) this.refused++;
    if (lengthBytes !== 32) return took;
    this.#sectors = [this.#sectors[1]!, Math.floor(address / 4096)];
    const drop = (bytes[offset]! & KIND_MASK) === DROP_RECORD;
    if (drop && word(bytes, offset + ID_AT) === this.low) {
      for (const sector of this.#sectors) this.#nor.wear(sector);
      this.low = -1;
    }
    return took;
  }
}

/**
 * In a full store Drop 1000 dies for Drop 2000, and the head of the log fails meanwhile. `before` inserts move the log
 * to any place of its ring. `named`: the caller names the victim.
 *
 * Returns the number of sectors erased. Returns -1 if no program failed, because the newcomer's record was the last of
 * its pair.
 */
function erasesOfDisplacement(t: ExecutionContext, before: number, named: boolean): number {
  const what = `${before} before, ${named ? "newcomers" : "first to die"}`;
  const nor = new NorFlash({ sizeBytes: SECTORS * 4096 });
  const flash = new FailingHead(nor);
  const store = new Store(flash, CAPACITY);
  store.mount();
  // Only the mount that formats a partition knows that its sectors are erased.
  store.mount();
  const insert = (id: number, key: number, victim = store.firstToDie()): string =>
    store.insert(insertion(id, 1, dropBytes(id, 300), { heatKey: key, victim, cause: FLOOD }));
  for (let id = 0; id < CAPACITY; id++) insert(id, 1_000_000 + 2 * id);
  for (let id = 100; id < 100 + before; id++) insert(id, 2_000_000 + 2 * id);
  t.is(insert(1000, named ? 1_900_001 : 0, store.firstToDie()), "stored", what);
  const settled = Array.from({ length: CAPACITY }, (_, slot) => store.idLow(slot)).filter((low) => low !== 1000);
  flash.low = 2000;
  const { erases } = nor.counters;
  t.is(insert(2000, 1_900_003, named ? store.find(1000, 1) : store.firstToDie()), "stored", what);
  t.deepEqual([store.evicted, store.lastEvictedLow], [true, 1000], what);
  const cost = nor.counters.erases - erases;
  t.is(flash.low, -1, what);
  const again = new Store(flash, CAPACITY);
  t.is(again.mount(), "mounted");
  t.is(again.counters.evicted, 0, what);
  t.is(again.find(1000, 1), -1, what);
  for (const low of [...settled, 2000]) t.true(again.find(low, 1) >= 0, `${what}: Drop ${low}`);
  return flash.refused > 0 ? cost : -1;
}

test.serial(
  "the victim of a newcomer stays dead although the head of the log fails before the record of its death",
  (t) => {
    const costs: number[] = [];
    for (const named of [true, false]) {
      for (let before = 0; before < 260; before++) costs.push(erasesOfDisplacement(t, before, named));
    }
    t.true(costs.filter((cost) => cost >= 0).length > 500);
    t.is(Math.max(...costs), 4, "the sectors erased for the failure and the insert");
  },
);

test.serial(
  "a node finds flipped bits by hash, removes and counts the Drop, and gets it again from a neighbour",
  (t) => {
    let verified = 0;
    const world = new World(
      {
        name: "test",
        description: "",
        durationS: 36_000,
        drops: [],
        nodes: [
          { name: "a", role: "throwie", at: [0, 0] },
          { name: "b", role: "throwie", at: [30, 0] },
        ],
        radio: { rateMbps: 1, rangeM: 80 },
      },
      SEED,
      { dropVerified: () => verified++ },
    );
    world.run(1.5);
    const [a, b] = world.nodes;
    const drops = Array.from({ length: 5 }, (_, id) => dropBytes(1000 + id, 300));
    for (const drop of drops) t.is(a!.publish(drop), "stored");
    world.run(30);
    t.is(b!.throwie!.store.count, drops.length);
    for (const drop of [drops[1]!, drops[4]!]) {
      const at = Buffer.from(b!.flash.snapshot().bytes).indexOf(drop.subarray(100));
      const flipped = Uint8Array.of(drop[100]! ^ 0x10);
      b!.flash.overwrite(at, flipped);
      t.false(right(b!.throwie!.store, drop));
    }
    // A node checks one Drop every ten minutes.
    world.run(30 + (drops.length + 2) * 600);
    const { store } = b!.throwie!;
    t.is(store.counters.damaged, 2);
    t.is(store.journal().filter(({ cause }) => cause === CORRUPT).length, 2);
    for (const drop of drops) t.true(right(store, drop));
    t.is(verified, 2 * drops.length + 2, "a check that finds no fault reports nothing");
  },
);

/** Whether the store holds the Drop with the right bytes. */
function right(store: Store, drop: Uint8Array): boolean {
  const id = dropId(drop);
  const slot = store.find(shortIdLow(id), shortIdHigh(id));
  if (slot < 0) return false;
  const bytes = new Uint8Array(drop.length);
  store.read(slot, 0, bytes, 0, bytes.length);
  return Buffer.compare(bytes, drop) === 0;
}
