/**
 * What a build for a board compiles, and where its compiler looks for headers: the part of the SDK's `mcconfig` and of
 * its make file that decides both. Such a build needs the SDK, ESP-IDF and an hour. A missing folder or manifest ends
 * it in the middle, so the tests look for each header first.
 *
 * `sources` are the files in C of all manifests, ours and the SDK's. `folders` are the include folders. A folder of a
 * manifest is one of those only if the manifest lists a header in it, as in `mcconfig`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { list, type Read } from "../hosts/firmware/module-map.ts";

export interface Tools {
  /** The folder of the Moddable SDK. */
  sdk: string;
  /** The folder of ESP-IDF. Undefined: nothing of ESP-IDF is looked for. */
  idf: string | undefined;
}

interface Layer {
  include?: string | string[];
  modules?: Record<string, string | (string | { source: string })[]>;
}
interface Manifest extends Layer {
  platforms?: Record<string, Layer>;
  build?: Record<string, string>;
}

/** The number by which the SDK's C knows a chip, and its architecture. */
const CHIPS: Record<string, { esp32: number; architecture: string }> = {
  esp32: { esp32: 1, architecture: "xtensa" },
  esp32s3: { esp32: 3, architecture: "xtensa" },
  esp32c3: { esp32: 4, architecture: "riscv" },
};
/** Headers that `mcconfig` and ESP-IDF write during the build. */
const GENERATED = ["mc.xs.h", "mc.defines.h", "mc.format.h", "mc.rotation.h", "sdkconfig.h"];
/** Headers of the compiler and its C library. Not one of them belongs to the SDK or to ESP-IDF. */
const OF_THE_COMPILER =
  "assert ctype errno float inttypes limits locale malloc math setjmp signal stdarg stdatomic stdbool stddef stdint stdio " +
  "stdlib string strings sys/cdefs sys/param sys/stat sys/time sys/types time unistd wchar";

export class BoardBuild {
  readonly chip: string;
  readonly sources: string[] = [];
  readonly folders: string[];
  /** The macros that choose between the platforms of the SDK, as options of a compiler. */
  readonly macros: string[];
  readonly #platform: string;
  readonly #tools: Tools;
  readonly #read: Read;
  readonly #seen = new Set<string>();

