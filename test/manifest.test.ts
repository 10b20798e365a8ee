/**
 * A wrong manifest shows only when `mcconfig` builds the firmware, which needs the SDK. So these tests check the
 * manifests for each platform without the SDK.
 *
 * - Every import in the closure of main.ts is mapped to a file that exists, under a name that mirrors its path.
 * - No module is mapped that no module imports.
 * - XS resolves an import against module names, and TypeScript against paths. Both must find the same file.
 * - The lists of modules are those that `npm run manifests` writes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "ava";
import { fromDisk, manifests } from "../hosts/firmware/manifests.ts";
import { type Manifest, ModuleMap, PLATFORMS, type Read } from "../hosts/firmware/module-map.ts";

/**
 * A typed array that is created while a preloaded module loads lies in read-only memory. On a board no code writes to
 * the arrays of this list. Any other such array would be scratch memory and would throw at its first use, so its module
 * must go into NOT_PRELOADED (hosts/firmware/manifests.ts).
 */
const NEVER_WRITTEN = [
  "modules/throwie/throwie: BROADCAST",
  "@noble/hashes/blake2: BBUF", // only BLAKE2b writes to it, and BLAKE3 does not call BLAKE2b
  "@noble/hashes/utils: isLE",
];

/** Returns the modules that the manifests of a platform map, with all faults of the manifests. */
function checked(platform: string, read: Read): ModuleMap {
  const map = new ModuleMap(platform, read);
  const closure = map.closure();
  for (const name of map.files.keys()) {
    if (!closure.has(name)) map.faults.push(`${name} is mapped, but no module imports it`);
  }
  for (const name of map.preload) {
    if (!closure.has(name)) map.faults.push(`${name} is to be preloaded, but it is not in the closure`);
    for (const scratch of scratchOf(name, map.files.get(name), read)) {
      map.faults.push(`${scratch} is preloaded, so it is read-only; add its module to NOT_PRELOADED`);
    }
  }
  return map;
}

