/**
 * A person leaves and reads messages with a Throwie on a host (hosts/node). These tests run the node without a radio,
 * on a store in a file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { HostNode } from "../hosts/node/host-node.ts";
import { leaveMessage, openMessages, sealMessage } from "../hosts/node/message.ts";
import { openDropStore } from "../hosts/store/drop-store.ts";
import { dropId, SHORT_ID_BYTES, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import { SEAL_OVERHEAD_BYTES } from "../modules/drop/seal.ts";
import { HEAT_CAP, HEAT_UNITS_PER_HALF_LIFE } from "../modules/temperature/temperature.ts";
import type { PublishOutcome } from "../modules/throwie/throwie.ts";
import { insertion } from "./insertion.ts";

const KEY = new Uint8Array(32).fill(7);
const OTHER_KEY = new Uint8Array(32).fill(8);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function storePath(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "throwie-node-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "drops.flash");
}

/** Fills the store with Drops that are all as hot as a Drop can be. */
async function fill(path: string, make = (number: number): Uint8Array => bytes(`carried ${number}`)): Promise<void> {
  const { store, close } = await openDropStore(path);
  for (let number = 0; number < store.capacity; number++) {
    const drop = make(number);
    const id = dropId(drop);
    store.insert(insertion(shortIdLow(id), shortIdHigh(id), drop, { heatKey: HEAT_CAP }));
    store.markVerified(store.lastSlot);
  }
  close();
}

test("a message is in the store when the file is opened again, and only its key opens it", async (t) => {
  const path = storePath(t);
  const node = await HostNode.open({ storePath: path });
  const drop = sealMessage(bytes("hello"), KEY);
  t.is(drop.length, 5 + SEAL_OVERHEAD_BYTES);
  leaveMessage(node, drop, path);
  leaveMessage(node, drop, path);
  t.is(node.held, 1);
  t.deepEqual([...node.drops()], [drop]);
  node.close();
  t.throws(() => node.publish(drop, "own"), { message: /publish after close/ });
  const { store, close } = await openDropStore(path);
  t.true(store.verified(0));
  t.deepEqual(openMessages(store, KEY), [{ dropId: dropId(drop), plaintext: bytes("hello") }]);
  t.deepEqual(openMessages(store, OTHER_KEY), []);
  close();
});

test("an own message is stored although the store is full of the hottest Drops", async (t) => {
  const path = storePath(t);
  await fill(path);
  const node = await HostNode.open({ storePath: path });
  // Canary: a Drop from the wire is colder than all Drops in the store, so the store refuses it.
  t.is(node.publish(bytes("by wire"), "wire"), "colder");
  const half = node.held / 2;
  for (let number = 0; number < half; number++) {
    leaveMessage(node, sealMessage(bytes(`mine ${number}`), KEY), path);
    t.is(node.gaveWay.length, 0);
  }
  const first = sealMessage(bytes("mine too"), KEY);
  leaveMessage(node, first, path);
  t.is(node.gaveWay.length, SHORT_ID_BYTES, "half of the store is full of messages that nobody else has");
  t.is(node.held, 750);
  t.true(node.remove(dropId(first).subarray(0, SHORT_ID_BYTES)));
  t.false(node.remove(dropId(first).subarray(0, SHORT_ID_BYTES)));
  t.is(node.held, 749);
  node.close();
  const { store, close } = await openDropStore(path);
  // The message that gave way was colder than all that the store carries, so it died at once.
  t.is(openMessages(store, KEY).length, half - 1);
  close();
});

test("messages are read in the order of their heat, hottest first", async (t) => {
  const path = storePath(t);
  const drops = Array.from({ length: 750 }, (_, number) =>
    sealMessage(bytes(String(number)), number < 3 ? KEY : OTHER_KEY),
  );
  await fill(path, (number) => drops[number]!);
  const { store, close } = await openDropStore(path);
  for (let number = 0; number < 3; number++) {
    const id = dropId(drops[number]!);
    store.setHeat(store.find(shortIdLow(id), shortIdHigh(id)), number * HEAT_UNITS_PER_HALF_LIFE);
  }
  t.deepEqual(
    openMessages(store, KEY).map(({ plaintext }) => new TextDecoder().decode(plaintext)),
    ["2", "1", "0"],
  );
  close();
});

for (const [outcome, sentence] of [
  ["colder", /^The store here is full of warmer Drops\.$/],
  ["busy", /^The store here is full, and every Drop that could make room is being sent just now; try again\.$/],
  ["flash", /^The store here cannot be written: check the disk, or name another file\.$/],
] as [PublishOutcome, RegExp][]) {
  test(`a person gets a sentence when the node answers ${outcome}`, (t) => {
    t.throws(() => leaveMessage({ publish: () => outcome }, bytes("x"), "here"), { message: sentence });
  });
}

test("an empty message and a message that is too long for a Drop are refused", (t) => {
  t.throws(() => sealMessage(new Uint8Array(0), KEY), { instanceOf: RangeError, message: /empty/ });
  t.throws(() => sealMessage(new Uint8Array(2009), KEY), { instanceOf: RangeError, message: /2009 bytes.* 2008/ });
});

test("no radio stays open when the store cannot be opened, and no store when the radio fails", async (t) => {
  const path = storePath(t);
  const first = await HostNode.open({ storePath: path });
  const second = HostNode.open({ storePath: path, patienceMs: 0, openRadio: () => t.fail() as never });
  await t.throwsAsync(second, { message: /in use/ });
  first.close();
  await t.throwsAsync(HostNode.open({ storePath: path, openRadio: () => Promise.reject(new Error("no dongle")) }), {
    message: "no dongle",
  });
  (await HostNode.open({ storePath: path })).close();
});
