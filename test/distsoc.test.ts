/**
 * The overlay node (hosts/distsoc) must talk to other implementations, so its bytes must be exactly the documented
 * bytes.
 *
 * - Posts and messages are tested against the vectors of docs/distsoc.md, and against other implementations: the
 *   Ed25519 of OpenSSL (through node:crypto) and the BLAKE3 of hash-wasm.
 * - The key file is tested, with the files that it must refuse.
 * - Both transports are tested against one contract.
 *
 * Replay a property test with SEED=n. Tests that start the QUIC library are skipped outside a loopback-only network
 * namespace.
 */
import { createPublicKey, verify } from "node:crypto";
import fs, {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Endpoint, EndpointAddr, EndpointId, presetMinimal, RelayMode } from "@number0/iroh";
import test, { registerCompletionHandler } from "ava";
import { blake3 as blake3Wasm } from "hash-wasm";
import type { Handlers } from "../hosts/distsoc/exchange.ts";
import { Identity, IdentityError, loadIdentity } from "../hosts/distsoc/identity.ts";
import { parseNodeAddress, parseNodeId, parseSocket } from "../hosts/distsoc/node-id.ts";
import { openPost, POST_BYTES_MAX, POST_DOMAIN, signPost } from "../hosts/distsoc/post.ts";
import { openIrohTransport, whyNotBound } from "../hosts/distsoc/transport/iroh-transport.ts";
import { MemoryNetwork } from "../hosts/distsoc/transport/memory-transport.ts";
import { ALPN, INBOUND_CONNECTIONS_MAX, INBOUND_STREAMS_MAX } from "../hosts/distsoc/transport/transport.ts";
import { decodeCbor, encodeCbor, equalBytes } from "../hosts/distsoc/wire/cbor.ts";
import { ERROR_CODES, errorName } from "../hosts/distsoc/wire/error-codes.ts";
import {
  type Answer,
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  errorOf,
  MESSAGE_BOUNDS,
  MESSAGES,
  REQUESTS,
  type Request,
} from "../hosts/distsoc/wire/messages.ts";
import { identityOf, transportContract } from "./transport-contract.ts";

// The QUIC library sometimes keeps this worker alive for minutes after every endpoint was closed.
registerCompletionHandler(() => process.exit());

interface Vector {
  op: string;
  note: string;
  reason?: string;
  secretKey?: string;
  author?: string;
  sequence?: number;
  drop?: string;
  record?: string;
  postId?: string;
  to?: string;
  fields?: Record<string, unknown>;
  bytes?: string;
}
/** A message that is added later may have a vector file of its own. */
const VECTOR_FILES = readdirSync("test/vectors").filter((name) => /^distsoc.*\.json$/.test(name));
const vectors = VECTOR_FILES.map((name) => ({
  name,
  ...(JSON.parse(readFileSync(join("test/vectors", name), "utf8")) as { valid: Vector[]; invalid: Vector[] }),
}));
const valid = vectors.flatMap((file) => file.valid);
const invalid = vectors.flatMap((file) => file.invalid);

const entries = Object.values(MESSAGES);
const spoken = entries.filter((entry) => "decode" in entry);
const spokenCodes: number[] = [...new Set(spoken.map(({ code }) => code))];
/** The type bytes of the messages that open a stream. */
const requestCodes = new Set<number>(REQUESTS.map((name) => MESSAGES[name].code));
const knownCodes = new Set<number>(entries.map(({ code }) => code));

const SEED = Number(process.env.SEED ?? 20_260_101) >>> 0;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(text!, "hex"));

/** xorshift32: random numbers that the same seed repeats. */
function chance(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function randomBytes(next: (below: number) => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

/** The fields with byte strings as hexadecimal text, as in the vectors. */
function asHex(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [key, field instanceof Uint8Array ? hex(field) : field]),
  );
}

/** The fields of a vector with byte strings as bytes. */
function fromHex(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [
      key,
      key === "postId" || key === "record" ? unhex(field as string) : field,
    ]),
  );
}

type Open = typeof openPost;