/** Finds the typed arrays that a file creates at its top level, without those in NEVER_WRITTEN. */
function scratchOf(name: string, file: string | undefined, read: Read): string[] {
  if (file === undefined) return [];
  const found = read(file)!.matchAll(/^(?:export )?(?:const|let) (\w+)\b.*\bnew (?:\w+Array|DataView)\(/gm);
  return [...found].map((match) => `${name}: ${match[1]}`).filter((scratch) => !NEVER_WRITTEN.includes(scratch));
}

/** Reads the disk, but changes the text of one file. */
function changed(path: string, change: (text: string) => string | undefined): Read {
  return (asked) => (asked === path ? change(fromDisk(path) ?? "") : fromDisk(asked));
}

/** Reads the disk, but changes one manifest. */
function changedManifest(change: (manifest: Manifest) => void, path = "manifest.json"): Read {
  return changed(path, (text) => {
    const parsed = JSON.parse(text) as Manifest;
    change(parsed);
    return JSON.stringify(parsed);
  });
}

for (const platform of PLATFORMS) {
  test(`${platform}: exactly the modules in the closure of main.ts are mapped`, (t) => {
    const { faults, files, preload } = checked(platform, fromDisk);
    t.deepEqual(faults, []);
    t.true(files.size > 60 && preload.length > 50, `${files.size} modules, ${preload.length} preloaded`);
  });
}

test("a module name mirrors its path, except where a board has a file of its own", (t) => {
  const own = [
    "embedded:storage/flash",
    "modules/dongle/copy",
    "modules/glacier/crc16",
    "modules/rbsr/mixing",
    "modules/store/crc32",
  ];
  for (const platform of PLATFORMS) {
    for (const [name, file] of checked(platform, fromDisk).files) {
      if (!own.includes(name)) t.is(file.replace(/^node_modules\/|\.[jt]s$/g, ""), name);
    }
  }
});

test("the manifests list the modules that main.ts needs", (t) => {
  for (const [path, wanted] of manifests(fromDisk)) {
    const found = JSON.parse(fromDisk(path) ?? "{}");
    t.deepEqual(JSON.stringify(found), JSON.stringify(wanted), `${path} is out of date: run "npm run manifests"`);
  }
});

test("a new import needs no manifest edit by hand, and entries that were written by hand remain", (t) => {
  const store = "modules/store/manifest.json";
  const withKey = changed(
    "modules/store/slots.ts",
    (text) => `import { KEY } from "../drop/key.ts";\n${text}\nKEY();\n`,
  );
  const drop = manifests(withKey).get("modules/drop/manifest.json")!;
  t.is(drop.modules!["modules/drop/key"], "./key");
  t.true(drop.preload!.includes("modules/drop/key"));
  t.is(
    manifests(withKey).get("manifest.json")!.modules!["@noble/hashes/scrypt"],
    "./node_modules/@noble/hashes/scrypt",
  );

  const unused = changedManifest((m) => Object.assign(m.modules!, { "modules/store/unused": "./unused" }), store);
  t.deepEqual(manifests(unused), manifests(fromDisk));
  const emptied = changedManifest((m) => Object.assign(m, { modules: {}, preload: [] }), store);
  t.deepEqual(manifests(emptied), manifests(fromDisk));

  const native = changedManifest((m) => Object.assign(m.modules!, { "*": ["../board/board-lin"] }), store);
  t.deepEqual(manifests(native).get(store)!.modules!["*"], ["../board/board-lin"]);
  const replaced = manifests(
    changedManifest(
      (m) => Object.assign(m.modules!, { "modules/store/journal": "./crc32" }),
      "modules/board/manifest.json",
    ),
  );
  t.is(replaced.get("modules/board/manifest.json")!.modules!["modules/store/journal"], "./crc32");
  t.false("modules/store/journal" in replaced.get(store)!.modules!);
});

test("an import of a file that does not exist gives one sentence and no manifest", (t) => {
  const nowhere = changed("modules/store/slots.ts", (text) => `import "./nowhere.ts";\n${text}`);
  t.throws(() => manifests(nowhere), { message: /modules\/store\/slots imports modules\/store\/nowhere/ });
});

test("the module of the board itself is not preloaded", (t) => {
  for (const platform of PLATFORMS) t.false(checked(platform, fromDisk).preload.includes("modules/board/board"));
});

test("canary: a manifest that would not build or not run is found", (t) => {
  const broken: [RegExp, string, Read][] = [
    [
      /link imports modules\/glacier\/ack, which lin does not map/,
      "lin",
      changedManifest((m) => delete m.modules!["modules/glacier/ack"], "modules/glacier/manifest.json"),
    ],
    [
      /partition imports embedded:storage\/flash/,
      "lin",
      changedManifest((m) => delete m.platforms!.lin, "modules/board/manifest.json"),
    ],
    [
      /partition imports embedded:storage\/flash/,
      "esp32/esp32c3",
      changedManifest((m) => delete m.platforms!["esp32/*"], "modules/board/manifest.json"),
    ],
    [/extra.js: XS strips/, "lin", changedManifest((m) => Object.assign(m.modules!, { "extra.js": "./main" }))],
    [
      /extra is mapped, but no module imports it/,
      "lin",
      changedManifest((m) => Object.assign(m.modules!, { extra: "./modules/drop/key" })),
    ],
    [
      /missing, which does not exist/,
      "lin",
      changedManifest((m) => Object.assign(m.modules!, { missing: "./missing" })),
    ],
    [/board-lin is listed and does not/, "lin", changed("modules/board/board-lin.c", () => undefined)],
    [
      /preloaded, but it is not in the closure/,
      "esp32",
      changedManifest((m) => (m.preload as string[]).push("modules/drop/key")),
    ],
    [
      /SCRATCH is preloaded, so it is read-only/,
      "esp32",
      changed("modules/store/slots.ts", (text) => `${text}\nconst SCRATCH = new Uint8Array(8);\n`),
    ],
    [
      /SHA256_W is preloaded, so it is read-only/,
      "esp32",
      changedManifest((m) => {
        m.modules!["@noble/hashes/sha2"] = "./node_modules/@noble/hashes/sha2";
        (m.preload as string[]).push("@noble/hashes/sha2");
      }),
    ],
  ];
  for (const [fault, platform, read] of broken) {
    t.true(
      checked(platform, read).faults.some((found) => fault.test(found)),
      String(fault),
    );
  }
});

const { MODDABLE } = process.env;
(MODDABLE === undefined ? test.skip : test)(
  "the SDK has the modules that the manifests take from it (needs MODDABLE)",
  (t) => {
    const modules = join(MODDABLE!, "modules");
    const text = (path: string): string => readFileSync(path, "utf8");
    t.regex(text(join(MODDABLE!, "build/devices/esp32/manifest.json")), /base\/timer\/\*/);
    t.regex(text(join(MODDABLE!, "build/simulators/manifest.json")), /base\/timer\/timer/);
    t.regex(text(join(modules, "data/crc/manifest.json")), /\.\/crc/);
    t.regex(text(join(modules, "io/flash/esp32/manifest.json")), /"embedded:storage\/flash"/);
  },
);
