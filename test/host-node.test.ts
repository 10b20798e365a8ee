/** A Throwie on a host without a radio, and a person's messages in and out of it (hosts/node). */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { HostNode } from "../hosts/node/host-node.ts";
import { leaveMessage, openMessages, type PublishOutcome, sealMessage } from "../hosts/node/message.ts";
import { openDropStore } from "../hosts/store/drop-store.ts";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import { SEAL_OVERHEAD_BYTES } from "../modules/drop/seal.ts";
import { FLOOD } from "../modules/store/marks.ts";
import { HEAT_CAP, HEAT_UNITS_PER_HALF_LIFE } from "../modules/temperature/temperature.ts";
import { insertion } from "./insertion.ts";

const KEY = new Uint8Array(32).fill(7);
const OTHER_KEY = new Uint8Array(32).fill(8);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function storePath(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "throwie-node-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "deep", "drops.flash");
}

/** As many Drops as there is room for, all as hot as a Drop can be. */
function fill(path: string, make = (number: number): Uint8Array => bytes(`carried ${number}`)): void {
  mkdirSync(dirname(path), { recursive: true });
  const { store, close } = openDropStore(path);
  for (let number = 0; number < store.capacity; number++) {
    const drop = make(number);
    const id = dropId(drop);
    store.insert(insertion(shortIdLow(id), shortIdHigh(id), drop, { heatKey: HEAT_CAP }));
    store.markVerified(store.lastSlot);
  }
  close();
}

test("a message is there when the file is opened again, and its key alone opens it", async (t) => {
  const path = storePath(t);
  const node = await HostNode.open({ storePath: path });
  const drop = sealMessage(bytes("hello"), KEY);
  t.is(drop.length, 5 + SEAL_OVERHEAD_BYTES);
  leaveMessage(node, drop);
  leaveMessage(node, drop);
  t.is(node.held, 1);
  t.deepEqual([...node.drops()], [drop]);
  node.close();
  t.is(node.publish(drop, "own"), "busy");
  const { store, close } = openDropStore(path);
  t.true(store.verified(0));
  t.deepEqual(openMessages(store, KEY), [{ dropId: dropId(drop), plaintext: bytes("hello") }]);
  t.deepEqual(openMessages(store, OTHER_KEY), []);
  close();
});

test("a message of one's own comes into a store that is full of the hottest Drops", async (t) => {
  const path = storePath(t);
  fill(path);
  const node = await HostNode.open({ storePath: path });
  // Canary: what came by wire is colder than all that is here, and stays out.
  t.is(node.publish(bytes("by wire"), "wire"), "colder");
  const share = Math.floor(node.held / 5);
  for (let number = 0; number <= share; number++) leaveMessage(node, sealMessage(bytes(`mine ${number}`), KEY));
  t.is(node.held, 750);
  node.close();
  const { store, close } = openDropStore(path);
  // The share of newcomers is full: the first of the node's own died for the last.
  t.is(openMessages(store, KEY).length, share);
  t.is(store.journal().filter(({ cause }) => cause === FLOOD).length, 1);
  close();
});

test("messages come out hottest first", (t) => {
  const path = storePath(t);
  const drops = Array.from({ length: 750 }, (_, number) =>
    sealMessage(bytes(String(number)), number < 3 ? KEY : OTHER_KEY),
  );
  fill(path, (number) => drops[number]!);
  const { store, close } = openDropStore(path);
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
  ["colder", /^The store is full of warmer Drops\.$/],
  ["busy", /^The store is full, and every Drop that could make room is being sent just now; try again\.$/],
  ["flash", /^The store cannot be written: check the disk, or name another file\.$/],
] as [PublishOutcome, RegExp][]) {
  test(`a person is told when the node answers ${outcome}`, (t) => {
    t.throws(() => leaveMessage({ publish: () => outcome }, bytes("x")), { message: sentence });
  });
}

test("an empty message and one that no Drop holds are refused", (t) => {
  t.throws(() => sealMessage(new Uint8Array(0), KEY), { instanceOf: RangeError, message: /empty/ });
  t.throws(() => sealMessage(new Uint8Array(2009), KEY), { instanceOf: RangeError, message: /2009 bytes.* 2008/ });
});

test("a store that cannot be opened leaves no radio open", async (t) => {
  const path = storePath(t);
  const first = await HostNode.open({ storePath: path });
  await t.throwsAsync(HostNode.open({ storePath: path, openRadio: () => t.fail() as never }), { message: /in use/ });
  first.close();
  await t.throwsAsync(HostNode.open({ storePath: path, openRadio: () => Promise.reject(new Error("no dongle")) }), {
    message: "no dongle",
  });
  (await HostNode.open({ storePath: path })).close();
});
