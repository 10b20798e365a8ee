/**
 * A board may lose power at any moment. These tests cut the power at every flash operation of random histories, in the
 * middle of the operation, and again during the mount that follows. The store must then hold every Drop that it
 * reported as stored, and nothing that it never took. test/store-power-canaries.test.ts shows what these tests find.
 */
import process from "node:process";
import test from "ava";
import { COLDEST, FLOOD } from "../modules/store/causes.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { everyCutTest } from "./every-cut.ts";
import { insertion } from "./insertion.ts";
import { dropBytes, highOf, lowOf, powerFails, SMALL_CAPACITY, SMALL_SECTORS } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SMALL_BYTES = SMALL_SECTORS * 4096;

everyCutTest("a store survives a power cut at every operation and during the mount after it, unit 4", {
  programSizeBytes: 4,
});

/** A full store. A Drop is colder the lower its number is. Every third Drop, from 0 on, came in as a newcomer. */
function fullStore(flash: NorFlash): Store {
  const store = new Store(flash, SMALL_CAPACITY);
  store.mount();
  for (let id = 0; id < SMALL_CAPACITY; id++) {
    store.insert(
      insertion(lowOf(id), highOf(id), dropBytes(id, 900), { heatKey: 1000 + 10 * id + (id % 3 === 0 ? 1 : 0) }),
    );
  }
  return store;
}

for (const [name, victim, cause] of [
  ["the oldest newcomer", 6, FLOOD],
  ["a settled Drop", 4, COLDEST],
] as const) {
  test.serial(
    `a cut between a newcomer's record and the death of ${name} costs neither newcomer nor a third Drop`,
    (t) => {
      const id = 1000;
      let between = 0;
      for (let draw = 0; draw < 40; draw++) {
        for (let cut = 1; ; cut++) {
          const flash = new NorFlash({ sizeBytes: SMALL_BYTES, chance: new SeededRandom(SEED + draw, "between") });
          const store = fullStore(flash);
          const slot = store.find(lowOf(victim), highOf(victim));
          flash.cutAt(cut);
          const failed = powerFails(() => {
            const outcome = store.insert(
              insertion(lowOf(id), highOf(id), dropBytes(id, 900), { heatKey: 1, now: 9, victim: slot, cause }),
            );
            t.is(outcome, "stored");
          });
          flash.cutAt(undefined);
          const after = new Store(flash, SMALL_CAPACITY);
          t.is(after.mount(), "mounted");
          t.is(after.count, SMALL_CAPACITY);
          const has = (number: number): boolean => after.find(lowOf(number), highOf(number)) >= 0;
          if (!failed) {
            t.true(has(id) && !has(victim), "the victim must die, not the coldest Drop");
            t.is(after.journal().at(-1)?.cause, cause);
            break;
          }
          t.true(has(id) || has(victim), `seed ${SEED + draw} cut ${cut}: newcomer and victim are both gone`);
          if (has(id) && has(victim)) between++;
          // The operations are body, record and mark. A cut at the third leaves a whole record.
          t.is(has(id), cut === 3 || (cut === 2 && has(id)), `seed ${SEED + draw} cut ${cut}`);
          if (has(id))
            t.true(
              !has(victim) || !has(1),
              "the victim or Drop 1, the coldest settled Drop, must die, not Drop 0, a colder newcomer",
            );
        }
      }
      t.true(between > 0, "there must be cuts after which no bit of the victim's mark is written");
    },
  );
}
