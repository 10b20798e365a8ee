/** Power cuts on flash whose sectors are worn out, and power cuts that come so often that no log is ever cleaned. */
import process from "node:process";
import test from "ava";
import { Store } from "../modules/store/store.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { everyCutTest } from "./every-cut.ts";
import { insertFromWire, insertion } from "./insertion.ts";
import { dropBytes, highOf, lowOf, SMALL_CAPACITY, SMALL_SECTORS } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SMALL_BYTES = SMALL_SECTORS * 4096;

everyCutTest("a store survives a power cut at every operation on flash with worn sectors", {
  programSizeBytes: 4,
  sectors: 26,
  worn: 4,
});

for (const worn of [0, 1, 2]) {
  test.serial(
    `a store works again after power cuts that never let it clean its log, with ${worn} worn sectors`,
    (t) => {
      const flash = new NorFlash({ sizeBytes: SMALL_BYTES, chance: new SeededRandom(SEED, "storm") });
      for (let sector = 0; sector < worn; sector++) flash.wear(3 + 7 * sector);
      let id = 1;
      for (let boot = 0; boot < 3000; boot++) {
        flash.cutAt(1 + (boot % 3));
        try {
          const store = new Store(flash, SMALL_CAPACITY);
          store.mount();
          insertFromWire(store, insertion(lowOf(id), highOf(id), dropBytes(id, 2048), { heatKey: 2 * id }));
          id++;
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
        }
      }
      flash.cutAt(undefined);
      const store = new Store(flash, SMALL_CAPACITY);
      t.is(store.mount(), "mounted");
      for (let i = 0; i < 100; i++) {
        id++;
        const record = insertion(lowOf(id), highOf(id), dropBytes(id, 2048), { heatKey: 2 * id });
        t.is(insertFromWire(store, record), "stored");
      }
      t.is(store.room, SMALL_CAPACITY - 2 * store.retiredSectors);
    },
  );
}