function postFaults(open: Open): string[] {
  const faults: string[] = [];
  for (const vector of valid.filter(({ op }) => op === "post")) {
    const post = open(unhex(vector.record));
    if (typeof post === "string") faults.push(`${vector.note}: ${post}`);
    else if (hex(post.drop) !== vector.drop || post.sequence !== vector.sequence || post.author !== vector.author) {
      faults.push(`${vector.note}: a field reads wrong`);
    } else if (hex(post.id) !== vector.postId) faults.push(`${vector.note}: another PostId`);
  }
  for (const vector of invalid.filter(({ op }) => op === "post")) {
    const post = open(unhex(vector.record));
    if (post !== vector.reason) faults.push(`${vector.note}: ${typeof post === "string" ? post : "accepted"}`);
  }
  return faults;
}

test("vectors: posts are written and read as the vectors say", (t) => {
  t.true(valid.filter(({ op }) => op === "post").length >= 6);
  t.deepEqual(postFaults(openPost), []);
  for (const vector of valid.filter(({ op }) => op === "post")) {
    const post = signPost(new Identity(unhex(vector.secretKey)), vector.sequence!, unhex(vector.drop));
    t.is(hex(post.record), vector.record!, vector.note);
    t.is(hex(post.id), vector.postId!);
  }
});

test("canary: the vectors catch a reader that accepts too much", (t) => {
  const unsigned: Open = (record) => {
    const post = openPost(record);
    if (post !== "bad-signature") return post;
    const last = valid.find(({ op }) => op === "post")!;
    return openPost(unhex(last.record));
  };
  t.is(postFaults(unsigned).length, invalid.filter(({ reason }) => reason === "bad-signature").length);
  t.is(
    postFaults((record) => openPost(record.subarray(0, record.length - (record.at(-1) === 0 ? 1 : 0)))).length > 0,
    true,
  );
});

test("posts agree with OpenSSL's Ed25519 and another BLAKE3, and have the documented byte positions", async (t) => {
  for (const vector of valid.filter(({ op }) => op === "post")) {
    const record = unhex(vector.record);
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(unhex(vector.author)).toString("base64url") },
      format: "jwk",
    });
    // The signature is the last entry: key 6, a head of two bytes, 64 bytes. The map without the signature has five
    // entries.
    const message = Buffer.concat([POST_DOMAIN, Uint8Array.of(0xa5), record.subarray(1, record.length - 67)]);
    t.true(verify(null, message, key, record.subarray(record.length - 64)), vector.note);
    t.is(await blake3Wasm(record), vector.postId!);
  }
  t.is(Buffer.from(POST_DOMAIN).toString("latin1"), "distsoc/2 post\0");
  t.is(Math.max(...valid.map(({ record }) => (record?.length ?? 0) / 2)), POST_BYTES_MAX);
});

test("vectors: messages are written and read as the vectors say", (t) => {
  const requests = valid.filter(({ op }) => op === "request");
  const answers = valid.filter(({ op }) => op === "answer");
  const first = vectors.find(({ name }) => name === "distsoc.json")!;
  t.deepEqual(
    ["request", "answer"].map((kind) => first.valid.filter(({ op }) => op === kind).length),
    [3, 5],
  );
  for (const { note, fields, bytes } of requests) {
    t.is(hex(encodeRequest(fromHex(fields!) as unknown as Request)), bytes!, note);
    t.deepEqual(asHex(decodeRequest(unhex(bytes)) as object), fields!, note);
  }
  for (const { note, fields, bytes, to } of answers) {
    t.is(hex(encodeAnswer(fromHex(fields!) as unknown as Answer)), bytes!, note);
    t.deepEqual(asHex(decodeAnswer(to as Request["type"], unhex(bytes)) as object), fields!, note);
  }
  for (const { note, op, bytes, to, reason } of invalid.filter(({ op }) => op !== "post")) {
    const refused = op === "request" ? decodeRequest(unhex(bytes)) : decodeAnswer(to as Request["type"], unhex(bytes));
    t.is(refused as string, reason!, note);
  }
});

test("every reason has a vector or a test of its own", (t) => {
  const reasons = new Set(invalid.map(({ reason }) => reason!));
  for (const reason of ["malformed", "trailing", "not-canonical", "too-large", "unknown-version", "unknown-kind"]) {
    t.true(reasons.has(reason), reason);
  }
  for (const reason of ["bad-field", "bad-signature", "empty", "unknown-type", "unsupported-type", "unexpected-type"]) {
    t.true(reasons.has(reason), reason);
  }
  for (const { code, sizeBytesMax } of spoken) {
    t.is(decodeRequest(new Uint8Array(sizeBytesMax + 1).fill(code)), "too-large");
  }
  for (const to of REQUESTS) {
    const { code, sizeBytesMax } = MESSAGES[MESSAGES[to].answeredBy];
    t.is(decodeAnswer(to, new Uint8Array(sizeBytesMax + 1).fill(code)), "too-large");
  }
});

