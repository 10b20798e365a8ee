/**
 * What `mcconfig` will find in manifest.json, for each platform, without the SDK: every import in main's closure is mapped
 * to a file that exists, under a name that mirrors its path, and nothing is mapped that nobody imports. XS resolves
 * specifiers against module names, TypeScript against paths; both must come to the same file.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import process from "node:process";
import test from "ava";
import { transformSync } from "esbuild";

interface Layer {
  include?: string | string[];
  modules?: Record<string, string | string[]>;
  preload?: string | string[];
  config?: Record<string, unknown>;
  defines?: unknown;
}
interface Manifest extends Layer {
  platforms?: Record<string, Layer>;
}

const PLATFORMS = ["esp32", "esp32/esp32c3", "esp32/esp32s3", "lin"];

/** What our closure imports of the SDK's manifests, by platform; checked against the SDK itself where there is one. */
const OF_THE_SDK: Record<string, { names: string[]; platforms: RegExp }[]> = {
  "$(MODDABLE)/examples/manifest_base.json": [{ names: ["timer"], platforms: /./ }],
  "$(MODULES)/data/crc/manifest.json": [{ names: ["crc"], platforms: /./ }],
  "$(MODULES)/io/flash/manifest.json": [{ names: ["embedded:storage/flash"], platforms: /^esp32/ }],
};
/** `mcconfig` makes it of what stands under `config`. */
const ALWAYS = ["mc/config"];

/**
 * Typed arrays made when a preloaded module is loaded end in read-only memory. These are tables, never written;
 * anything else would be scratch memory, and throw on a board at its first use.
 */
const TABLES = ["modules/throwie/throwie: BROADCAST"];

type Read = (path: string) => string | undefined;

const fromDisk: Read = (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

const importsOfText = new Map<string, string[]>();

class Platform {
  readonly faults: string[] = [];
  readonly files = new Map<string, string>();
  readonly sdk = new Set(ALWAYS);
  readonly preload: string[] = [];
  readonly #read: Read;
  readonly #name: string;

  constructor(name: string, read: Read) {
    this.#name = name;
    this.#read = read;
    this.#manifest("manifest.json");
    this.#walk();
  }

  #manifest(path: string): void {
    const text = this.#read(path);
    if (text === undefined) {
      this.faults.push(`${path} is included and does not exist`);
      return;
    }
    const manifest = JSON.parse(text) as Manifest;
    this.#layer(manifest, dirname(path));
    const own = Object.entries(manifest.platforms ?? {}).find(
      ([key]) => key === this.#name || (key.endsWith("/*") && this.#name.startsWith(key.slice(0, -1))),
    );
    if (own !== undefined) this.#layer(own[1], dirname(path));
  }

  #layer(layer: Layer, folder: string): void {
    for (const path of list(layer.include)) {
      if (!path.startsWith("$(")) this.#manifest(normalize(join(folder, path)));
      else if (OF_THE_SDK[path] === undefined) this.faults.push(`${path} gives nobody knows what`);
      for (const { names, platforms } of OF_THE_SDK[path] ?? []) {
        if (platforms.test(this.#name)) for (const name of names) this.sdk.add(name);
      }
    }
    for (const [name, sources] of Object.entries(layer.modules ?? {})) {
      for (const source of list(sources)) this.#map(name, normalize(join(folder, source)));
    }
    this.preload.push(...list(layer.preload));
  }

  #map(name: string, path: string): void {
    if (/\.m?js$/.test(name))
      this.faults.push(`${name}: XS strips the ending of a specifier, and finds no such module`);
    const code = ["ts", "js"].map((ending) => `${path}.${ending}`).find((file) => this.#read(file) !== undefined);
    const native = ["c", "h"].some((ending) => this.#read(`${path}.${ending}`) !== undefined) || path.endsWith(".c");
    if (name === "*") {
      if (!native) this.faults.push(`${path} is listed and does not exist`);
    } else if (code === undefined) this.faults.push(`${name} is mapped to ${path}, which does not exist`);
    else if (this.files.has(name)) this.faults.push(`${name} is mapped twice`);
    else this.files.set(name, code);
  }

  #walk(): void {
    const seen = new Set<string>();
    const visit = (name: string, importer: string): void => {
      if (this.sdk.has(name) || seen.has(name)) return;
      seen.add(name);
      const file = this.files.get(name);
      if (file === undefined) {
        this.faults.push(`${importer} imports ${name}, which ${this.#name} does not map`);
        return;
      }
      for (const specifier of this.#imports(file)) {
        const bare = specifier.replace(/\.(m?js|ts)$/, "");
        visit(specifier.startsWith(".") ? normalize(join(dirname(name), bare)) : bare, name);
      }
    };
    visit("main", "the SDK");
    for (const name of this.files.keys())
      if (!seen.has(name)) this.faults.push(`${name} is mapped and nobody imports it`);
    for (const name of this.preload) {
      if (!seen.has(name)) this.faults.push(`${name} is to be preloaded and is not in the closure`);
      for (const scratch of this.#scratch(name)) this.faults.push(`${scratch} is preloaded, and so read-only`);
    }
  }

  /** As they stand when the types are gone. */
  #imports(file: string): string[] {
    const text = this.#read(file)!;
    const known = importsOfText.get(text);
    if (known !== undefined) return known;
    const { code } = transformSync(text, { loader: file.endsWith(".ts") ? "ts" : "js" });
    const found = [...code.matchAll(/^(?:import\s*|(?:import|export)\s[\w\s*{},$]+\sfrom\s*)["']([^"']+)["']/gm)].map(
      (match) => match[1]!,
    );
    importsOfText.set(text, found);
    return found;
  }

  #scratch(name: string): string[] {
    const file = this.files.get(name);
    if (file === undefined || file.startsWith("node_modules/")) return [];
    const found = [
      ...this.#read(file)!.matchAll(/^(?:export )?(?:const|let) (\w+)\b.*\bnew (?:\w+Array|DataView)\(/gm),
    ];
    return found.map((match) => `${name}: ${match[1]}`).filter((scratch) => !TABLES.includes(scratch));
  }
}

