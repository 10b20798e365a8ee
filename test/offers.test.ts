/**
 * The offers of one contact: their order, and how often they search the store. A contact asks for the next Drop before
 * each frame, so a search for each question costs a board all of its time while the Drops wait for their checks.
 */
import test from "ava";
import { Store } from "../modules/store/store.ts";
import { Offers } from "../modules/throwie/offers.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { insertion } from "./insertion.ts";

const DROPS = 40;
/** The Drops that one search finds. */
const SHORTLIST = 16;

/** A store of Drops that wait for their checks. The Drop in slot n has heat key 1,000 + n. All are on offer. */
class Shelf {
  readonly store = new Store(new NorFlash({ sizeBytes: 64 * 4096 }), DROPS);
  readonly offers = new Offers(this.store);
  searches = 0;

  constructor() {
    this.store.mount();
    for (let number = 0; number < DROPS; number++) {
      this.store.insert(insertion(number + 1, 0, Uint8Array.of(number), { heatKey: 1_000 + number }));
    }
    const search = this.store.hottestFew.bind(this.store);
    this.store.hottestFew = (...asked) => {
      this.searches++;
      return search(...asked);
    };
    for (let slot = 0; slot < DROPS; slot++) this.offers.add(slot);
  }

  verify(slot: number): void {
    this.store.markVerified(slot);
    this.offers.verified(slot);
  }

  takeAll(): number[] {
    const taken: number[] = [];
    for (let slot = this.offers.take(); slot >= 0; slot = this.offers.take()) taken.push(slot);
    return taken;
  }
}

test("Drops that wait for their checks are searched for once, not before each frame", (t) => {
  const shelf = new Shelf();
  for (let frame = 0; frame < 1_000; frame++) t.is(shelf.offers.take(), -1);
  t.is(shelf.searches, 1);
  // Each Drop goes out as soon as its hash is found right.
  for (const slot of [7, 30, 2]) {
    shelf.verify(slot);
    t.is(shelf.offers.take(), slot);
    t.is(shelf.offers.take(), -1);
  }
  t.is(shelf.searches, 1);
  t.is(shelf.offers.count, DROPS - 3);
});

test("Drops whose checks are done while the radio is full go out hottest first, and own Drops before them", (t) => {
  const shelf = new Shelf();
  t.is(shelf.offers.take(), -1);
  shelf.store.markOwn(3, true, 0);
  for (const slot of [12, 30, 3, 5, 31]) shelf.verify(slot);
  t.deepEqual(shelf.takeAll(), [3, 31, 30, 12, 5]);
  t.is(shelf.searches, 1);
});

test("no Drop is lost when more checks are done than the list holds", (t) => {
  const shelf = new Shelf();
  t.is(shelf.offers.take(), -1);
  for (let slot = 0; slot < DROPS; slot++) shelf.verify(slot);
  t.deepEqual(
    shelf.takeAll().sort((a, b) => a - b),
    Array.from({ length: DROPS }, (_, slot) => slot),
  );
  t.true(shelf.searches <= 1 + Math.ceil(DROPS / SHORTLIST));
});

test("a Drop that is hashed anew, and a Drop that dies, do not go out", (t) => {
  const shelf = new Shelf();
  for (let slot = 0; slot < 5; slot++) shelf.verify(slot);
  t.is(shelf.offers.take(), 4);
  shelf.store.checkpoint(0);
  t.is(shelf.store.doubt(), 0);
  shelf.store.remove(2);
  shelf.offers.remove(2);
  t.deepEqual(shelf.takeAll(), [3, 1]);
  shelf.verify(0);
  t.is(shelf.offers.take(), 0);
  // The reconciliation may name a Drop that died while it went on.
  shelf.offers.add(2);
  t.is(shelf.offers.count, DROPS - 5);
  t.is(shelf.searches, 1);
});
