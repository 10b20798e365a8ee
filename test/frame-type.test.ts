/**
 * Code that forgets a type of frame would treat a frame of this type as a frame of another type.
 *
 * So the table of types (modules/glacier/frame-type.ts) is the only list of types. A type that is not in the table is
 * refused, and every type in the table is handled. When a new type is added to the table, the compiler reports each
 * place that does not handle it, and at run time such a place throws. docs/protocol.md has the same table.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import test from "ava";
import { FRAME_HEADER_BYTES, FRAME_SIZE_BYTES_V1, frameType, sealFrame } from "../modules/glacier/frame.ts";
import { BEACON, FRAME_TYPES, OPEN, RECONCILE } from "../modules/glacier/frame-type.ts";
import { Outgoing } from "../modules/glacier/ports.ts";
import { Contact } from "../modules/throwie/contact.ts";
import type { Throwie } from "../modules/throwie/throwie.ts";
import { SeededRandom } from "../sim/random.ts";
import { type HeaderFields, headerOf } from "./frames.ts";
import { loneNode } from "./lone-node.ts";
import { NOTHING_LISTED, openingFor } from "./stranger.ts";
import vectors from "./vectors/glacier.json" with { type: "json" };

const SESSION = 77;
const PEER = Uint8Array.of(2, 0, 0, 0, 0, 2);
const TYPES_MAX = 8;
/** The next free type. The canaries use it. */
const NEW_TYPE: number = FRAME_TYPES.length;

type Row = Exclude<(typeof FRAME_TYPES)[number], undefined>;
const rows = (): Row[] => FRAME_TYPES.filter((row) => row !== undefined);

/**
 * A node in contact with a peer that has opened its session as message 0. `send` sends the node any frame of the peer.
 */
function inContact(): { node: Throwie; sent: Uint8Array[]; send: (fields: HeaderFields, payload: Uint8Array) => void } {
  const lone = loneNode(3, new SeededRandom(1, "frame types"));
  const { node, sent } = lone;
  const send = (fields: HeaderFields, payload: Uint8Array): void => {
    const bytes = new Uint8Array(FRAME_SIZE_BYTES_V1);
    bytes.set(payload, FRAME_HEADER_BYTES);
    const header = headerOf({ sessionId: SESSION, ...fields, payloadBytes: payload.length });
    node.receive(bytes, sealFrame(bytes, header), PEER);
  };
  lone.now = 2_000;
  node.turn();
  const { name, payload } = openingFor(sent.find((frame) => frameType(frame) === BEACON)!, NOTHING_LISTED);
  send({ type: OPEN, shortIdLow: name[0], shortIdHigh: name[1] }, payload);
  node.turn();
  if (node.contacts !== 1) throw new Error("the node has no contact after the opening of the peer");
  return { node, sent, send };
}

test("the index of a row is its code, each type has a vector, and docs/protocol.md has the same table", (t) => {
  const document = readFileSync("docs/protocol.md", "utf8");
  const word = (yes: boolean): string => (yes ? "yes" : "no");
  const lines = rows().map(({ code, name, session, fragment, opens, broadcast }) => {
    t.is(FRAME_TYPES[code]?.code, code);
    t.true(
      vectors.valid.some((vector) => vector.type === code),
      `there must be a vector of ${name}`,
    );
    return `| ${code} | ${name} | ${word(session)} | ${word(fragment)} | ${word(opens)} | ${word(broadcast)} |`;
  });
  t.true(document.includes(`|---|---|---|---|---|---|\n${lines.join("\n")}\n\n`), lines.join("\n"));
});

