/**
 * The modules of the firmware, as the SDK's `mcconfig` will find them in the manifests, without the SDK.
 *
 * TypeScript resolves an import against the paths of files; XS resolves the same import against the names that
 * manifests give to modules. A firmware whose names do not mirror its paths passes the type check and dies on the board
 * with "module not found". A ModuleMap holds what the manifests map for one platform, and walks the imports of main.ts
 * by name, as XS does. hosts/firmware/manifests.ts writes the manifests with this walk, and test/manifest.test.ts
 * checks them with it.
 *
 * A ModuleMap changes nothing and throws nothing: whatever is wrong is a sentence in `faults`.
 */
import { dirname, join, normalize } from "node:path";
import { transformSync } from "esbuild";

/** The fields of a manifest that say which modules there are. */
export interface Layer {
  include?: string | string[];
  modules?: Record<string, string | string[]>;
  preload?: string | string[];
}
export interface Manifest extends Layer {
  platforms?: Record<string, Layer>;
}

/** The text of a file, by its path in this repository; undefined where there is no such file. */
export type Read = (path: string) => string | undefined;

/** Every platform that the firmware is built for, as `mcconfig -p` names it. */
export const PLATFORMS = ["esp32", "esp32/esp32c3", "esp32/esp32s3", "lin"];

/**
 * The modules that manifests of the SDK provide. test/manifest.test.ts compares this list with the SDK, where there is
 * one.
 */
const OF_THE_SDK: Record<string, { names: string[]; platforms: RegExp }[]> = {
  "$(MODDABLE)/examples/manifest_base.json": [{ names: ["timer"], platforms: /./ }],
  "$(MODULES)/data/crc/manifest.json": [{ names: ["crc"], platforms: /./ }],
  "$(MODULES)/io/flash/manifest.json": [{ names: ["embedded:storage/flash"], platforms: /^esp32/ }],
};
/** `mcconfig` makes this module from the `config` fields. */
const CONFIG_MODULE = "mc/config";

export function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

/** The file that holds a module's code, by the path that a manifest gives, which has no ending. */
export function codeFile(read: Read, path: string): string | undefined {
  return [`${path}.ts`, `${path}.js`].find((file) => read(file) !== undefined);
}

export class ModuleMap {
  readonly faults: string[] = [];
  /** The file of each module that a manifest maps, by the module's name. */
  readonly files = new Map<string, string>();
  readonly preload: string[] = [];
  /** The native sources, without their ending. `mcconfig` looks for a header in the folders of these, and of itself. */
  readonly natives: string[] = [];
  readonly #sdk = new Set([CONFIG_MODULE]);
  readonly #read: Read;
  readonly #platform: string;

  constructor(platform: string, read: Read) {
    this.#platform = platform;
    this.#read = read;
    this.#includeManifest("manifest.json");
  }

  /**
   * The file of each module that main.ts needs, directly or through others, by the module's name; without the SDK's.
   * `find` is asked for the file of a module that no manifest maps.
   */
  closure(find: (name: string) => string | undefined = () => undefined): Map<string, string> {
    const found = new Map<string, string>();
    const visit = (name: string, importer: string): void => {
      if (this.#sdk.has(name) || found.has(name)) return;
      const file = this.files.get(name) ?? find(name);
      if (file === undefined) {
        this.faults.push(`${importer} imports ${name}, which ${this.#platform} does not map`);
        return;
      }
      found.set(name, file);
      for (const specifier of importsOf(file, this.#read(file)!)) {
        const bare = specifier.replace(/\.(m?js|ts)$/, "");
        visit(specifier.startsWith(".") ? normalize(join(dirname(name), bare)) : bare, name);
      }
    };
    visit("main", "the SDK");
    return found;
  }

  #includeManifest(path: string): void {
    const text = this.#read(path);
    if (text === undefined) {
      this.faults.push(`${path} is included and does not exist`);
      return;
    }
    const manifest = JSON.parse(text) as Manifest;
    this.#add(manifest, dirname(path));
    const own = Object.entries(manifest.platforms ?? {}).find(
      ([key]) => key === this.#platform || (key.endsWith("/*") && this.#platform.startsWith(key.slice(0, -1))),
    );
    if (own !== undefined) this.#add(own[1], dirname(path));
  }

  #add(layer: Layer, folder: string): void {
    for (const path of list(layer.include)) {
      if (!path.startsWith("$(")) this.#includeManifest(normalize(join(folder, path)));
      else if (OF_THE_SDK[path] === undefined) this.faults.push(`nothing here says which modules ${path} gives`);
      for (const { names, platforms } of OF_THE_SDK[path] ?? []) {
        if (platforms.test(this.#platform)) for (const name of names) this.#sdk.add(name);
      }
    }
    for (const [name, sources] of Object.entries(layer.modules ?? {})) {
      for (const source of list(sources)) {
        if (name === "*" && source.startsWith("$(MODULES)/")) this.natives.push(source);
        else this.#map(name, normalize(join(folder, source)));
      }
    }
    this.preload.push(...list(layer.preload));
  }

  #map(name: string, path: string): void {
    if (/\.m?js$/.test(name))
      this.faults.push(`${name}: XS strips the ending of a specifier, and finds no such module`);
    const code = codeFile(this.#read, path);
    const native = ["c", "h"].some((ending) => this.#read(`${path}.${ending}`) !== undefined);
    if (name === "*") {
      if (native) this.natives.push(path);
      else this.faults.push(`${path} is listed and does not exist`);
    } else if (code === undefined) this.faults.push(`${name} is mapped to ${path}, which does not exist`);
    else if (this.files.has(name)) this.faults.push(`${name} is mapped twice`);
    else this.files.set(name, code);
  }
}

const importsOfText = new Map<string, string[]>();

/** The specifiers that a module imports when its types are gone. */
function importsOf(file: string, text: string): string[] {
  let found = importsOfText.get(text);
  if (found === undefined) {
    const { code } = transformSync(text, { loader: file.endsWith(".ts") ? "ts" : "js" });
    const imports = code.matchAll(/^(?:import\s*|(?:import|export)\s[\w\s*{},$]+\sfrom\s*)["']([^"']+)["']/gm);
    found = [...imports].map((match) => match[1]!);
    importsOfText.set(text, found);
  }
  return found;
}