test("every message with a codec has valid and invalid vectors", (t) => {
  for (const { name, code, answeredBy } of spoken) {
    const op = answeredBy === undefined ? "answer" : "request";
    t.true(
      valid.some((vector) => vector.op === op && vector.fields?.type === name),
      name,
    );
    const refused = invalid.filter((vector) => vector.op === op && unhex(vector.bytes)[0] === code);
    t.true(refused.length > 0, name);
  }
});

test("the table has the 21 types of the seed, and each type byte is accepted or refused as the table says", (t) => {
  t.is(knownCodes.size, 21);
  t.is(new Set(REQUESTS).size, requestCodes.size, "no two messages that open a stream may share a type byte");
  for (const [key, { name, code, answeredBy }] of Object.entries(MESSAGES)) {
    t.is<string, string>(name, key);
    t.true(answeredBy === undefined || answeredBy in MESSAGES || answeredBy === `${name}Answer`, name);
    // An answer that repeats a type byte is named after the message that it answers.
    const first = entries.find((entry) => entry.code === code)!.name;
    t.true(name === first || name === `${first}Answer`, name);
  }
  for (let type = 0; type < 256; type += 1) {
    const refused = decodeRequest(Uint8Array.of(type, 0xa0));
    if (requestCodes.has(type)) t.is(decodeRequest(Uint8Array.of(type, 0x80)), "bad-field");
    else if (spokenCodes.includes(type)) t.is(refused, "unexpected-type");
    else t.is(refused, knownCodes.has(type) ? "unsupported-type" : "unknown-type");
    if (typeof refused === "string") t.true(errorOf(refused) in ERROR_CODES);
  }
  for (const type of [0x30, 0x35, 0x42]) t.is(decodeRequest(Uint8Array.of(type, 0xa0)), "bad-field");
  t.is(decodeRequest(Uint8Array.of(0x31, 0xa0)), "unexpected-type");
});

test("canary: the compiler demands a handler for each request, with the right type of answer", (t) => {
  // @ts-expect-error No request has a handler.
  const none: Handlers = {};
  // @ts-expect-error A PushPost is not answered by a FileResponse.
  const wrong: Handlers["PushPost"] = () => ({ type: "FileResponse" });
  const right: Handlers["PushPost"] = () => ({ type: "PushPostAnswer", outcome: "stored" });
  t.not(wrong, right);
  t.deepEqual(Object.keys(none), []);
  const answer = decodeAnswer("PostNotification", Uint8Array.of(0x35, 0xa0));
  // @ts-expect-error The answer to a PostNotification has no outcome.
  t.is(typeof answer === "string" ? undefined : answer.outcome, undefined);
});

test("docs/distsoc.md has the same tables of types and codes", (t) => {
  const rows = readFileSync("docs/distsoc.md", "utf8")
    .split("\n")
    .filter((line) => /^\| 0x[0-9a-f]{2} \| [\w-]+ \|/.test(line))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .map((cells) => cells.slice(1, -1));
  const isType = (row: string[]): boolean => /^[A-Z]/.test(row[1]!);
  t.deepEqual(
    rows.filter(isType),
    entries.map((entry) => {
      const type = `0x${entry.code.toString(16).padStart(2, "0")}`;
      const head = [type, entry.name, entry.layer, entry.answeredBy ?? ""];
      if (!("decode" in entry)) return [...head, "", "refused, 0x02"];
      const sizeBytesMax = entry.sizeBytesMax.toLocaleString("en");
      return [...head, sizeBytesMax, entry.answeredBy === undefined ? "answers" : "served"];
    }),
  );
  const codes = rows.filter((row) => !isType(row)).map(([code, name]) => [name, Number(code)] as const);
  t.deepEqual(Object.fromEntries(codes), ERROR_CODES);
});

