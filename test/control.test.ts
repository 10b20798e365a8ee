/**
 * Commands ask a running node at a Unix socket (docs/control.md). These tests open the socket in this process, and talk
 * to it as a command does, as a stranger does, and as a broken program does.
 */
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import anyTest, { type ExecutionContext } from "ava";
import { askNode, type NoAnswer } from "../hosts/control/client.ts";
import { makePlaces, type Place, placesOf } from "../hosts/control/places.ts";
import {
  answerRequest,
  BODY_SIZE_BYTES_MAX,
  type ControlFrame,
  decodeControlAnswer,
  encodeControlRequest,
  frameOf,
  HEADER_BYTES,
} from "../hosts/control/requests.ts";
import { CONNECTIONS_MAX, ControlServer } from "../hosts/control/server.ts";
import { DROP_SIZE_BYTES_MAX } from "../modules/drop/drop.ts";
import { SeededRandom } from "../sim/random.ts";

/** One test after the other, because they change the environment of this process. */
const test = anyTest.serial;
const session = mkdtempSync(join(tmpdir(), "throwie-control-"));
chmodSync(session, 0o700);
process.env.XDG_RUNTIME_DIR = session;
test.after.always(() => rmSync(session, { recursive: true, force: true }));

const DROP = new Uint8Array(60).fill(9);
const published: Uint8Array[] = [];
const handlers = {
  publish: ({ drop }: { drop: Uint8Array }) => {
    published.push(drop);
    return { outcome: "stored" as const, held: published.length, gaveWay: new Uint8Array(0) };
  },
  remove: () => ({ removed: false, held: published.length }),
  who: () => ({ carrier: "mule" as const }),
};

