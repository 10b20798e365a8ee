/** The store on flash that wears out, and whose bits flip. */
import process from "node:process";
import test from "ava";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import type { Flash } from "../modules/store/flash.ts";
import { Layout, RETIRED_RECORD } from "../modules/store/layout.ts";
import { CORRUPT, SECTOR_RETIRED } from "../modules/store/marks.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { World } from "../sim/world.ts";
import { Around } from "./around-flash.ts";
import { dropBytes, highOf, lowOf, randomSteps, SMALL_CAPACITY, Witness } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SECTORS = 44;
const CAPACITY = 40;
const DROP_BYTES = 2048;

test("worn sectors are put out of use and lose nothing that can be read", (t) => {
  for (let seed = SEED; seed < SEED + 5; seed++) {
    const flash = new NorFlash({ sizeBytes: 40 * 4096 });
    const witness = new Witness(flash, SMALL_CAPACITY);
    const random = new SeededRandom(seed, "wear");
    witness.mount();
    t.notThrows(() => {
      for (let part = 0; part < 8; part++) {
        witness.run(randomSteps(random, 60, 1 + part * 60).filter(({ kind }) => kind !== "verify"));
        flash.wear(random.below(40));
        // One that fails costs an erase more.
        witness.erasesMax++;
        witness.check();
      }
      witness.mount();
      witness.check();
    }, `replay: SEED=${seed}`);
  }
});

test("a full store whose log moves over worn sectors gives up no Drop, however many were named before", (t) => {
  for (const worn of [13, 14, 27, 40, 52]) {
    const flash = new NorFlash({ sizeBytes: 448 * 4096 });
    const store = new Store(flash);
    store.mount();
    const drop = new Uint8Array(DROP_BYTES);
    for (let i = 0; i < store.capacity; i++) store.insert(i, 7, drop, 0, drop.length, 70_000 + 10 * i, 1_000);
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
});

/** A full store whose sectors wear out one after another until there is hardly room; each Drop is hotter than all before it. */
class Decline {
  readonly flash: NorFlash;
  readonly seen: Flash;
  readonly rooms: number[] = [];
  readonly worn: number[] = [];
  store: Store;
  /** Drops that went because their room did. */
  sacrificed = 0;
  readonly #random: SeededRandom;
  #newest = 0;
  #reported = 0;

  constructor(seed: number, around: (flash: NorFlash) => Flash = (flash) => flash) {
    this.#random = new SeededRandom(seed, "decline");
    this.flash = new NorFlash({ sizeBytes: SECTORS * 4096, chance: new SeededRandom(seed, "decline cuts") });
    this.seen = around(this.flash);
    this.store = this.#mounted();
    this.#insert(CAPACITY);
  }

  /** Wear one more sector, live on, and restart; throws when anything is lost that should not be. */
  step(): void {
    const left = Array.from({ length: SECTORS }, (_, sector) => sector).filter((sector) => !this.worn.includes(sector));
    const sector = left[this.#random.below(left.length)]!;
    this.flash.wear(sector);
    this.worn.push(sector);
    this.#insert(250);
    this.#check();
    const retired = this.store.retiredSectors;
    const tried = this.worn.map((one) => this.flash.erasesOf[one]!);
    this.store = this.#mounted();
    if (this.store.retiredSectors < retired) throw new Error("a retired sector was forgotten");
    this.#insert(250);
    this.#check();
    if (this.store.retiredSectors === retired) {
      const again = this.worn.filter((one, i) => this.flash.erasesOf[one]! > tried[i]! + 1);
      if (again.length > 0) throw new Error(`sectors ${again} were tried again and again`);
    }
    this.rooms.push(this.store.room);
  }

  restart(): void {
    this.store = this.#mounted();
  }

  /** Cut the power at that operation of a few inserts, look, and go back. False when they ended before. */
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
    if (store.count !== store.room) throw new Error(`${store.count} Drops in room for ${store.room}`);
    this.#check();
    this.flash.restore(image);
    this.#newest = newest;
    this.#reported = newest;
    return failed;
  }

  #mounted(): Store {
    const store = new Store(this.seen, CAPACITY);
    const outcome = store.mount();
    if (outcome !== "mounted" && outcome !== "formatted") throw new Error(`mount gave ${outcome}`);
    return store;
  }

  #insert(count: number): void {
    for (let i = 0; i < count; i++) {
      const id = ++this.#newest;
      const { sacrificed } = this.store.counters;
      const outcome = this.store.insert(lowOf(id), highOf(id), dropBytes(id, DROP_BYTES), 0, DROP_BYTES, 2 * id, id);
      if (outcome === "stored") this.#reported = id;
      else throw new Error(`insert ${id} gave ${outcome} with room for ${this.store.room}`);
      if (i % 3 === 0) this.store.clean(id);
      const gone = this.store.counters.sacrificed - sacrificed;
      if (gone === 0) continue;
      this.sacrificed += gone;
      const told = this.store.journal().filter(({ cause, time }) => cause === SECTOR_RETIRED && time === id);
      if (told.length !== gone) throw new Error(`${gone} Drops went with their room, the journal knows ${told.length}`);
    }
  }

  /** The hottest are there, as many as there is room for, and their bytes are right. */
  #check(): void {
    const { store } = this;
    const usable = SECTORS - store.retiredSectors;
    const room = Math.min(CAPACITY, new Layout(this.flash, CAPACITY).roomIn(usable));
    if (store.room !== room) throw new Error(`room for ${store.room}, not ${room}`);
    if (store.count > room) throw new Error(`${store.count} Drops in room for ${room}`);
    const bytes = new Uint8Array(DROP_BYTES);
    for (let id = this.#newest; id > this.#newest - store.count; id--) {
      const slot = store.find(lowOf(id), highOf(id));
      if (slot < 0) throw new Error(`Drop ${id} is missing`);
      store.read(slot, 0, bytes, 0, DROP_BYTES);
      if (Buffer.compare(bytes, dropBytes(id, DROP_BYTES)) !== 0) throw new Error(`Drop ${id} has other bytes`);
    }
  }
}