test("the sizes of posts, messages and bounds fit each other", (t) => {
  const largest = encodeRequest({ type: "PushPost", record: new Uint8Array(POST_BYTES_MAX) });
  t.is(largest.length, 2175);
  for (const { sizeBytesMax } of [MESSAGES.FileRequest, MESSAGES.FileResponse, MESSAGES.PostNotification]) {
    t.is(sizeBytesMax, 4096);
  }
  t.is(MESSAGES.PushPost.sizeBytesMax, 4096);
  for (const { sizeBytesMax, answeredBy } of spoken) {
    const { requestSizeBytesMax, answerSizeBytesMax } = MESSAGE_BOUNDS;
    t.true(sizeBytesMax <= (answeredBy === undefined ? answerSizeBytesMax : requestSizeBytesMax));
  }
  // The most bytes that unknown peers can make a node hold. A larger message needs a transport that reads the type
  // first.
  t.true(INBOUND_CONNECTIONS_MAX * INBOUND_STREAMS_MAX * MESSAGE_BOUNDS.requestSizeBytesMax <= 16 * 1024 * 1024);
  t.is(new Set(Object.values(ERROR_CODES)).size, Object.keys(ERROR_CODES).length);
  t.is(errorName(5), "refused");
  t.is(errorName(77), "code 77");
});

test("random and mutated bytes are refused, or are the exact encoding of their message, and never cause an exception", (t) => {
  const next = chance(SEED);
  const bases = valid.map(({ record, bytes }) => unhex(bytes ?? record));
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 20_000; round += 1) {
    let bytes: Uint8Array;
    if (round % 2 === 0) {
      bytes = randomBytes(next, next(80));
      if (bytes.length > 0) bytes[0] = spokenCodes[next(spokenCodes.length)]!;
    } else {
      bytes = Uint8Array.from(bases[next(bases.length)]!);
      for (let flips = 1 + next(3); flips > 0; flips -= 1) bytes[next(Math.min(bytes.length, 90))] = next(256);
      if (next(4) === 0) bytes = bytes.slice(0, next(bytes.length));
    }
    const where = `SEED=${SEED} round ${round}: ${hex(bytes)}`;
    const request = decodeRequest(bytes);
    if (typeof request !== "string" && !equalBytes(encodeRequest(request), bytes)) t.fail(where);
    for (const to of REQUESTS) {
      const answer = decodeAnswer(to, bytes);
      if (typeof answer !== "string" && !equalBytes(encodeAnswer(answer), bytes)) t.fail(where);
    }
    const outcome = typeof request === "string" ? request : request.type;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (round % 16 === 1) {
      const post = openPost(bytes);
      if (typeof post !== "string" && !valid.some(({ record }) => record === hex(bytes))) t.fail(where);
    }
  }
  t.true(outcomes.size >= 6, JSON.stringify([...outcomes]));
});

test("CBOR that is deeply nested, states a huge length, or has an unusual type gives a reason", (t) => {
  t.is(decodeCbor(new Uint8Array(MESSAGE_BOUNDS.requestSizeBytesMax - 1).fill(0x81)), "malformed");
  t.is(decodeCbor(new Uint8Array(MESSAGE_BOUNDS.requestSizeBytesMax - 1).fill(0xa1)), "malformed");
  t.is(decodeCbor(Uint8Array.of(0x5b, 0, 0, 0, 1, 0, 0, 0, 0)), "malformed");
  t.is(decodeCbor(Uint8Array.of(0x9b, 0, 0, 0, 1, 0, 0, 0, 0)), "malformed");
  t.is(decodeCbor(Uint8Array.of(0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)), "malformed");
  t.is(decodeCbor(Uint8Array.of(0xc0, 0x00)), "malformed");
  t.is(decodeCbor(Uint8Array.of(0xf7)), "malformed");
  t.is(typeof decodeCbor(Uint8Array.of(0x61, 0xff)), "string");
  const deep = Uint8Array.from([...new Uint8Array(4000).fill(0x81), 0x00]);
  const read = decodeCbor(deep);
  t.true(read === "malformed" || typeof read === "object");
  t.deepEqual(decodeCbor(encodeCbor(new Map([[1, Uint8Array.of(1)]]))), { value: new Map([[1, Uint8Array.of(1)]]) });
});

