/**
 * A year on, a board's log names a build. The name must lead to the sources: the same tree gives the same hash on every
 * machine and in every folder, whatever enters the image changes the hash, and sources of no commit make it dirty.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import test from "ava";
import { checkSettings } from "../hosts/firmware/configuration.ts";
import { type BuildIdentity, identityOf, identityText } from "../hosts/firmware/identity.ts";

/** A folder of that tree, not of this one. */
const OWN = "modules/a";
const TREE: Record<string, string> = {
  "package.json": '{ "version": "4.5.6" }',
  "README.md": "words",
  "main.ts": `import "./${OWN}/one.ts";\nimport "pack";\n`,
  "manifest.json": JSON.stringify({
    include: [`./${OWN}/manifest.json`],
    modules: { main: "./main", pack: "./node_modules/pack/index" },
  }),
  [`${OWN}/manifest.json`]: JSON.stringify({ modules: { "*": "./native", [`${OWN}/one`]: "./one" } }),
  [`${OWN}/one.ts`]: "export {};\n",
  [`${OWN}/native.c`]: "int one;\n",
  "node_modules/pack/index.js": "export {};\n",
  "node_modules/pack/unused.js": "export {};\n",
  "targets/esp32c3/partitions.csv": "nvs, data, nvs, 0x9000, 0x6000\n",
  "targets/esp32/partitions.csv": "nvs, data, nvs, 0x9000, 0x6000\n",
  ".gitignore": "node_modules\n",
};
const CONFIG = { role: "throwie", channel: 1, wake: "always" };

const root = mkdtempSync(join(tmpdir(), "throwie-identity-"));
test.after.always(() => rmSync(root, { recursive: true }));
let trees = 0;

function put(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function git(folder: string, ...words: string[]): void {
  const person = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a" };
  execFileSync("git", ["-C", folder, ...words], { env: { ...process.env, ...person }, stdio: "ignore" });
}

/** A tree of its own, committed. */
function newTree(): string {
  const folder = join(root, `tree-${++trees}`);
  for (const [path, text] of Object.entries(TREE)) put(folder, path, text);
  git(folder, "init", "--quiet");
  git(folder, "add", ".");
  git(folder, "commit", "--quiet", "--message", "tree");
  return folder;
}

function identity(folder: string, board = "esp32c3", config: Record<string, unknown> = CONFIG): BuildIdentity {
  return identityOf(board, config, folder);
}

test("two builds of a tree have the same hash, in whatever folder and however the settings were given", (t) => {
  const tree = newTree();
  const first = identity(tree);
  t.deepEqual(identity(tree), first);
  t.deepEqual({ version: first.version, dirty: first.dirty }, { version: "4.5.6", dirty: false });
  t.regex(first.commit!, /^[0-9a-f]{40}$/);
  t.regex(identityText(first), /^4\.5\.6\+[0-9a-f]{12}$/);
  t.is(identity(newTree()).hash, first.hash);
  t.is(identity(tree, "esp32c3", { wake: "always", channel: "1", role: "throwie" }).hash, first.hash);
});

test("whatever enters the image changes the hash, and nothing else does", (t) => {
  const { hash } = identity(newTree());
  for (const path of Object.keys(TREE)) {
    const tree = newTree();
    put(tree, path, path.endsWith(".json") ? TREE[path]!.replace(/\}$/, ', "more": 1 }') : `${TREE[path]} `);
    const outside = ["README.md", ".gitignore", "node_modules/pack/unused.js", "targets/esp32/partitions.csv"];
    // Of package.json only the version enters.
    const enters = ![...outside, "package.json"].includes(path);
    t.is(identity(tree).hash !== hash, enters, path);
    t.is(identity(tree).dirty, !path.startsWith("node_modules/"), path);
  }
  const tree = newTree();
  t.not(identity(tree, "esp32c3", { ...CONFIG, channel: 6 }).hash, hash);
  t.not(identity(tree, "esp32").hash, hash, "another target with the same bytes");
  put(tree, "package.json", '{ "version": "4.5.7" }');
  t.not(identity(tree).hash, hash);
  const renamed = newTree();
  renameSync(join(renamed, `${OWN}/native.c`), join(renamed, `${OWN}/other.c`));
  t.not(identity(renamed).hash, hash);
});

test("a build of sources that no commit has is dirty", (t) => {
  const added = newTree();
  put(added, `${OWN}/two.ts`, "export {};\n");
  t.true(identity(added).dirty);
  t.regex(identityText(identity(added)), /^4\.5\.6\+[0-9a-f]{12}\.dirty$/);
  const copy = join(root, "copy");
  const tree = newTree();
  cpSync(tree, copy, { recursive: true, filter: (path) => !path.includes("/.git") });
  t.deepEqual(identity(copy), { ...identity(tree), commit: undefined, dirty: true });
});

test("the firmware of this repository has an identity for each target", (t) => {
  const hashes = ["esp32", "esp32c3", "esp32s3", "lin"].map((board) => {
    const { hash, version } = identityOf(board, checkSettings(board, []));
    t.is(identityOf(board, checkSettings(board, ["channel=1"])).hash, hash, "a default that is given is the default");
    t.is(version, "0.1.0");
    return hash;
  });
  t.is(new Set(hashes).size, hashes.length);
});
