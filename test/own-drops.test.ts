/**
 * One's own words (docs/temperature.md): what a person writes comes in, is given first, and does not die before it was
 * handed on to three others.
 */
import test from "ava";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import { Store } from "../modules/store/store.ts";
import { HEAT_CAP } from "../modules/temperature/temperature.ts";
import { OwnDrops } from "../modules/throwie/own-drops.ts";
import { SeededRandom } from "../sim/random.ts";
import { World } from "../sim/world.ts";
import { insertion } from "./insertion.ts";
import { type LoneNode, loneNode } from "./lone-node.ts";

const CAPACITY = 40;
const INTERVAL_MS = 600_000;
const PEER = Uint8Array.of(2, 0, 0, 0, 0, 9);
const seed = Number(process.env.SEED ?? 1);

const drop = (number: number): Uint8Array => Uint8Array.of(number & 255, number >> 8, 7);

function findIn(store: Store, bytes: Uint8Array): number {
  const id = dropId(bytes);
  return store.find(shortIdLow(id), shortIdHigh(id));
}

/** A node that is full of Drops, the hottest there are if the caller says nothing else. */
function fullNode(capacity = CAPACITY, heatKey = HEAT_CAP & ~1): LoneNode {
  const lone = loneNode(0, new SeededRandom(seed, "own-drops"), capacity);
  const { store } = lone;
  for (let number = 0; number < capacity; number++) {
    store.insert(insertion(number + 1, 0, Uint8Array.of(number), { heatKey }));
    store.markVerified(store.lastSlot);
  }
  return lone;
}

/** The node after a restart. */
function mountedAgain(lone: LoneNode): Store {
  const store = new Store(lone.flash, lone.store.capacity);
  store.mount();
  return store;
}

test("a message is never refused, however full the store is of hotter Drops and of messages", (t) => {
  for (const capacity of [1, 2, 3, CAPACITY]) {
    const lone = fullNode(capacity);
    for (let number = 0; number < 3 * capacity; number++) {
      t.is(lone.node.publish(drop(number), "own"), "stored");
      t.is(lone.store.count, capacity);
      t.true(findIn(lone.store, drop(number)) >= 0);
      const kept = Array.from({ length: capacity }, (_, slot) => slot).filter((slot) => lone.store.isProtected(slot));
      t.true(kept.length <= Math.max(1, capacity / 2));
    }
  }
});

test("a message comes in although every Drop is being read", (t) => {
  const lone = fullNode();
  for (let slot = 0; slot < CAPACITY; slot++) lone.store.pin(slot);
  t.is(lone.node.publish(drop(1), "own"), "stored");
});

test("no newcomer and no Drop from the wire takes the place of a protected message, also after a restart", (t) => {
  const lone = fullNode();
  for (let number = 0; number < CAPACITY / 2; number++) lone.node.publish(drop(number), "own");
  for (let slot = 0; slot < CAPACITY; slot++) {
    if (lone.store.isProtected(slot)) lone.store.setHeat(slot, -1_000_000);
  }
  lone.store.checkpoint(0);
  const flood = (store: Store): number => {
    for (let i = 0; i < 10 * CAPACITY; i++) {
      const victim = store.firstToDie();
      if (store.isProtected(victim)) break;
      store.insert(insertion(1_000 + i, 0, Uint8Array.of(1), { heatKey: HEAT_CAP & ~1, victim }));
    }
    let left = 0;
    for (let number = 0; number < CAPACITY / 2; number++) if (findIn(store, drop(number)) >= 0) left++;
    return left;
  };
  t.is(flood(mountedAgain(lone)), CAPACITY / 2);
  const store = mountedAgain(lone);
  t.is(flood(store), CAPACITY / 2);
  // Canary: the coldest die when they are protected no longer.
  for (let slot = 0; slot < CAPACITY; slot++) if (store.isOwn(slot)) store.markOwn(slot, true, 3);
  t.true(flood(mountedAgain(lone)) === 0);
});

test("three hand-ons end the protection, each in ten minutes of its own, and a restart forgets none", (t) => {
  const lone = fullNode();
  lone.node.publish(drop(1), "own");
  const slot = lone.store.lastSlot;
  // Somebody takes the message under many addresses.
  for (let i = 0; i < 20; i++) lone.node.custody.handedOn(slot, PEER);
  t.is(lone.store.handedOn(slot), 1);
  lone.now += INTERVAL_MS;
  lone.node.custody.handedOn(slot, PEER);
  t.is(lone.store.handedOn(slot), 2);
  const store = mountedAgain(lone);
  const again = findIn(store, drop(1));
  t.true(store.isProtected(again) && store.handedOn(again) === 2);
  new OwnDrops(store).handedOn(again, 0);
  t.true(store.isOwn(again) && !store.isProtected(again));
  const last = mountedAgain(lone);
  t.true(last.isOwn(findIn(last, drop(1))) && !last.isProtected(findIn(last, drop(1))));
});

