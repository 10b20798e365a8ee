/**
 * Admission decides which Drops from the air come into a full store, and which Drop dies for a newcomer. These tests
 * run it on a store without a node: which Drops may come in, which Drop is the victim, and that a restart changes
 * neither.
 *
 * Replay the random history with SEED=n.
 */
import test from "ava";
import { CORRUPT, FLOOD } from "../modules/store/causes.ts";
import { Store } from "../modules/store/store.ts";
import { isNewcomer, newcomerKey, settledKey } from "../modules/temperature/rank.ts";
import {
  HEAT_CAP,
  HEAT_RANGE,
  HEAT_TIME_MAX,
  HEAT_UNITS_PER_HALF_LIFE,
  keyOfClaim,
  raise,
} from "../modules/temperature/temperature.ts";
import { Admission, type Admittance, NEWCOMERS_SHARE } from "../modules/throwie/admission.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { insertion } from "./insertion.ts";

const seed = Number(process.env.SEED ?? 1);
const CAPACITY = 50;
const SHARE = CAPACITY / NEWCOMERS_SHARE;
const HALF_LIFE = HEAT_UNITS_PER_HALF_LIFE;

/** A full store. Its Drops are numbered from 0, and a Drop with a higher number was carried more often. */
class Board {
  store: Store;
  admission: Admission;
  readonly flash = new NorFlash({ sizeBytes: 64 * 4096 });
  now = 1_000;

  constructor(capacity: number = CAPACITY) {
    this.store = new Store(this.flash, capacity);
    this.store.mount();
    for (let number = 0; number < capacity; number++) {
      this.put(number, settledKey(this.now + HALF_LIFE + 2_000 * number));
    }
    this.admission = new Admission(this.store, this.now);
  }

  /** Stores the Drop as a node does. The key says whether it is a newcomer. */
  put(number: number, key: number): void {
    const record = insertion(number, 0, Uint8Array.of(number), { heatKey: key, now: this.now });
    const outcome = this.admission?.nameVictim(record) ?? this.store.insert(record);
    if (outcome !== "stored") throw new Error(`the board did not store the Drop: ${outcome}`);
    this.store.markVerified(this.store.lastSlot);
  }

  judge(number: number): Admittance {
    this.admission.settle(this.now);
    return this.admission.judge(number);
  }

  /** Offers a Drop as a node does with a Drop from the air, from a contact that has a token. */
  offer(number: number, key = this.now + HALF_LIFE): Admittance {
    const admittance = this.judge(number);
    if (admittance === "departed") return admittance;
    if (admittance === "free") {
      this.put(number, settledKey(key));
      return admittance;
    }
    this.put(number, newcomerKey(key));
    if (this.store.evicted) this.admission.displaced(this.store.lastEvictedSlot, this.store.lastEvictedLow);
    this.admission.entered(this.store.lastSlot, this.now);
    return admittance;
  }

  restart(): void {
    this.store.checkpoint(this.now);
    this.store = new Store(this.flash, this.store.capacity);
    this.store.mount();
    this.admission = new Admission(this.store, this.now);
  }

  has(number: number): boolean {
    return this.store.find(number, 0) >= 0;
  }

  /**
   * How many of the first Drops are gone. Infinity if another Drop is gone, because only the coldest may be displaced.
   */
  get displaced(): number {
    const { capacity } = this.store;
    let count = 0;
    while (count < capacity && !this.has(count)) count++;
    for (let number = count; number < capacity; number++) if (!this.has(number)) return Infinity;
    return count;
  }
}

test("a newcomer of any heat displaces the coldest Drop, or the oldest newcomer once a fifth are newcomers", (t) => {
  const board = new Board();
  for (let i = 0; i < SHARE; i++) t.is(board.offer(100 + i, board.now), "newcomer");
  t.is(board.displaced, SHARE);
  for (let i = 0; i < 3 * SHARE; i++) {
    board.now++;
    t.is(board.offer(200 + i), "token");
    t.false(board.has(i < SHARE ? 100 + i : 200 + i - SHARE), "the oldest newcomer died");
  }
  t.is(board.displaced, SHARE);
  t.is(board.store.journal().filter(({ cause }) => cause === FLOOD).length, 3 * SHARE);
});