test("a frame whose type is not in the table only adds one to the counter `type`", (t) => {
  const { node, sent, send } = inContact();
  const state = (): object => {
    node.turn();
    return { contacts: node.contacts, drops: node.store.count, credit: node.assemblies.credit(0), sent: sent.length };
  };
  const before = { ...state(), counters: { ...node.counters } };
  const unknown = Array.from({ length: TYPES_MAX }, (_, code) => code).filter(
    (code) => FRAME_TYPES[code] === undefined,
  );
  t.true(unknown.includes(0));
  const payload = new Uint8Array(210).fill(1);
  for (const type of unknown) {
    for (const poll of [false, true]) send({ type, poll, sequence: 1, shortIdLow: 5 }, payload);
  }
  const counters = { ...before.counters, type: before.counters.type + 2 * unknown.length };
  t.deepEqual({ ...state(), counters: { ...node.counters } }, { ...before, counters });
  // Canary: a frame whose type is in the table has a further effect, because its poll is answered.
  send({ type: RECONCILE, poll: true, sequence: 1, shortIdLow: 5 }, payload);
  t.notDeepEqual(state(), before);
});

/**
 * Returns the faults of each type in the table: as a frame that a node in contact hears, and as a message under way.
 */
function unhandled(): string[] {
  const faults: string[] = [];
  for (const { code, name, fragment } of rows()) {
    try {
      const { node, send } = inContact();
      const { type } = node.counters;
      // The payload is a complete message of 40 bytes, if the type is a type of messages.
      send({ type: code, sequence: 1, shortIdLow: 5 }, Uint8Array.of(40, 0, 0, ...new Uint8Array(40)));
      if (node.counters.type !== type) faults.push(`${name}: the node counts it as an unknown type`);
      if (!fragment) continue;
      const contact = new Contact(node, 1);
      const message = Object.assign(new Outgoing(), { type: code, bodyBytes: 40, handle: 0 });
      contact.read(message, 0, new Uint8Array(40), 0, 40);
      contact.finished(message, true);
      contact.abandoned(message);
    } catch (error) {
      faults.push(`${name}: ${error}`);
    }
  }
  return faults;
}

/**
 * The new types of the canaries: a message, a single frame of a session, and a frame without a session. `named` lists
 * the files in which the compiler must report an error.
 */
const NEW_ROWS = [
  { session: true, fragment: true, named: ["modules/throwie/contact.ts"] },
  { session: true, fragment: false, named: ["modules/glacier/link.ts"] },
  { session: false, fragment: false, named: ["modules/glacier/link.ts", "modules/throwie/throwie.ts"] },
];
const newRow = ({ session, fragment }: { session: boolean; fragment: boolean }) => ({
  ...{ code: NEW_TYPE, name: "NEW", session, fragment, opens: false, broadcast: false },
});

test.serial("the node, the link and the contact handle each type in the table", (t) => {
  t.deepEqual(unhandled(), []);
});

test.serial("canary: a type in the table that no code handles throws, and is not treated as another type", (t) => {
  for (const row of NEW_ROWS) {
    (FRAME_TYPES as unknown as object[]).push(newRow(row));
    try {
      t.deepEqual(unhandled(), ["NEW: Error: glacier: a frame type that is not handled"]);
    } finally {
      (FRAME_TYPES as unknown as object[]).pop();
    }
  }
});

test.serial("canary: the compiler names the files that do not handle a new type in the table", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "throwie-frame-type-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  cpSync("tsconfig.json", join(folder, "tsconfig.json"));
  cpSync("modules", join(folder, "modules"), { recursive: true });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  const path = join(folder, "modules/glacier/frame-type.ts");
  const table = readFileSync(path, "utf8");
  const named = (text: string): string[] => {
    writeFileSync(path, text);
    try {
      execFileSync(process.execPath, [resolve("node_modules/typescript/bin/tsc"), "-p", "modules"], { cwd: folder });
      return [];
    } catch (error) {
      const said = String((error as { stdout: Buffer }).stdout);
      return [...new Set([...said.matchAll(/^(\S+)\(\d+,\d+\): error/gm)].map((match) => match[1]!))].sort();
    }
  };
  t.deepEqual(named(table), []);
  for (const row of NEW_ROWS) {
    t.deepEqual(named(table.replace("] as const satisfies", `  ${JSON.stringify(newRow(row))},\n$&`)), row.named);
  }
});