/** The disk, with one file other than it is. */
function changed(path: string, change: (text: string) => string | undefined): Read {
  return (asked) => (asked === path ? change(fromDisk(path) ?? "") : fromDisk(asked));
}

for (const platform of PLATFORMS) {
  test(`${platform}: main's whole closure is mapped, and nothing else`, (t) => {
    const { faults, files, preload } = new Platform(platform, fromDisk);
    t.deepEqual(faults, []);
    t.true(files.size > 60 && preload.length > 50, `${files.size} modules, ${preload.length} preloaded`);
  });
}

test("names mirror paths, but where a board has its own", (t) => {
  const own = ["embedded:storage/flash", "modules/dongle/copy", "modules/glacier/crc16", "modules/store/crc32"];
  for (const platform of PLATFORMS) {
    for (const [name, file] of new Platform(platform, fromDisk).files) {
      if (!own.includes(name)) t.is(file.replace(/^node_modules\/|\.[jt]s$/g, ""), name);
    }
  }
});

test("no module that is the board's own is preloaded", (t) => {
  for (const platform of PLATFORMS) t.false(new Platform(platform, fromDisk).preload.includes("modules/board/board"));
});

test("what would not build, or not run, is seen", (t) => {
  const manifest = (change: (manifest: Manifest) => void, path = "manifest.json") =>
    changed(path, (text) => {
      const parsed = JSON.parse(text) as Manifest;
      change(parsed);
      return JSON.stringify(parsed);
    });
  const broken: [RegExp, string, Read][] = [
    [
      /link imports modules\/glacier\/ack, which lin does not map/,
      "lin",
      manifest((m) => delete m.modules!["modules/glacier/ack"]),
    ],
    [
      /partition imports embedded:storage\/flash/,
      "lin",
      manifest((m) => delete m.platforms!.lin, "modules/board/manifest.json"),
    ],
    [
      /partition imports embedded:storage\/flash/,
      "esp32/esp32c3",
      manifest((m) => delete m.platforms!["esp32/*"], "modules/board/manifest.json"),
    ],
    [/extra.js: XS strips/, "lin", manifest((m) => Object.assign(m.modules!, { "extra.js": "./main" }))],
    [/extra is mapped and nobody/, "lin", manifest((m) => Object.assign(m.modules!, { extra: "./modules/drop/key" }))],
    [/missing, which does not exist/, "lin", manifest((m) => Object.assign(m.modules!, { missing: "./missing" }))],
    [/board-lin is listed and does not/, "lin", changed("modules/board/board-lin.c", () => undefined)],
    [/preloaded and is not in the closure/, "esp32", manifest((m) => (m.preload as string[]).push("modules/drop/key"))],
    [
      /SCRATCH is preloaded, and so read-only/,
      "esp32",
      changed("modules/store/slots.ts", (text) => `${text}\nconst SCRATCH = new Uint8Array(8);\n`),
    ],
  ];
  for (const [fault, platform, read] of broken) {
    t.true(
      new Platform(platform, read).faults.some((found) => fault.test(found)),
      String(fault),
    );
  }
});

const { MODDABLE } = process.env;
(MODDABLE === undefined ? test.skip : test)("the SDK gives what is taken from it (needs MODDABLE)", (t) => {
  const modules = join(MODDABLE!, "modules");
  const text = (path: string): string => readFileSync(path, "utf8");
  t.regex(text(join(MODDABLE!, "build/devices/esp32/manifest.json")), /base\/timer\/\*/);
  t.regex(text(join(MODDABLE!, "build/simulators/manifest.json")), /base\/timer\/timer/);
  t.regex(text(join(modules, "data/crc/manifest.json")), /\.\/crc/);
  t.regex(text(join(modules, "io/flash/esp32/manifest.json")), /"embedded:storage\/flash"/);
});