test("newcomers displace a fifth of the store within a half-life and no more, however cold all Drops have become", (t) => {
  const board = new Board();
  for (const halfLives of [1, 2, 5, 20]) {
    board.now += halfLives * HALF_LIFE;
    const before = board.displaced;
    for (let i = 0; i < 4 * SHARE; i++) board.offer(100 * halfLives + i);
    t.is(board.displaced, before + SHARE, `after ${halfLives} half-lives`);
    if (board.displaced + SHARE > CAPACITY / 2) break;
  }
});

test("a Drop that died for a newcomer does not come back as one", (t) => {
  const board = new Board();
  for (let i = 0; i < 2 * SHARE; i++) board.offer(100 + i);
  t.is(board.offer(100), "departed");
  t.is(board.offer(0), "departed");
  t.is(board.offer(300), "token");
});

test("a departed Drop is forgotten after 8 half-lives, and no other Drop is taken for it", (t) => {
  const board = new Board();
  for (let i = 0; i < SHARE; i++) board.offer(100 + i);
  t.is(board.judge(0), "departed");
  t.is(board.judge(0x1_0000), "token", "another Drop with the same sixteen bits");
  board.now += 8 * HALF_LIFE - 1;
  t.is(board.judge(0), "departed");
  board.now++;
  t.is(board.judge(0), "newcomer");
});

test("the smallest stores take newcomers too, one at a time", (t) => {
  for (let capacity = 1; capacity < NEWCOMERS_SHARE; capacity++) {
    const board = new Board(capacity);
    t.is(board.offer(100), "newcomer", `${capacity} places`);
    for (let i = 1; i < 10; i++) t.is(board.offer(100 + i), "token", `${capacity} places`);
    t.true(board.has(109));
    t.is(board.displaced, 1);
    t.is(board.store.count, capacity);
    board.restart();
    t.is(board.offer(200), "token");
    t.is(board.displaced, 1);
  }
});

test("the key of a newcomer is odd, and not above the key that it is made of", (t) => {
  for (const key of [-HEAT_RANGE, -1, 0, 1, 2, HEAT_CAP, 1_000 + HEAT_CAP, HEAT_TIME_MAX + HEAT_CAP]) {
    t.true(isNewcomer(newcomerKey(key)) && !isNewcomer(settledKey(key)));
    t.true(newcomerKey(key) <= key && newcomerKey(key) >= key - 1);
    t.is(newcomerKey(newcomerKey(key)), newcomerKey(key), "a newcomer's key is not lowered again");
  }
});

test("after a half-life a newcomer is settled", (t) => {
  const board = new Board();
  for (let slot = 0; slot < CAPACITY; slot++)
    board.store.setHeat(slot, settledKey(board.store.heat(slot) + 3 * HALF_LIFE));
  for (let i = 0; i < SHARE; i++) board.offer(100 + i, board.now + 4 * HALF_LIFE);
  board.now += HALF_LIFE - 1;
  t.is(board.offer(200), "token");
  board.now++;
  t.is(board.judge(201), "newcomer");
  t.is(board.admission.count, 1);
  t.is(board.displaced, SHARE);
});

test("judge changes nothing: only settle makes a newcomer whose time is up a settled Drop", (t) => {
  const board = new Board();
  for (let i = 0; i < SHARE; i++) board.offer(100 + i);
  const keys = (): number[] => Array.from({ length: CAPACITY }, (_, slot) => board.store.heat(slot));
  const before = keys();
  board.now += HALF_LIFE;
  for (let i = 0; i < 3; i++) t.is(board.admission.judge(201), "token");
  t.is(board.admission.count, SHARE);
  t.deepEqual(keys(), before);
  // Canary: the same call after settle.
  board.admission.settle(board.now);
  t.is(board.admission.judge(201), "newcomer");
  t.is(board.admission.count, 0);
  t.deepEqual(keys(), before.map(settledKey));
});

test("a newcomer that is being read is no victim, and while all are being read there is none", (t) => {
  const board = new Board();
  for (let i = 0; i < SHARE; i++) board.offer(100 + i);
  board.store.pin(board.store.find(100, 0));
  board.offer(200);
  t.true(board.has(100));
  t.false(board.has(101));
  for (let i = 0; i < SHARE; i++) {
    const slot = board.store.find(i === 1 ? 200 : 100 + i, 0);
    if (i > 0) board.store.pin(slot);
  }
  t.is(board.admission.nameVictim(insertion(300, 0, Uint8Array.of(1), { heatKey: 1 })), "busy");
});

/**
 * Offers junk again and again. The board removes every other junk Drop, because its hash is false, and so frees a slot.
 * Returns how many Drops were displaced.
 */