  /** `platform` is one of PLATFORMS. `read` gives the text of a file of this repository. */
  constructor(platform: string, tools: Tools, read: Read) {
    this.#platform = platform;
    this.#tools = tools;
    this.#read = read;
    this.chip = platform.split("/")[1] ?? "esp32";
    this.macros = ["-D__ets__", "-DESP_PLATFORM", `-DESP32=${CHIPS[this.chip]!.esp32}`];
    this.#add("manifest.json");
    const ofManifests = this.sources.filter((path) => path.endsWith(".h")).map((path) => dirname(path));
    this.folders = [...new Set([...ofManifests, ...this.#standardFolders()])];
  }

  /** One sentence for each header that a source names and the compiler would not find. */
  missing(): string[] {
    const faults = new Set<string>();
    const walked = new Set<string>();
    const walk = (path: string): void => {
      if (walked.has(path)) return;
      walked.add(path);
      for (const header of this.#included(path)) {
        const found = [dirname(path), ...this.folders]
          .map((folder) => join(folder, header))
          .find((at) => existsSync(at));
        if (found === undefined) {
          if (this.#mustBeFound(header)) faults.add(`${basename(path)} includes ${header}`);
        } else if (this.#tools.idf === undefined || !found.startsWith(this.#tools.idf)) walk(found);
      }
    };
    for (const path of this.sources) walk(path);
    return [...faults].sort();
  }

  /** Adds the sources of a manifest and of those that it includes. */
  #add(path: string): void {
    if (this.#seen.has(path)) return;
    this.#seen.add(path);
    const manifest = JSON.parse(this.#text(path)) as Manifest;
    for (const layer of [manifest, this.#ofPlatform(manifest.platforms)]) {
      for (const included of list(layer?.include)) this.#add(this.#resolved(included, dirname(path)));
      for (const given of Object.values(layer?.modules ?? {})) {
        for (const source of typeof given === "string" ? [given] : given) {
          this.#addSource(this.#resolved(typeof source === "string" ? source : source.source, dirname(path)));
        }
      }
    }
  }

  #addSource(path: string): void {
    const native = /\.[ch]$/;
    const all = basename(path) === "*" && existsSync(dirname(path)) ? readdirSync(dirname(path)) : undefined;
    const found = all?.map((name) => join(dirname(path), name)) ?? [`${path}.c`, `${path}.h`];
    this.sources.push(...found.filter((file) => native.test(file) && existsSync(file)));
  }

  /** The part for this platform: as `mcconfig` looks for it, from the whole name to its first word. */
  #ofPlatform(platforms: Record<string, Layer> = {}): Layer | undefined {
    for (let name = this.#platform; name !== "."; name = dirname(name)) {
      const key = Object.keys(platforms).find(
        (other) => other === name || (other.endsWith("/*") && name.startsWith(other.slice(0, -1))),
      );
      if (key !== undefined) return platforms[key];
    }
    return undefined;
  }

  #resolved(path: string, folder: string): string {
    const expanded = this.#expanded(path, {});
    return isAbsolute(expanded) || path.startsWith("$(SUBPLATFORM") ? expanded : join(folder, expanded);
  }

  #standardFolders(): string[] {
    const makefile = readFileSync(join(this.#tools.sdk, "tools/mcconfig/make.esp32.mk"), "utf8");
    const variables: Record<string, string> = {};
    for (const [, name, more, value] of makefile.matchAll(/^(\w+)\s*(\+?)\??=((?:.*\\\n)*.*)$/gm)) {
      variables[name!] = (more === "+" ? (variables[name!] ?? "") : "") + value!.replace(/\\\n/g, " ");
    }
    const target = JSON.parse(this.#text(`targets/${this.chip}/manifest.json`)) as Manifest;
    const added = [...(target.build?.C_FLAGS_SUBPLATFORM ?? "").matchAll(/-I(\S+)/g)].map((match) => match[1]!);
    const folders = this.#expanded(["$(INC_DIRS) $(XS_DIRS)", ...added].join(" "), variables).split(/\s+/);
    return folders.filter((folder) => folder.startsWith("/") && existsSync(folder)).map((folder) => join(folder, "."));
  }

  /** A path or list with the values of its variables. An unknown variable is empty, as in a make file. */
  #expanded(text: string, variables: Record<string, string>): string {
    const { sdk, idf } = this.#tools;
    const known: Record<string, string> = {
      ...variables,
      MODDABLE: sdk,
      MODULES: `${sdk}/modules`,
      BUILD: `${sdk}/build`,
      XS_DIR: `${sdk}/xs`,
      IDF_PATH: idf ?? "",
      ESP32_SUBCLASS: this.chip,
      ESP_ARCH: CHIPS[this.chip]!.architecture,
      SUBPLATFORMMANIFEST: `targets/${this.chip}/manifest.json`,
    };
    const expanded = text.replace(/\$\((\w+)\)/g, (_, name: string) => known[name] ?? "");
    return expanded === text ? text : this.#expanded(expanded, variables);
  }

  #text(path: string): string {
    const text = isAbsolute(path) ? readFileSync(path, "utf8") : this.#read(path);
    if (text === undefined) throw new Error(`${path} is included and does not exist`);
    return text;
  }

  /** The headers that a file names in the branches for this chip. The machine's own preprocessor finds the branches. */
  #included(path: string): string[] {
    const marked = this.#text(path).replace(/^[ \t]*#[ \t]*include[ \t]+["<]([^">]+)[">]/gm, '"@include $1"');
    const capabilities = join(this.#tools.idf ?? "", "components/soc", this.chip, "include");
    const ofTheChip = existsSync(capabilities) ? [`-I${capabilities}`, "-imacros", "soc/soc_caps.h"] : [];
    const options = ["-E", "-P", "-undef", "-w", ...this.macros, ...ofTheChip, "-xc", "-"];
    // Without the headers, an #error of the file may speak. It ends the status, not the output.
    const { error, stdout } = spawnSync("cc", options, { input: marked, encoding: "utf8" });
    if (error !== undefined) throw error;
    return [...stdout.matchAll(/"@include (.+?)"/g)].map((match) => match[1]!);
  }

  /** Without ESP-IDF, only the headers that the SDK or this repository has somewhere must be found. */
  #mustBeFound(header: string): boolean {
    if (GENERATED.includes(header) || OF_THE_COMPILER.split(" ").includes(header.replace(/\.h$/, ""))) return false;
    return this.#tools.idf !== undefined || headersOf(this.#tools.sdk).has(basename(header));
  }
}

const headers = new Map<string, Set<string>>();

function headersOf(sdk: string): Set<string> {
  let found = headers.get(sdk);
  if (found === undefined) {
    const paths = ["modules", "xs"].flatMap((room) =>
      readdirSync(join(sdk, room), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".h")),
    );
    found = new Set(paths.map((path) => basename(path)));
    headers.set(sdk, found);
  }
  return found;
}