test("of messages, the one that most others have gives way, and of equals the coldest", (t) => {
  const lone = fullNode(6, -1_000_000);
  for (const number of [1, 2, 3]) lone.node.publish(drop(number), "own");
  const slots = [1, 2, 3].map((number) => findIn(lone.store, drop(number)));
  lone.store.setHeat(slots[1]!, -100);
  lone.node.custody.handedOn(slots[2]!, PEER);
  lone.node.publish(drop(4), "own");
  t.deepEqual(
    slots.map((slot) => lone.store.isProtected(slot)),
    [true, true, false],
  );
  lone.node.publish(drop(5), "own");
  t.deepEqual(
    [1, 2, 4, 5].map((number) => findIn(lone.store, drop(number)) >= 0),
    [true, true, true, true],
  );
  t.false(lone.store.isProtected(slots[1]!));
});

test("who writes what the store carries protects it, and who removes a Drop is rid of it", (t) => {
  const lone = loneNode(0, new SeededRandom(seed, "own-drops"), CAPACITY);
  lone.node.publish(drop(1), "wire");
  t.false(lone.store.isOwn(lone.store.lastSlot));
  t.is(lone.node.publish(drop(1), "own"), "known");
  t.true(lone.store.isProtected(findIn(lone.store, drop(1))));
  const id = dropId(drop(1));
  t.true(lone.node.remove(shortIdLow(id), shortIdHigh(id)));
  t.false(lone.node.remove(shortIdLow(id), shortIdHigh(id)));
  t.is(mountedAgain(lone).count, 0);
});

/** A Mule that carries 745 Drops writes five messages beside a radio that floods. Returns how many leave, and stay. */
function besideAFlood(protects: boolean): { left: number; stayed: number } {
  const random = new SeededRandom(seed, "beside a flood");
  const fresh = (): Uint8Array => {
    const bytes = new Uint8Array(60);
    random.fill(bytes);
    return bytes;
  };
  const messages = new Set<number>();
  let left = 0;
  const world = new World(
    {
      name: "own",
      description: "",
      durationS: 45,
      radio: { rateMbps: 1, rangeM: 80 },
      nodes: [
        { name: "mule", role: "mule", at: [0, 0] },
        { name: "flood", role: "mule", at: [20, 0] },
        { name: "visitor", role: "mule", at: [0, 20], capacity: 100 },
      ],
      drops: [],
    },
    seed,
    {
      dropSent: (node, slot, peer) => {
        const to = world.node("visitor")!.station.address;
        if (node.name !== "mule" || !to.every((byte, i) => byte === peer[i])) return;
        if (messages.has(node.throwie!.store.idLow(slot))) left++;
      },
      contactClosed: (node) => {
        if (node.name === "flood") world.kernel.after(1, () => restock());
      },
    },
  );
  const mule = world.node("mule")!;
  const flood = world.node("flood")!;
  const restock = (): void => {
    const { throwie } = flood;
    if (throwie === undefined || throwie.contacts > 0) return;
    random.fill(flood.station.address.subarray(2));
    for (let slot = 0; slot < 200; slot++) if (throwie.store.occupied(slot)) throwie.store.remove(slot);
    for (let i = 0; i < 200; i++) {
      flood.publish(fresh());
      throwie.store.setHeat(throwie.store.lastSlot, throwie.custody.heatNow() + HEAT_CAP);
    }
  };
  world.kernel.at(1_000_000, () => world.node("visitor")!.crash());
  world.kernel.at(1_000_000, () => flood.crash());
  world.run(1.1);
  const { store } = mule.throwie!;
  for (let i = 0; i < 750; i++) {
    const bytes = fresh();
    if (mule.publish(bytes) !== "stored") throw new Error("the Mule did not store its Drop");
    const own = i >= 745;
    if (own) messages.add(store.idLow(store.lastSlot));
    else for (let times = 0; times < 8; times++) mule.throwie!.custody.warm(store.lastSlot);
    store.markOwn(store.lastSlot, own && protects, 0);
  }
  flood.start();
  world.kernel.at(2_000_000, () => restock());
  world.kernel.at(25_000_000, () => world.node("visitor")!.start());
  world.run(45);
  const stayed = Array.from({ length: 750 }, (_, slot) => slot).filter((slot) => messages.has(store.idLow(slot)));
  return { left, stayed: stayed.length };
}

test("five messages that are written beside a radio that floods leave first, and stay", (t) => {
  t.deepEqual(besideAFlood(true), { left: 5, stayed: 5 });
  const canary = besideAFlood(false);
  t.true(canary.left < 5 || canary.stayed < 5, JSON.stringify(canary));
});