test("as sectors wear out the room shrinks by whole sectors, says so, and a restart does not forget", (t) => {
  for (let seed = SEED; seed < SEED + 4; seed++) {
    t.notThrows(() => {
      const decline = new Decline(seed);
      for (let worn = 0; worn < 24; worn++) decline.step();
      t.true(decline.rooms.at(-1)! < CAPACITY - 10, `room for ${decline.rooms}`);
      t.true(decline.sacrificed > 0);
    }, `replay: SEED=${seed}`);
  }
});

test("power cut at every operation of inserts into a store whose room shrank", (t) => {
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

/** Forgets which sectors were retired. */
class Forgetful extends Around {
  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (lengthBytes === 32 && bytes[offset] === RETIRED_RECORD) return true;
    return super.program(address, bytes, offset, lengthBytes);
  }
}

test("canary: the decline test finds a store that forgets retired sectors", (t) => {
  const decline = new Decline(SEED, (flash) => new Forgetful(flash));
  t.throws(
    () => {
      for (let worn = 0; worn < 24; worn++) decline.step();
    },
    { message: /forgotten/ },
  );
});

test("bits that flip are found by hash; the Drop goes, is counted, and comes again from a neighbour", (t) => {
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
  // A look at one Drop every ten minutes.
  world.run(30 + (drops.length + 2) * 600);
  const { store } = b!.throwie!;
  t.is(store.counters.damaged, 2);
  t.is(store.journal().filter(({ cause }) => cause === CORRUPT).length, 2);
  for (const drop of drops) t.true(right(store, drop));
  t.is(verified, 2 * drops.length + 2, "a look that finds nothing wrong is no news");
});

function right(store: Store, drop: Uint8Array): boolean {
  const id = dropId(drop);
  const slot = store.find(shortIdLow(id), shortIdHigh(id));
  if (slot < 0) return false;
  const bytes = new Uint8Array(drop.length);
  store.read(slot, 0, bytes, 0, bytes.length);
  return Buffer.compare(bytes, drop) === 0;
}
