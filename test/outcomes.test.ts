/**
 * What becomes of a Drop has one name for each thing that the caller can do about it. These tests bring a node into
 * each state, ask it by `publish` and by `keep`, and check what a peer hears. Each state has a canary: the same call,
 * without the one thing that the outcome is about, ends otherwise.
 */
import test from "ava";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import type { Assembly } from "../modules/glacier/assembly.ts";
import { Frame, PAYLOAD_BYTES_V1 } from "../modules/glacier/frame.ts";
import { DROP } from "../modules/glacier/frame-type.ts";
import { MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import type { Completion } from "../modules/glacier/ports.ts";
import { Assemblies } from "../modules/throwie/assemblies.ts";
import { Contact, type ContactOwner, type KeepOutcome } from "../modules/throwie/contact.ts";
import { SILENT } from "../modules/throwie/events.ts";
import { SeededRandom } from "../sim/random.ts";
import { type LoneNode, loneNode } from "./lone-node.ts";

const CAPACITY = 20;
/** Clock milliseconds after which a Drop from the wire is warmer than those before: an eighth of a week. */
const WIRE_STEP_MS = 75_600_000;
const SECTORS = 448;

const drop = (number: number): Uint8Array => Uint8Array.of(5, number);

/**
 * A node that is full of Drops from the wire, all equally cold, and `own` Drops that were written there before them.
 */
function fullNode(own = 0): LoneNode {
  const lone = loneNode(0, new SeededRandom(1, "outcomes"), CAPACITY);
  for (let number = 0; number < CAPACITY; number++) lone.node.publish(drop(number), number < own ? "own" : "wire");
  return lone;
}

function eachSlot(act: (slot: number) => void): void {
  for (let slot = 0; slot < CAPACITY; slot++) act(slot);
}

function wearOut(lone: LoneNode): void {
  for (let sector = 0; sector < SECTORS; sector++) lone.flash.wear(sector);
}

/** What the node answers when this Drop came whole from a peer whose contact has so many tokens. */
function keep({ node }: LoneNode, number: number, tokens = 1): KeepOutcome {
  const id = dropId(drop(number));
  const bytes = Uint8Array.of(...new Uint8Array(MESSAGE_PREFIX_BYTES), ...drop(number));
  const assembly = { shortIdLow: shortIdLow(id), shortIdHigh: shortIdHigh(id), bytes, bodyBytes: 2, claim: 128 };
  const contact = { tokens, countMoved() {}, spendToken() {} };
  const peer = Uint8Array.of(2, 0, 0, 0, 0, 2);
  return node.custody.keep(assembly as unknown as Assembly, peer, contact as unknown as Contact);
}

for (const origin of ["own", "wire"] as const) {
  test(`publish, ${origin}: a Drop is stored once, and known from then on`, (t) => {
    const lone = loneNode(0, new SeededRandom(1, "outcomes"), CAPACITY);
    t.is(lone.node.publish(drop(1), origin), "stored");
    t.is(lone.node.publish(drop(1), origin), "known");
  });

  test(`publish, ${origin}: "flash" when no sector can be written`, (t) => {
    const lone = loneNode(0, new SeededRandom(1, "outcomes"), CAPACITY);
    wearOut(lone);
    t.is(lone.node.publish(drop(1), origin), "flash");
  });
}

test('publish, wire: "busy" while every Drop that could die is being read', (t) => {
  // Drops that are warmer could not die for one from the wire, read or not.
  const lone = fullNode(4);
  lone.now += WIRE_STEP_MS;
  eachSlot((slot) => {
    if (!lone.store.isOwn(slot)) lone.store.pin(slot);
  });
  t.is(lone.node.publish(drop(100), "wire"), "busy");
  t.is(lone.store.count, CAPACITY);
  // Canary: a reader is done.
  lone.store.unpin(CAPACITY - 1);
  t.is(lone.node.publish(drop(100), "wire"), "stored");
  t.true(lone.store.evicted && lone.store.lastEvictedSlot === CAPACITY - 1);
});

test("publish: a store that is full of warmer Drops is colder for the wire, and not for a Drop that is written here", (t) => {
  const lone = fullNode();
  t.is(lone.node.publish(drop(100), "wire"), "colder", "equally cold");
  // It makes no difference that they are being read: to try again later would not help.
  eachSlot((slot) => lone.store.pin(slot));
  t.is(lone.node.publish(drop(100), "wire"), "colder");
  eachSlot((slot) => lone.store.unpin(slot));
  t.is(lone.node.publish(drop(101), "own"), "stored");
  // Canary: time passes, and the next from the wire is warmer than those before.
  lone.now += WIRE_STEP_MS;
  t.is(lone.node.publish(drop(100), "wire"), "stored");
});

test("publish: newcomers are no victims of the wire, however cold, and not busy either", (t) => {
  const lone = loneNode(0, new SeededRandom(1, "outcomes"), 1);
  t.is(lone.node.publish(drop(0), "wire"), "stored");
  t.is(keep(lone, 1), "stored");
  lone.store.setHeat(0, -999_999);
  lone.now += WIRE_STEP_MS;
  lone.store.pin(0);
  t.is(lone.node.publish(drop(2), "wire"), "colder");
  // Canary: a settled Drop that is as cold is one that the Drop from the wire waits for.
  lone.store.setHeat(0, -1_000_000);
  t.is(lone.node.publish(drop(2), "wire"), "busy");
});

test("keep: stored while there is room, then known", (t) => {
  const lone = loneNode(0, new SeededRandom(1, "outcomes"), CAPACITY);
  t.is(keep(lone, 1), "stored");
  t.is(keep(lone, 1), "known");
  wearOut(lone);
  t.is(keep(lone, 2), "flash");
});

test("keep: a full share of newcomers takes a Drop for a token only", (t) => {
  const lone = fullNode();
  for (let number = 100; number < 104; number++) t.is(keep(lone, number, 0), "stored");
  t.is(keep(lone, 104, 0), "token");
  t.is(keep(lone, 104), "stored");
  t.is(keep(lone, 0), "departed");
});

test("keep: busy while the settled, and then the newcomers, are all being read", (t) => {
  const lone = fullNode();
  eachSlot((slot) => lone.store.pin(slot));
  t.is(keep(lone, 100), "busy");
  lone.store.unpin(7);
  t.is(keep(lone, 100), "stored");
  t.is(lone.store.lastEvictedSlot, 7);
  eachSlot((slot) => lone.store.unpin(slot));
  for (let number = 101; number < 104; number++) t.is(keep(lone, number), "stored");
  eachSlot((slot) => {
    if ((lone.store.heat(slot) & 1) === 1) lone.store.pin(slot);
  });
  t.is(keep(lone, 104), "busy");
  lone.store.unpin(7);
  t.is(keep(lone, 104), "stored");
});

const COMPLETIONS: Record<KeepOutcome, Completion> = {
  stored: "kept",
  doubted: "unwanted",
  known: "unwanted",
  departed: "unwanted",
  colder: "unwanted",
  token: "again",
  busy: "again",
  flash: "again",
};

for (const [outcome, completion] of Object.entries(COMPLETIONS) as [KeepOutcome, Completion][]) {
  test(`a peer whose Drop is "${outcome}" here hears "${completion}"`, (t) => {
    const { store } = loneNode(0, new SeededRandom(1, "outcomes"), CAPACITY);
    const assemblies = new Assemblies();
    const owner = { store, assemblies, reconciliation: { owner: -1 }, events: SILENT, own: new Uint8Array(CAPACITY) };
    const contact = new Contact({ ...owner, custody: { keep: () => outcome } } as unknown as ContactOwner, 0);
    contact.begin(Uint8Array.of(2, 0, 0, 0, 0, 2), 1, true, 0);
    t.true(contact.credit > 0);
    const assembly = assemblies.lend(new Frame(), PAYLOAD_BYTES_V1, 0, 0)!;
    t.is(contact.complete(DROP, assembly), completion);
    t.is(contact.credit > 0, outcome !== "flash", "a node whose flash failed takes no further Drop");
  });
}
