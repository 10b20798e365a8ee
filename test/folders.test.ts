/**
 * A person's data lies where the XDG Base Directory Specification says, whatever the environment holds. These tests run
 * the command as a process, because a process reads its environment and its user once.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import test, { type ExecutionContext } from "ava";
import { dataFolder, makeFolders } from "../hosts/machine/folders.ts";

const THROWIE = resolve("build/hosts/cli/throwie.js");
/** A number that no list of users has. */
const UNLISTED_UID = 1_987_654;
const STORE = ".local/share/throwie/drops.flash";

interface Machine {
  env?: NodeJS.ProcessEnv;
  /** Words before the command, such as a program that changes the user. */
  as?: string[] | undefined;
  cwd?: string;
}

function throwie(words: string[], { env, as = [], cwd }: Machine) {
  const [program, ...rest] = [...as, process.execPath, THROWIE, ...words] as [string, ...string[]];
  return spawnSync(program, rest, { encoding: "utf8", cwd, env: { PATH: process.env.PATH, ...env } });
}

/** An empty folder that everyone may enter, so that another user can be tried in it. */
function emptyFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "throwie-folders-"));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The store that the help of `write` names, or undefined. */
function storeOf(t: ExecutionContext, machine: Machine): string | undefined {
  const { status, stdout, stderr } = throwie(["write", "--help"], machine);
  t.is(status, 0, stderr);
  return /default:\s*"([^"]+)"/.exec(stdout.replace(/\s*\n\s*/g, " "))?.[1];
}

test("only an absolute path in the environment counts", (t) => {
  const ada = "/home/ada/.local/share/throwie";
  const listed = join(userInfo().homedir, ".local/share/throwie");
  for (const [environment, expected] of [
    [{ XDG_DATA_HOME: "/data", HOME: "/home/ada" }, "/data/throwie"],
    [{ XDG_DATA_HOME: "/data" }, "/data/throwie"],
    [{ HOME: "/home/ada" }, ada],
    [{ XDG_DATA_HOME: "", HOME: "/home/ada" }, ada],
    [{ XDG_DATA_HOME: "data", HOME: "/home/ada" }, ada],
    [{ XDG_DATA_HOME: "~/data", HOME: "/home/ada" }, ada],
    [{}, listed],
    [{ HOME: "" }, listed],
    [{ HOME: "ada" }, listed],
    [{ HOME: ".", XDG_DATA_HOME: "." }, listed],
  ] as [NodeJS.ProcessEnv, string][]) {
    t.is(dataFolder(environment), expected, JSON.stringify(environment));
  }
});

test("a relative XDG_DATA_HOME makes nothing in the current folder", (t) => {
  const folder = emptyFolder(t);
  const home = join(folder, "home");
  const cwd = join(folder, "here");
  mkdirSync(cwd);
  for (const value of ["", "./data"]) {
    const written = throwie(["write", "--passphrase", "a", "hello"], {
      env: { HOME: home, XDG_DATA_HOME: value },
      cwd,
    });
    t.is(written.status, 0, written.stderr);
  }
  t.deepEqual(readdirSync(cwd), []);
  t.true(existsSync(join(home, STORE)));
});

/** The words that run a command as a user whom the system does not list, or undefined when this is not allowed. */
function unlistedUser(): string[] | undefined {
  const words = ["setpriv", `--reuid=${UNLISTED_UID}`, `--regid=${UNLISTED_UID}`, "--clear-groups"];
  return [words, ["unshare", `--user`, `--map-user=${UNLISTED_UID}`]].find(
    ([program, ...rest]) => spawnSync(program!, [...rest, process.execPath, THROWIE, "--help"]).status === 0,
  );
}

const as = unlistedUser();
// Skipped where this user may become no other one, and the kernel allows no namespace of users.
const unlistedTest = as === undefined ? test.skip : test;

unlistedTest("a user without a name gets help, and one sentence from a command that needs a store", (t) => {
  for (const env of [{}, { HOME: "home", XDG_DATA_HOME: "" }]) {
    t.is(throwie(["--help"], { env, as }).status, 0);
    t.is(storeOf(t, { env, as }), undefined);
    for (const words of [["write", "--passphrase", "a", "x"], ["journal"]]) {
      const { status, stdout, stderr } = throwie(words, { env, as });
      t.is(status, 1);
      t.is(stdout, "");
      t.regex(stderr, /^throwie: There is no folder for your data: name a file with --store, .*\.\n$/);
    }
  }
});

unlistedTest("a user without a name can name a store", (t) => {
  const folder = emptyFolder(t);
  chmodSync(folder, 0o777);
  const store = ["--store", join(folder, "drops.flash"), "--passphrase", "a"];
  const written = throwie(["write", ...store, "hello"], { as });
  t.is(written.status, 0, written.stderr);
  t.regex(throwie(["read", ...store], { as }).stdout, /hello/);
});

unlistedTest("a home that cannot be written is named in one sentence, and help does not need the home", (t) => {
  const home = emptyFolder(t);
  // In a namespace of users the unlisted user is the owner of the folder.
  chmodSync(home, 0o555);
  const machine = { env: { HOME: home }, as };
  t.is(storeOf(t, machine), join(home, STORE));
  const { status, stdout, stderr } = throwie(["write", "--passphrase", "a", "x"], machine);
  t.is(status, 1);
  t.is(stdout, "");
  t.regex(stderr, /^throwie: [^\n]+\n$/);
  t.true(stderr.includes(home), stderr);
  t.deepEqual(readdirSync(home), []);
});

for (const home of ["/dev/null", "/proc", "/proc/1/x"]) {
  test(`a home in which no folder can be made is named in one sentence: ${home}`, (t) => {
    // Node's own way to make folders does not come back from /proc.
    t.throws(() => makeFolders(join(home, ".local/share/throwie")));
    const { status, stderr } = throwie(["write", "--passphrase", "a", "x"], { env: { HOME: home } });
    t.is(status, 1);
    t.regex(stderr, /^throwie: [^\n]+\n$/);
    t.true(stderr.includes(home));
  });
}

test("folders are made with the folders above them, for this user alone, and stay as they are", (t) => {
  const folder = emptyFolder(t);
  makeFolders(join(folder, "a", "b", "c"));
  t.is(statSync(join(folder, "a")).mode & 0o777, 0o700);
  t.is(statSync(join(folder, "a", "b", "c")).mode & 0o777, 0o700);
  chmodSync(join(folder, "a"), 0o755);
  makeFolders(join(folder, "a"));
  t.is(statSync(join(folder, "a")).mode & 0o777, 0o755);
});

test("a current folder that was removed is named in one sentence, and only where it is needed", (t) => {
  const cwd = emptyFolder(t);
  const as = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh"];
  const { status, stderr } = throwie(["write", "--store", "x", "--passphrase", "a", "x"], { cwd, as });
  t.is(status, 1);
  t.is(stderr, "throwie: The current folder was removed: change to another.\n");
  mkdirSync(cwd);
  t.is(throwie(["--help"], { cwd, as }).status, 0);
  mkdirSync(cwd);
});
