/**
 * The disk of a gateway may be full, fail, or hold files that are not the gateway's. The log may go to a pipe that
 * nobody reads. The radio must not stop for any of these, and no file may be lost.
 *
 * A full disk is a real one: a file system of 512 KB in a mount namespace. The test is skipped where the kernel allows
 * no such namespace.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "ava";
import { build } from "esbuild";
import Libsql from "libsql";
import { pino } from "pino";
import { signPost } from "../hosts/distsoc/post.ts";
import { GatewayDatabase } from "../hosts/gateway/database/database.ts";
import { sentenceOf } from "../hosts/gateway/database/faults.ts";
import { DatabaseError } from "../hosts/gateway/database/schema.ts";
import { openLog } from "../hosts/gateway/log.ts";
import type { LogSink } from "../hosts/machine/log-lines.ts";
import { folder, until } from "./gateway-town.ts";
import { identityOf, sleep } from "./transport-contract.ts";

type Line = Record<string, unknown>;
const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

test("a log that nobody reads drops lines, counts them, and says so when it is read again", async (t) => {
  let taken = "";
  let resume: (() => void) | undefined;
  const stuck: LogSink = (bytes, done) => {
    resume = () => {
      taken += bytes.toString();
      done();
    };
  };
  const { logger, close } = openLog(stuck);
  const written = 30_000;
  for (let index = 0; index < written; index += 1) logger.info({ event: "line", index, pad: "x".repeat(60) });
  while (resume !== undefined) {
    const next = resume;
    resume = undefined;
    next();
  }
  logger.info({ event: "last" });
  resume!();
  await close();
  const lines = linesOf(taken);
  const dropped = lines
    .filter(({ event }) => event === "log-dropped")
    .reduce((sum, line) => sum + Number(line.lines), 0);
  const kept = lines.filter(({ event }) => event === "line");
  t.true(dropped > 1000);
  t.is(kept.length + dropped, written);
  t.deepEqual(
    kept.map(({ index }) => index),
    kept.map((_, index) => index),
  );
  t.is(lines.at(-1)!.event, "last");
});

test("a log on a full disk throws nothing, and says how many lines are missing when there is room", async (t) => {
  let full = true;
  let taken = "";
  const { logger, close } = openLog((bytes, done) => {
    setImmediate(() => {
      // A full disk may take the beginning of a line.
      taken += full ? bytes.subarray(0, 10).toString() : bytes.toString();
      done(full ? new Error("ENOSPC") : null);
    });
  });
  for (let index = 0; index < 5; index += 1) {
    logger.info({ event: "lost", index });
    await sleep(1);
  }
  await close();
  full = false;
  logger.info({ event: "kept" });
  await close();
  const whole = taken.split("\n").slice(-3).join("\n");
  t.deepEqual(
    linesOf(whole).map(({ event, lines }) => [event, lines]),
    [
      ["log-dropped", 5],
      ["kept", undefined],
    ],
  );
});

test("what a stranger wrote cannot control the terminal on which the log is read", async (t) => {
  let taken = "";
  const { logger, close } = openLog((bytes, done) => {
    taken += bytes.toString();
    done();
  });
  const reason = "a\u009b31mb\u202ec\u0007d\nzwj\u200d";
  logger.warn({ event: "refused", reason });
  await close();
  t.notRegex(taken.trimEnd(), /[\p{Cc}\u202e]/u);
  t.is(linesOf(taken)[0]!.reason, reason);
});

test("the log waits for a pipe without holding up the process or its end", async (t) => {
  const pipe = join(folder(t), "pipe");
  if (spawnSync("mkfifo", [pipe]).status !== 0) {
    t.pass("this system has no mkfifo");
    return;
  }
  const file = openSync(pipe, "r+");
  const { logger, close } = openLog(file);
  for (let index = 0; index < 2000; index += 1) logger.info({ event: "line", index, pad: "x".repeat(60) });
  await sleep(5);
  // Nobody reads, and the pipe holds 64 KB. `close` gives up all the same.
  await close();
  const buffer = Buffer.alloc(1024 * 1024);
  let taken = "";
  t.true(
    await until(() => {
      try {
        taken += buffer.toString("utf8", 0, readSync(file, buffer));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
      return taken.includes('"index":1999');
    }),
  );
  t.is(linesOf(taken).length, 2000);
  closeSync(file);
});

test("each failure of a database has a sentence", (t) => {
  const failure = (code: string): Error => Object.assign(new Error("disk I/O error"), { code });
  for (const [code, words] of [
    ["SQLITE_FULL", /is full/],
    ["SQLITE_IOERR_WRITE", /device .* fails/],
    ["SQLITE_IOERR_FSYNC", /device .* fails/],
    ["SQLITE_CORRUPT_INDEX", /damaged/],
    ["SQLITE_READONLY_DBMOVED", /cannot be written/],
    ["SQLITE_BUSY", /locked/],
  ] as const) {
    t.regex(sentenceOf(failure(code), "/data/gateway.sqlite")!, words);
  }
  t.is(sentenceOf(new Error("our own bug"), "/data/gateway.sqlite"), undefined);
});

const SILENT = pino({ level: "silent" });
const self = identityOf(1).nodeId;
const open = (path: string, log = SILENT) => new GatewayDatabase(path, self, { log });

test("a file that is not the gateway's database is refused with one sentence and stays as it is", (t) => {
  const path = folder(t);
  const refused = (name: string, sentence: RegExp): void => {
    const file = join(path, name);
    chmodSync(file, 0o644);
    const before = readFileSync(file);
    t.throws(() => open(file), { instanceOf: DatabaseError, message: sentence }, name);
    t.deepEqual(readFileSync(file), before, name);
    t.is(statSync(file).mode & 0o777, 0o644, name);
  };
  writeFileSync(join(path, "noise"), new Uint8Array(8192).fill(7));
  refused("noise", /is not a database/);
  writeFileSync(join(path, "short"), "some words\n");
  refused("short", /is not a database/);
  const other = new Libsql(join(path, "other"));
  other.exec("CREATE TABLE bookmarks (address TEXT); INSERT INTO bookmarks VALUES ('x')");
  other.close();
  refused("other", /belongs to another program/);
  mkdirSync(join(path, "folder"));
  t.throws(() => open(join(path, "folder")), { instanceOf: DatabaseError, message: /is not a file/ });
});

test("a database that another program has locked is refused with one sentence, and so is a damaged one", (t) => {
  const path = join(folder(t), "gateway.sqlite");
  const database = open(path);
  for (let number = 1; number < 40; number += 1) {
    database.keep(signPost(identityOf(3), number, new Uint8Array(2000).fill(number)));
  }
  database.close();
  const other = new Libsql(path);
  other.exec("BEGIN EXCLUSIVE");
  t.throws(() => open(path), { instanceOf: DatabaseError, message: /Another program has locked/ });
  other.exec("ROLLBACK");
  other.close();
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xee, 4096));
  t.throws(() => open(path), { instanceOf: DatabaseError, message: /is damaged/ });
});

test("the files of a database are for their owner only, and an older file is narrowed with a word", (t) => {
  const path = join(folder(t), "gateway.sqlite");
  const umask = process.platform === "win32" ? 0 : process.umask();
  open(path).close();
  chmodSync(path, 0o644);
  const said: Line[] = [];
  const log = pino({ base: null }, { write: (line: string) => void said.push(JSON.parse(line)) });
  const database = open(path, log);
  database.keep(signPost(identityOf(3), 1, Uint8Array.of(1)));
  for (const end of ["", "-wal", "-shm", ".lock"]) t.is(statSync(path + end).mode & 0o777, 0o600, `${end}, ${umask}`);
  t.deepEqual(
    said.map(({ event }) => event),
    ["narrowed"],
  );
  database.close();
});

test("a database that is full forgets the oldest posts that are not due, and then the oldest", (t) => {
  const path = join(folder(t), "gateway.sqlite");
  const said: Line[] = [];
  const log = pino({ base: null }, { write: (line: string) => void said.push(JSON.parse(line)) });
  const database = new GatewayDatabase(path, self, { log, keptBytesMax: 384 * 1024, forgetPosts: 16 });
  const drop = (number: number): Uint8Array => new Uint8Array(2000).fill(number & 0xff).fill(number >> 8, 0, 1);
  const peer = identityOf(2).nodeId;
  const make = (number: number, audience: string[]): void =>
    void database.post(drop(number), audience, (sequence) => signPost(identityOf(1), sequence, drop(number)));
  for (let number = 0; number < 30; number += 1) make(number, number < 15 ? [peer] : []);
  t.is(database.counts().posts, 30);
  for (let number = 30; number < 300; number += 1) make(number, []);
  const { posts, owed } = database.counts();
  t.is(owed, 15, "what is owed is kept as long as there is anything else to forget");
  t.true(posts > 50 && posts < 180, `${posts} posts`);
  t.true(statSync(path).size < 1024 * 1024);
  t.true(said.every(({ event, due }) => event === "forgotten" && due === false));
  t.deepEqual(
    database.owed(peer, 0, 3).map(({ post }) => post.drop),
    [0, 1, 2].map(drop),
  );
  for (let number = 300; number < 600; number += 1) make(number, [peer]);
  t.true(said.some(({ due }) => due === true));
  t.true(database.counts().posts < 180);
  t.true(database.counts().owed <= database.counts().posts);
  t.is(database.owed(peer, 0, 1)[0]!.post.sequence > 300, true);
  database.close();
});

test("a full disk is said once, reading goes on, and the gateway resumes by itself", async (t) => {
  const program = "build/test/small-disk.mjs";
  const options = { bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "error" } as const;
  await build({ ...options, entryPoints: ["test/small-disk.ts"], outfile: program });
  const disk = folder(t);
  const mount = `mount -t tmpfs -o size=512k tmpfs '${disk}' && exec "$@"`;
  if (spawnSync("unshare", ["-rm", "sh", "-c", mount, "sh", "true"]).status !== 0) {
    t.pass("this system allows no mount namespace");
    return;
  }
  const child = spawn("unshare", ["-rm", "sh", "-c", mount, "sh", process.execPath, program, disk], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (bytes) => {
    output += bytes;
  });
  await new Promise((resolve) => child.once("exit", resolve));
  const seen = JSON.parse(output) as Line;
  const refused = "refused by the other node: full";
  t.like(seen, {
    before: '{"type":"PushPostAnswer","outcome":"stored"}',
    pushed: refused,
    pushedAgain: refused,
    read: true,
    faults: [],
    stopped: 1,
    restarted: true,
    resumed: true,
    works: true,
    pushedThen: '{"type":"PushPostAnswer","outcome":"stored"}',
  });
  const said = seen.said as string[];
  t.is(said.length, 1, String(said));
  t.regex(said[0]!, /disk that holds .* is full/);
});