function folder(t: { teardown(work: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), "throwie-distsoc-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("an identity is created once, is private, and is the same after a restart", (t) => {
  const path = join(folder(t), "identity.key");
  const first = loadIdentity(path);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.is(statSync(path).size, 32);
  t.regex(first.nodeId, /^[0-9a-f]{64}$/);
  t.is(loadIdentity(path).nodeId, first.nodeId);
  t.deepEqual(readdirSync(join(path, "..")), ["identity.key"]);
  t.not(loadIdentity(join(path, "../other.key")).nodeId, first.nodeId);
  t.is(
    new Identity(unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")).nodeId,
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "RFC 8032, test 1",
  );
});

test("a key file that is open to other users, has the wrong length or is no plain file is refused and not changed", (t) => {
  const path = join(folder(t), "identity.key");
  const refused = (): string => t.throws(() => loadIdentity(path), { instanceOf: IdentityError })?.message ?? "";
  loadIdentity(path);
  for (const mode of [0o640, 0o604, 0o666, 0o620]) {
    chmodSync(path, mode);
    t.regex(refused(), new RegExp(`mode 0${mode.toString(8)}\\).*chmod 600`));
  }
  for (const length of [0, 31, 33, 64]) {
    rmSync(path);
    writeFileSync(path, new Uint8Array(length), { mode: 0o600 });
    t.regex(refused(), new RegExp(`holds ${length} bytes instead of 32`));
    t.is(readFileSync(path).length, length);
  }
  rmSync(path);
  writeFileSync(`${path}.real`, new Uint8Array(32), { mode: 0o600 });
  symlinkSync(`${path}.real`, path);
  t.regex(refused(), /is a link/);
  t.throws(() => loadIdentity(join(path, "..")), { instanceOf: IdentityError, message: /is not a file/ });
  t.throws(() => loadIdentity(join(path, "../absent/identity.key")), { instanceOf: IdentityError, message: /ENOENT/ });
});

test("a key file is created on a file system without hard links", (t) => {
  const path = folder(t);
  const { linkSync } = fs;
  t.teardown(() => {
    fs.linkSync = linkSync;
    syncBuiltinESMExports();
  });
  // A real FAT file system needs root and a kernel module, so only its answer to a link is simulated.
  fs.linkSync = () => {
    throw Object.assign(new Error("EPERM: operation not permitted, link"), { code: "EPERM", errno: -1 });
  };
  syncBuiltinESMExports();
  const key = join(path, "identity.key");
  const { nodeId } = loadIdentity(key);
  t.is(loadIdentity(key).nodeId, nodeId);
  t.is(statSync(key).mode & 0o777, 0o600);
  t.deepEqual(readdirSync(path), ["identity.key"]);
});

test("a node address that is not exactly as documented is refused", (t) => {
  const id = identityOf(1).nodeId;
  t.deepEqual(parseNodeAddress(`${id.toUpperCase()}@127.0.0.1:4433,[::1]:5`), {
    id,
    sockets: ["127.0.0.1:4433", "[::1]:5"],
  });
  for (const text of [
    "",
    id,
    `${id}@`,
    `${id}@localhost:1`,
    `${id}@127.0.0.1`,
    `${id}@127.0.0.1:0`,
    `${id}@127.0.0.1:65536`,
  ]) {
    t.throws(() => parseNodeAddress(text), { instanceOf: RangeError }, text);
  }
  for (const text of [`${id}@::1:5`, `${id}@[127.0.0.1]:5`, `${id.slice(1)}@127.0.0.1:1`, `${id}@999.0.0.1:1`]) {
    t.throws(() => parseNodeAddress(text), { instanceOf: RangeError }, text);
  }
  t.throws(() => parseNodeAddress(`${id}@${"127.0.0.1:1,".repeat(8)}127.0.0.1:1`), { message: /at most 8/ });
  t.throws(() => parseNodeId("x"), { instanceOf: RangeError });
  t.deepEqual(parseSocket("127.0.0.1:0"), { ip: "127.0.0.1", port: 0 });
});

const network = new Map<string, MemoryNetwork>();
let tests = 0;
/**
 * Gives each test of the suite its own network. The suite names its nodes by small numbers, and the first node that a
 * test opens has number 1, 3 or 7.
 */
transportContract(test.serial, "memory", async (identity, options) => {
  if ([1, 3, 7].includes(identity.secretKey[0]!)) tests += 1;
  const own = network.get(String(tests)) ?? new MemoryNetwork();
  network.set(String(tests), own);
  return own.open(identity.nodeId, options);
});

const loopbackOnly = process.env.THROWIE_LOOPBACK_ONLY === "1";
const quic = loopbackOnly ? test.serial : test.skip;
const why = loopbackOnly
  ? ""
  : " (skipped: the QUIC library sends UPnP packets; run npm test, which has a network namespace of its own)";

transportContract(quic, `QUIC${why}`, (identity, options) =>
  openIrohTransport({ identity, listen: "127.0.0.1:0", ...options }),
);

const numbers = (bytes: Uint8Array): number[] => [...bytes];

/** An endpoint of the library itself, which need not keep the rules of distsoc/2. */
async function foreignEndpoint(alpn: string): Promise<Endpoint> {
  const builder = Endpoint.builder();
  presetMinimal(builder);
  builder.relayMode(RelayMode.disabled());
  builder.alpns([numbers(Buffer.from(alpn))]);
  builder.bindAddr("127.0.0.1:0");
  builder.bindAddr("[::1]:0");
  return builder.bind();
}

quic(`QUIC${why}: a peer that breaks the rules gets codes, and other peers are still served`, async (t) => {
  const own = await openIrohTransport({ identity: identityOf(1), listen: "127.0.0.1:0", bounds: MESSAGE_BOUNDS });
  const foreign = await foreignEndpoint(ALPN);
  t.teardown(() =>
    Promise.all([own.close(), Promise.race([foreign.close(), new Promise((r) => setTimeout(r, 2000))])]).then(),
  );
  own.onMessage(async (_, message) => message);
  const to = new EndpointAddr(EndpointId.fromString(own.self), null, [...own.addresses]);
  const connection = await foreign.connect(to, numbers(Buffer.from(ALPN)));
  const ask = async (message: number[]): Promise<string> => {
    const stream = await connection.openBi();
    const [sending, receiving] = [stream.send, stream.recv];
    sending.writeAll(message).then(
      () => sending.finish(),
      () => {},
    );
    return receiving.readToEnd(5000).then(
      (answer) => `${answer.length} bytes`,
      (error: Error) => error.message.split("\n")[0]!,
    );
  };
  t.is(await ask([1, 2, 3]), "3 bytes");
  t.is(
    await ask(new Array(MESSAGE_BOUNDS.requestSizeBytesMax + 1).fill(1)),
    `Read(Reset(${ERROR_CODES["too-large"]}))`,
  );
  t.is(await ask(new Array(1_000_000).fill(1)), `Read(Reset(${ERROR_CODES["too-large"]}))`);
  const abandoned = await connection.openBi();
  await abandoned.send.writeAll([1]);
  await abandoned.send.reset(9n);
  t.is(await ask([1, 2]), "2 bytes");

  // The peer fills all the room with incomplete messages. This connection is closed, and a new connection is served.
  for (let count = 0; count < INBOUND_STREAMS_MAX; count += 1) {
    const stream = await connection.openBi();
    await stream.send.writeAll([0x30]);
  }
  t.regex(await connection.closed(), new RegExp(`: ${ERROR_CODES["too-slow"]}$`));
  const again = await foreign.connect(to, numbers(Buffer.from(ALPN)));
  const stream = await again.openBi();
  const [sending, receiving] = [stream.send, stream.recv];
  await sending.writeAll([5]);
  await sending.finish();
  t.deepEqual(await receiving.readToEnd(10), [5]);
});

quic(`QUIC${why}: a peer with another protocol name is refused, and a port in use gives one sentence`, async (t) => {
  const own = await openIrohTransport({ identity: identityOf(1), listen: "127.0.0.1:0", bounds: MESSAGE_BOUNDS });
  const foreign = await foreignEndpoint("distsoc/1");
  t.teardown(() =>
    Promise.all([own.close(), Promise.race([foreign.close(), new Promise((r) => setTimeout(r, 2000))])]).then(),
  );
  const to = new EndpointAddr(EndpointId.fromString(own.self), null, [...own.addresses]);
  await t.throwsAsync(foreign.connect(to, numbers(Buffer.from("distsoc/1"))));
  t.is(own.addresses.length, 1);
  await t.throwsAsync(
    openIrohTransport({ identity: identityOf(2), listen: own.addresses[0]!, bounds: MESSAGE_BOUNDS }),
    {
      message: /^address: cannot listen on 127\.0\.0\.1/,
    },
  );
});

test("why an address was not bound is said in the library's words, unless it is one of two common reasons", (t) => {
  const failed = (cause: string): string =>
    `Error: Failed to bind sockets (socket.rs:946:24)\nCaused by:\n    ${cause}`;
  t.regex(whyNotBound(failed("Cannot assign requested address (os error 99)")), /does not have this address/);
  t.regex(whyNotBound(failed("Address already in use (os error 98)")), /another program/);
  t.is(whyNotBound(failed("Too many open files")), "the library says: Too many open files");
  t.is(whyNotBound("Error: timed out\n  0: stack"), "the library says: Error: timed out");
});