function wearDown(board: Board): number {
  for (let i = 0; i < 4 * CAPACITY; i++) {
    board.offer(1_000 + i, board.now + HEAT_CAP);
    const slot = board.store.find(1_000 + i, 0);
    board.store.remove(slot, CORRUPT);
    board.admission.left(slot);
    board.offer(5_000 + i, board.now + HEAT_CAP);
  }
  return board.displaced;
}

test("a slot that false junk left lets no junk settle", (t) => {
  t.is(wearDown(new Board()), SHARE);
});

test("a Drop needs a token for a slot that false junk left, and none for a slot that was free before a restart", (t) => {
  const board = new Board();
  for (let number = 0; number < 3; number++) board.store.remove(number, CORRUPT);
  board.restart();
  t.is(board.offer(1_000), "newcomer");
  const slot = board.store.find(1_000, 0);
  board.store.remove(slot, CORRUPT);
  board.admission.left(slot);
  t.deepEqual([board.offer(2_000), board.offer(3_000)], ["token", "newcomer"]);
});

test("canary: reusing the slots of corrupt Drops lets junk settle all over the store", (t) => {
  const board = new Board();
  board.admission.left = () => board.admission.recount();
  t.true(wearDown(board) > SHARE);
});

test("after a restart newcomers are still newcomers, in their order, and the bound holds", (t) => {
  const board = new Board();
  // The flash says when a Drop came in steps of eight units.
  for (let i = 0; i < SHARE - 2; i++) {
    board.now += 8;
    board.offer(100 + i);
  }
  board.restart();
  t.is(board.admission.count, SHARE - 2);
  board.now += 8;
  t.is(board.offer(200), "newcomer");
  t.is(board.offer(201), "newcomer");
  t.is(board.offer(202), "token");
  t.false(board.has(100));
  for (let i = 0; i < 300; i++) {
    if (i % 7 === 0) board.restart();
    board.now += 3;
    board.offer(300 + i);
  }
  t.is(board.displaced, SHARE);
});

test("canary: if a restart forgot which Drops are newcomers, each restart would cost a fifth of the store", (t) => {
  const board = new Board();
  for (let i = 0; i < 60; i++) {
    if (i % 20 === 0) {
      for (let slot = 0; slot < CAPACITY; slot++) board.store.setHeat(slot, settledKey(board.store.heat(slot)));
      board.restart();
    }
    board.offer(300 + i, board.now + HEAT_CAP);
  }
  t.true(board.displaced > SHARE);
});

test("over offers, movements, false junk and restarts, at most a fifth is displaced in any half-life", (t) => {
  const random = new SeededRandom(seed, "admission");
  const board = new Board();
  // The Drops stay warm for the whole test.
  for (let slot = 0; slot < CAPACITY; slot++)
    board.store.setHeat(slot, settledKey(board.store.heat(slot) + 6 * HALF_LIFE));
  const deaths: number[] = [];
  for (let number = 1_000; number < 4_000; number++) {
    board.now += random.below(HALF_LIFE >> 8);
    const before = board.displaced;
    board.offer(number, board.now + random.below(8 * HALF_LIFE));
    for (let i = before; i < board.displaced; i++) deaths.push(board.now);
    const slot = random.below(CAPACITY);
    const chance = random.below(100);
    if (chance < 2) board.restart();
    else if (!board.store.occupied(slot)) continue;
    else if (chance < 40) {
      const key = board.store.heat(slot);
      const raised = raise(key, board.now);
      board.store.setHeat(slot, isNewcomer(key) ? newcomerKey(raised) : settledKey(raised));
    } else if (chance < 50 && isNewcomer(board.store.heat(slot))) {
      board.store.remove(slot, CORRUPT);
      board.admission.left(slot);
    }
    const lately = deaths.filter((time) => board.now - time < HALF_LIFE).length;
    if (lately > SHARE) t.fail(`seed ${seed}: ${lately} Drops were displaced within a half-life, at Drop ${number}`);
    if (board.displaced === Infinity) break;
  }
  t.true(deaths.length >= SHARE, `seed ${seed}: only ${deaths.length} Drops were displaced`);
});

test("no claim places a Drop above one that was just carried twice, even if that one was the coldest before", (t) => {
  const now = 5 * HALF_LIFE;
  const twice = raise(raise(keyOfClaim(0, now), now), now);
  for (let claimed = 0; claimed <= 255; claimed++) t.true(raise(keyOfClaim(claimed, now), now) < twice);
});
