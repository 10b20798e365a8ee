/**
 * A frame of a type that a place in the code forgot would be taken for a frame of another type. So the table of types
 * (modules/glacier/frame-type.ts) is the only list of them: what it does not have is refused, what it has is handled, and a
 * type that is added to it is missed by the compiler first, and at run time second. The table is also that of the document.
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
/** The next type that is free: that of the canaries. */
const NEW_TYPE: number = FRAME_TYPES.length;

type Row = Exclude<(typeof FRAME_TYPES)[number], undefined>;
const rows = (): Row[] => FRAME_TYPES.filter((row) => row !== undefined);

/** A node in contact with a peer that has opened its session as message 0, and a way to send the node what the peer likes. */
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
  if (node.contacts !== 1) throw new Error("no contact");
  return { node, sent, send };
}

test("the table is by code, each type has a vector, and docs/protocol.md has the same table", (t) => {
  const document = readFileSync("docs/protocol.md", "utf8");
  const word = (yes: boolean): string => (yes ? "yes" : "no");
  const lines = rows().map(({ code, name, session, fragment, opens, broadcast }) => {
    t.is(FRAME_TYPES[code]?.code, code);
    t.true(
      vectors.valid.some((vector) => vector.type === code),
      `a vector of ${name}`,
    );
    return `| ${code} | ${name} | ${word(session)} | ${word(fragment)} | ${word(opens)} | ${word(broadcast)} |`;
  });
  t.true(document.includes(`|---|---|---|---|---|---|\n${lines.join("\n")}\n\n`), lines.join("\n"));
});

test("a frame of a type that the table does not have costs the counter `type`, and nothing else", (t) => {
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
  // A type that the table has does more: the poll is answered.
  send({ type: RECONCILE, poll: true, sequence: 1, shortIdLow: 5 }, payload);
  t.notDeepEqual(state(), before);
});

/** What goes wrong with each type of the table: as a frame that a node in contact hears, and as a message under way. */
function unhandled(): string[] {
  const faults: string[] = [];
  for (const { code, name, fragment } of rows()) {
    try {
      const { node, send } = inContact();
      const { type } = node.counters;
      // The whole of a message of 40 bytes, if it is one.
      send({ type: code, sequence: 1, shortIdLow: 5 }, Uint8Array.of(40, 0, 0, ...new Uint8Array(40)));
      if (node.counters.type !== type) faults.push(`${name}: not known`);
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

/** The new type of a canary: a message, a single frame of a session, or a frame without a session. */
const NEW_ROWS = [
  { session: true, fragment: true, named: ["modules/throwie/contact.ts"] },
  { session: true, fragment: false, named: ["modules/glacier/link.ts"] },
  { session: false, fragment: false, named: ["modules/glacier/link.ts", "modules/throwie/throwie.ts"] },
];
const newRow = ({ session, fragment }: { session: boolean; fragment: boolean }) => ({
  ...{ code: NEW_TYPE, name: "NEW", session, fragment, opens: false, broadcast: false },
});

test.serial("node, link and contact handle each type of the table", (t) => {
  t.deepEqual(unhandled(), []);
});

test.serial("canary: a type of the table that nobody handles is not taken for another", (t) => {
  for (const row of NEW_ROWS) {
    (FRAME_TYPES as unknown as object[]).push(newRow(row));
    try {
      t.deepEqual(unhandled(), ["NEW: Error: glacier: a frame type that is not handled"]);
    } finally {
      (FRAME_TYPES as unknown as object[]).pop();
    }
  }
});

test.serial("canary: the compiler names the files where a new type of the table is not handled", (t) => {
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