/** A file that stands for a store. */
function storeFile(t: ExecutionContext): string {
  const folder = mkdtempSync(join(session, "store-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "drops.flash");
  writeFileSync(path, "");
  return path;
}

async function served(t: ExecutionContext, path: string, deadlineMs?: number): Promise<ControlServer> {
  const server = await ControlServer.open(path, handlers, deadlineMs);
  t.teardown(() => server.close());
  t.true(server.serves);
  return server;
}

/** Places of a node of this user that is not there. */
function planted(t: ExecutionContext, path: string): Place[] {
  const places = makePlaces(path);
  t.teardown(() => {
    for (const { folder } of places) rmSync(folder, { recursive: true, force: true });
  });
  return places;
}

/** Sends the bytes to the node of this store, and resolves to what comes back until the node closes. */
async function exchange(path: string, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(placesOf(path)[0]!.socket);
  const received: Buffer[] = [];
  socket.on("data", (part) => received.push(part));
  socket.on("error", () => {});
  socket.write(bytes);
  await new Promise((resolve) => socket.on("close", resolve));
  return Buffer.concat(received);
}

test("a request and its answer come back as they were sent", (t) => {
  for (const sizeBytes of [1, 60, DROP_SIZE_BYTES_MAX]) {
    const drop = new Uint8Array(sizeBytes).fill(3);
    const frame = frameOf(encodeControlRequest("publish", { drop })) as ControlFrame;
    for (const [held, outcome] of (["stored", "known", "colder", "busy", "flash"] as const).entries()) {
      const answer = answerRequest(frame, {
        ...handlers,
        publish: (request) => ({ outcome, held: request.drop.length, gaveWay: new Uint8Array(8 * held) }),
      }) as Uint8Array;
      t.deepEqual(decodeControlAnswer("publish", frameOf(answer) as ControlFrame), {
        outcome,
        held: sizeBytes,
        gaveWay: new Uint8Array(8 * held),
      });
    }
  }
  const frame = frameOf(encodeControlRequest("who", {})) as ControlFrame;
  for (const carrier of ["mule", "gateway"] as const) {
    const answer = answerRequest(frame, { ...handlers, who: () => ({ carrier }) }) as Uint8Array;
    t.deepEqual(decodeControlAnswer("who", frameOf(answer) as ControlFrame), { carrier });
    t.is(decodeControlAnswer("who", { ...frame, body: Uint8Array.of(0xa1, 1, 2) }), "malformed");
    t.is(answerRequest({ ...frame, body: Uint8Array.of(0xa1, 1, 0) }, handlers), "malformed");
  }
});

test("bytes that are no request are refused, whatever they are", (t) => {
  const request = encodeControlRequest("publish", { drop: DROP });
  for (let length = 0; length < request.length; length++) t.is(frameOf(request.subarray(0, length)), "partial");
  t.is(frameOf(Uint8Array.of(...request, 0)), "malformed");
  t.is(frameOf(Uint8Array.of(1, 1, (BODY_SIZE_BYTES_MAX + 1) >> 8, (BODY_SIZE_BYTES_MAX + 1) & 0xff)), "malformed");
  const frame = frameOf(request) as ControlFrame;
  const unasked = { publish: () => t.fail() as never, remove: () => t.fail() as never, who: () => t.fail() as never };
  const unknown = Uint8Array.of(1, 0, 0, 0);
  t.deepEqual(answerRequest({ ...frame, version: 2 }, unasked), unknown);
  t.deepEqual(answerRequest({ ...frame, code: 0 }, unasked), unknown);
  t.deepEqual(answerRequest({ ...frame, code: 99 }, unasked), unknown);
  t.is(decodeControlAnswer("publish", frameOf(unknown) as ControlFrame), "unknown");
  t.is(decodeControlAnswer("publish", { ...frame, code: 7 }), "malformed");
  for (const bytes of [[], [0xa0], [0xa1, 1, 0], [0xa1, 1, 0x40], [0xa2, 1, 0x41, 5, 2, 0], [0xbf, 1, 0x41, 5, 0xff]]) {
    t.is(answerRequest({ ...frame, body: Uint8Array.from(bytes) }, unasked), "malformed");
  }
  const random = new SeededRandom(1, "control");
  for (let count = 0; count < 2_000; count++) {
    const body = Uint8Array.from({ length: random.below(70) }, () => random.below(256));
    const answer = answerRequest(
      { ...frame, body },
      { ...handlers, publish: () => ({ outcome: "known", held: 1, gaveWay: new Uint8Array(0) }) },
    );
    t.true(answer === "malformed" || answer.length > HEADER_BYTES);
  }
});

test("a command finds the node through links, other names and relative names, but not at a copy", async (t) => {
  const path = storeFile(t);
  await served(t, path);
  const folder = dirname(path);
  symlinkSync("drops.flash", join(folder, "link"));
  symlinkSync(folder, join(folder, "folder"));
  linkSync(path, join(folder, "other-name"));
  writeFileSync(join(folder, "copy"), "");
  const before = published.length;
  const names = ["drops.flash", "link", "folder/drops.flash", "folder/link", "other-name"].map((name) =>
    join(folder, name),
  );
  for (const name of [...names, relative(process.cwd(), path)]) {
    t.like(await askNode(name, "publish", { drop: DROP }), { outcome: "stored" }, name);
  }
  t.is(published.length, before + 6);
  t.deepEqual(published.at(-1), DROP);
  t.is(await askNode(join(folder, "copy"), "publish", { drop: DROP }), "absent");
  t.is(await askNode(join(folder, "nothing"), "publish", { drop: DROP }), "absent");
});

test("a command finds the node whatever the environments of the two are", async (t) => {
  const path = storeFile(t);
  await served(t, path);
  t.is(placesOf(path).length, 2);
  for (const value of [
    undefined,
    "",
    "run",
    "/nowhere",
    "/proc",
    "/tmp/",
    "/tmp",
    `${session}/${"x".repeat(200)}`,
    session,
  ]) {
    if (value === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = value;
    // Until ask has looked for the socket, nothing else runs.
    const answer = askNode(path, "publish", { drop: DROP });
    process.env.XDG_RUNTIME_DIR = session;
    t.like(await answer, { outcome: "stored" }, value ?? "unset");
  }
});

test("nobody but the user may use the socket, and nothing is left of it", async (t) => {
  const path = storeFile(t);
  const server = await served(t, path);
  const places = placesOf(path);
  for (const { folder, socket } of places) {
    t.is(statSync(folder).mode & 0o777, 0o700);
    t.is(statSync(socket).mode & 0o777, 0o600);
    t.true(statSync(socket).isSocket());
    t.is(statSync(socket).uid, process.getuid!());
  }
  server.close();
  server.close();
  for (const { folder } of places) t.false(existsSync(folder));
  t.is(await askNode(path, "publish", { drop: DROP }), "absent");
});

test("a socket that a killed node left behind is replaced, and asking there finds nobody", async (t) => {
  const path = storeFile(t);
  const dead = planted(t, path);
  for (const { folder, socket } of dead) {
    // A socket under another name stays when its server closes.
    const server = createServer().listen(`${socket}.dead`);
    await once(server, "listening");
    linkSync(`${socket}.dead`, socket);
    await new Promise((resolve) => server.close(resolve));
    t.deepEqual(readdirSync(folder), ["node"]);
  }
  t.is(await askNode(path, "publish", { drop: DROP }), "absent");
  await served(t, path);
  t.false(dead.some(({ folder }) => existsSync(folder)));
  t.is(placesOf(path).length, 2);
  t.like(await askNode(path, "publish", { drop: DROP }), { outcome: "stored" });
});

test("a node removes what killed nodes left behind long ago, and nothing else", async (t) => {
  const [running, fresh, dead] = [storeFile(t), storeFile(t), storeFile(t)];
  const later = await served(t, running);
  const young = planted(t, fresh);
  const old = planted(t, dead);
  writeFileSync(old[0]!.socket, "");
  for (const { folder } of [...old, ...placesOf(running)]) utimesSync(folder, 1, 1);
  const next = await served(t, storeFile(t));
  t.false(old.some(({ folder }) => existsSync(folder)));
  t.true(young.every(({ folder }) => existsSync(folder)));
  t.like(await askNode(running, "publish", { drop: DROP }), { outcome: "stored" });
  later.close();
  next.close();
});

test("a folder that others may use is no place, and no name can be taken before the node has it", async (t) => {
  const path = storeFile(t);
  const { dev, ino } = statSync(path, { bigint: true });
  const names = [`throwie-${dev}-${ino}`, `throwie-${dev}-${ino}-`, `throwie-${dev}-${ino}-aaaaaa`];
  const taken = ["/tmp", session].flatMap((base) => names.map((name) => join(base, name)));
  t.teardown(() => {
    for (const name of taken) rmSync(name, { recursive: true, force: true });
  });
  for (const name of taken) symlinkSync(session, name);
  t.deepEqual(placesOf(path), [], "links");
  for (const name of taken) rmSync(name);
  for (const name of taken) writeFileSync(name, "");
  t.deepEqual(placesOf(path), [], "files");
  const server = await served(t, path);
  t.is(placesOf(path).length, 2);
  const places = placesOf(path);
  for (const { folder } of places) chmodSync(folder, 0o777);
  t.is(await askNode(path, "publish", { drop: DROP }), "absent");
  for (const { folder } of places) chmodSync(folder, 0o700);
  t.like(await askNode(path, "publish", { drop: DROP }), { outcome: "stored" });
  server.close();
  t.true(taken.every((name) => existsSync(name)));
});

test("a folder for sessions in which others can replace entries is not used", (t) => {
  const path = storeFile(t);
  const shared = mkdtempSync(join(session, "shared-"));
  process.env.XDG_RUNTIME_DIR = shared;
  t.is(planted(t, path).length, 2);
  t.is(placesOf(path).length, 2);
  chmodSync(shared, 0o777);
  t.is(planted(t, path).length, 1);
  process.env.XDG_RUNTIME_DIR = "/tmp/";
  t.is(planted(t, path).length, 1);
  process.env.XDG_RUNTIME_DIR = `${session}/${"x".repeat(60)}`;
  mkdirSync(process.env.XDG_RUNTIME_DIR, { mode: 0o700 });
  t.is(planted(t, path).length, 1, "the name would be too long for a socket");
  process.env.XDG_RUNTIME_DIR = session;
});

/** Only root can give a file to another user, and not in a namespace of users that has one user only. */
function canGiveAway(): boolean {
  const folder = mkdtempSync(join(session, "given-"));
  try {
    chownSync(folder, STRANGER, STRANGER);
    return true;
  } catch {
    return false;
  }
}

const STRANGER = 4321;
const strangerTest = canGiveAway() ? test : anyTest.skip;

strangerTest("a socket that another user planted is not talked to, except by the owner of the store", async (t) => {
  const path = storeFile(t);
  delete process.env.XDG_RUNTIME_DIR;
  t.teardown(() => {
    process.env.XDG_RUNTIME_DIR = session;
  });
  const [place] = planted(t, path);
  const server = createServer(() => t.fail("the command talked to a stranger's socket"));
  server.listen(place!.socket);
  await once(server, "listening");
  chownSync(place!.folder, STRANGER, STRANGER);
  t.is(await askNode(path, "publish", { drop: DROP }), "absent");
  const node = await served(t, path);
  t.is(lstatSync(place!.folder).uid, STRANGER, "a node leaves the folder alone");
  t.like(await askNode(path, "publish", { drop: DROP }), { outcome: "stored" }, "beside the stranger's folder");
  node.close();
  server.removeAllListeners("connection");
  const answer = answerRequest(frameOf(encodeControlRequest("publish", { drop: DROP })) as ControlFrame, handlers);
  server.on("connection", (connection) => connection.resume().end(answer));
  chownSync(path, STRANGER, STRANGER);
  t.like(await askNode(path, "publish", { drop: DROP }), { outcome: "stored" });
  await new Promise((resolve) => server.close(resolve));
});

test("garbage, half a request and silence end the connection, and the node serves the next one", async (t) => {
  const path = storeFile(t);
  await served(t, path, 300);
  const request = encodeControlRequest("publish", { drop: DROP });
  const before = published.length;
  t.is((await exchange(path, Buffer.from("GET / HTTP/1.1\r\n\r\n"))).length, 0);
  t.is((await exchange(path, new Uint8Array(1_000_000))).length, 0);
  t.is((await exchange(path, Uint8Array.of(...request, 1))).length, 0);
  t.is((await exchange(path, request.subarray(0, 9))).length, 0, "half a request");
  t.is((await exchange(path, new Uint8Array(0))).length, 0, "silence");
  t.deepEqual([...(await exchange(path, Uint8Array.of(1, 77, 0, 0)))], [1, 0, 0, 0]);
  t.is(published.length, before);
  t.like(await askNode(path, "publish", { drop: DROP }), { outcome: "stored" });
});

test("silent connections are bounded, and a command that finds no room can ask again", async (t) => {
  const path = storeFile(t);
  await served(t, path, 500);
  const { socket } = placesOf(path)[0]!;
  const idle = Array.from({ length: CONNECTIONS_MAX }, () => connect(socket));
  await Promise.all(idle.map((connection) => once(connection, "connect")));
  for (const connection of idle) connection.on("error", () => {});
  for (;;) {
    const answer = await askNode(path, "publish", { drop: DROP });
    if (answer !== "lost") {
      t.like(answer, { outcome: "stored" });
      break;
    }
  }
  for (const connection of idle) connection.destroy();
});

test("a node that does not answer, that ends, or that is of another version has an answer of its own", async (t) => {
  const path = storeFile(t);
  const { socket } = planted(t, path)[0]!;
  for (const [expected, serve] of [
    ["silent", () => {}],
    ["lost", (connection) => connection.destroy()],
    ["lost", (connection) => connection.end(Uint8Array.of(1, 1, 0))],
    ["unknown", (connection) => connection.end(Uint8Array.of(1, 0, 0, 0))],
    ["unknown", (connection) => connection.end(Uint8Array.of(2, 1, 0, 1, 0xf6))],
    ["unknown", (connection) => connection.end(Uint8Array.of(1, 1, 0, 1, 0xf6))],
  ] as [NoAnswer, (connection: Socket) => void][]) {
    const accepted: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (connection) => {
      accepted.push(connection);
      connection.on("error", () => {});
      connection.resume();
      serve(connection);
    }).listen(socket);
    await once(server, "listening");
    t.is(await askNode(path, "publish", { drop: DROP }, { deadlineMs: 300 }), expected);
    for (const connection of accepted) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});
