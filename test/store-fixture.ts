/**
 * A later version must read what a released version wrote. This program makes a fixture of the present format before
 * its release (docs/store.md, "Versions"). Once a format is released, its fixture is never made again.
 *
 * The fixture is a small partition that was in use for long: its log went around, and it holds heat, marks, a retired
 * sector, and a record that a power cut tore.
 *
 *     npx esbuild test/store-fixture.ts --bundle --platform=node --format=esm |
 *       node --input-type=module > test/fixtures/store-v2.json
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { deflateRawSync } from "node:zlib";
import { CORRUPT } from "../modules/store/causes.ts";
import { NOBODY } from "../modules/store/insertion.ts";
import { FORMAT_VERSION } from "../modules/store/layout.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { coldestOf, insertion } from "./insertion.ts";
import { highOf, lowOf, SMALL_CAPACITY, SMALL_SECTORS } from "./store-histories.ts";

const SIZE_BYTES = SMALL_SECTORS * 4096;
/** INSERTS + 3 is a multiple of nine, so `tear` inserts a Drop of the largest size. */
const INSERTS = 420;
const WORN_SECTOR = 11;

class Life {
  readonly flash: NorFlash;
  readonly #random: SeededRandom;
  #store: Store;
  #now = 0;

  constructor(unitBytes: number) {
    this.#random = new SeededRandom(unitBytes, "fixture");
    this.flash = new NorFlash({ sizeBytes: SIZE_BYTES, programSizeBytes: unitBytes, chance: this.#random });
    this.#store = this.#mounted();
  }

  live(): void {
    const random = this.#random;
    for (let id = 1; id <= INSERTS; id++) {
      if (this.#insert(id) === "stored" && random.below(3) > 0) this.#store.markVerified(this.#store.lastSlot);
      const slot = random.below(SMALL_CAPACITY);
      if (this.#store.occupied(slot)) {
        if (random.below(4) === 0) this.#store.setHeat(slot, this.#store.heat(slot) + 97);
        if (id % 11 === 0) this.#store.remove(slot, CORRUPT);
      }
      if (id % 20 === 0) this.#store.checkpoint(this.#now);
      if (id % 3 === 0) this.#store.clean(this.#now);
      if (id === 150) this.flash.wear(WORN_SECTOR);
      if (id === 200) this.#store = this.#mounted();
    }
    this.#store.checkpoint(this.#now);
  }

  /**
   * Cuts the power in a record. The record is the second operation of an insert of the largest size into a sector that
   * is open already.
   */
  tear(): void {
    this.#insert(INSERTS + 1);
    while (this.#store.clean(this.#now));
    this.flash.cutAt(2);
    try {
      this.#insert(INSERTS + 3);
      throw new Error("fixture: the power did not fail; the insert had only one operation");
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
    this.flash.cutAt(undefined);
  }

  #mounted(): Store {
    const store = new Store(this.flash, SMALL_CAPACITY);
    store.mount();
    return store;
  }

  #insert(id: number): string {
    const random = this.#random;
    const text = `Drop ${id}: meet at the fountain. `.repeat(80);
    const size = id % 9 === 0 ? 2048 : id % 7 === 0 ? 1 + random.below(20) : 100 + random.below(700);
    this.#now += 300;
    const bytes = new TextEncoder().encode(text).slice(0, size);
    const heat = id * 10 + random.below(200);
    const store = this.#store;
    store.shrink(this.#now);
    const coldest = coldestOf(store);
    // Drops of odd keys are no newcomers here, and die like others.
    const victim = coldest >= 0 && store.heat(coldest) < heat ? coldest : NOBODY;
    return store.insert(insertion(lowOf(id), highOf(id), bytes, { heatKey: heat, now: this.#now, victim }));
  }
}

function fixture(unitBytes: number) {
  const life = new Life(unitBytes);
  life.live();
  life.tear();
  const { bytes } = life.flash.snapshot();
  const copy = new NorFlash({ sizeBytes: SIZE_BYTES, programSizeBytes: unitBytes });
  copy.overwrite(0, bytes);
  const store = new Store(copy, SMALL_CAPACITY);
  store.mount();
  const slots = Array.from({ length: SMALL_CAPACITY }, (_, slot) => slot).filter((slot) => store.occupied(slot));
  const drops = slots.map((slot) => {
    const drop = new Uint8Array(store.lengthBytes(slot));
    store.read(slot, 0, drop, 0, drop.length);
    return {
      low: store.idLow(slot),
      high: store.idHigh(slot),
      lengthBytes: drop.length,
      sha256: createHash("sha256").update(drop).digest("hex"),
      heat: store.heat(slot),
      verified: store.verified(slot),
    };
  });
  return {
    unitBytes,
    sectors: SMALL_SECTORS,
    capacity: SMALL_CAPACITY,
    epoch: store.epoch,
    torn: store.counters.torn,
    retiredSectors: store.retiredSectors,
    drops,
    deaths: store.journal(),
    image: deflateRawSync(bytes, { level: 9 }).toString("base64"),
  };
}

const made = { spec: "docs/store.md", format: FORMAT_VERSION, images: [4, 16].map(fixture) };
const text = JSON.stringify(made, null, 2).replace(/\{[^{}]*\}/g, (object) => object.replace(/\s+/g, " "));
process.stdout.write(`${text}\n`);
