/**
 * The lists of modules in manifest.json and modules/<folder>/manifest.json, made from the imports of main.ts.
 *
 * The SDK wants each TypeScript module by name, in `modules` and again in `preload` (wildcards of `preload` match
 * JavaScript only). People forget the second place. So a folder's manifest lists the modules of its folder that main.ts
 * needs, and the root's manifest lists main and the packages. `npm run manifests` writes both lists. A person writes
 * the rest, which stays as it is: files in C, platforms, defines, config, includes of the SDK, and a module that
 * replaces another module. The name of such a module is not its path: modules/board/crc16.ts is a board's
 * modules/glacier/crc16.
 *
 * Refuses to write, with a sentence for each fault, when an import leads to no file.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { packageFolder } from "../machine/folders.ts";
import { codeFile, list, type Manifest, ModuleMap, PLATFORMS, type Read } from "./module-map.ts";

/** A preloaded module is loaded on the build machine, once for all boards; these must be loaded on the board. */
const NOT_PRELOADED = [
  "main", // starts the node
  "modules/board/board", // asks the chip for the cause of this start
  "modules/serial/serial", // preloading it was never tried
];
const PACKAGES = "node_modules";
const ROOT = "manifest.json";

export const fromDisk: Read = (path) => {
  const file = join(packageFolder(), path);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
};

/**
 * Each manifest as it should be, by its path. Throws an Error, one sentence a line, when an import leads to no file.
 */
export function manifests(read: Read): Map<string, Manifest> {
  const folders = readdirSync(join(packageFolder(), "modules"), { withFileTypes: true });
  const paths = folders.filter((folder) => folder.isDirectory()).map(({ name }) => `modules/${name}/manifest.json`);
  const bare = new Map<string, Manifest>();
  for (const path of [ROOT, ...paths.sort()]) bare.set(path, byHand(path, JSON.parse(read(path) ?? "{}")));
  const root = bare.get(ROOT)!;
  const including = (some: string[]) => ({
    ...root,
    include: [...list(root.include), ...some.map((path) => `./${path}`)],
  });
  bare.set(ROOT, including(paths));

  const needed = neededModules((path) => (bare.has(path) ? JSON.stringify(bare.get(path)) : read(path)));
  const made = new Map<string, Manifest>();
  for (const path of paths) {
    const manifest = withLists(path, bare.get(path)!, needed);
    if (Object.keys(manifest.modules!).length > 0 || manifest.platforms !== undefined) made.set(path, manifest);
  }
  return made.set(ROOT, withLists(ROOT, including([...made.keys()]), needed));
}

/** Writes every manifest that is not as it should be. Returns the paths of the manifests that changed. */
export function writeManifests(): string[] {
  const changed: string[] = [];
  for (const [path, manifest] of manifests(fromDisk)) {
    if (JSON.stringify(JSON.parse(fromDisk(path) ?? "{}")) === JSON.stringify(manifest)) continue;
    writeFileSync(join(packageFolder(), path), `${JSON.stringify(manifest, undefined, 2)}\n`);
    changed.push(path);
  }
  return changed;
}

/** A manifest without its generated parts. */
function byHand(path: string, manifest: Manifest): Manifest {
  const modules = Object.entries(manifest.modules ?? {}).filter(
    ([name, source]) => typeof source !== "string" || normalize(join(dirname(path), source)) !== mirrored(name),
  );
  const kept: Manifest = { ...manifest, modules: Object.fromEntries(modules), preload: [] };
  if (path === ROOT) kept.include = list(kept.include).filter((other) => other.startsWith("$("));
  return kept;
}

/** The path that a module's name mirrors, without its ending. */
function mirrored(name: string): string {
  return name === "main" || name.startsWith("modules/") ? name : join(PACKAGES, name);
}

/** The names of the modules that main.ts needs on any platform and that no person mapped by hand. */
function neededModules(read: Read): Set<string> {
  const needed = new Set<string>();
  const faults = new Set<string>();
  for (const platform of PLATFORMS) {
    const map = new ModuleMap(platform, read);
    for (const name of map.closure((name) => codeFile(read, mirrored(name))).keys()) {
      if (!map.files.has(name)) needed.add(name);
    }
    for (const fault of map.faults) faults.add(fault);
  }
  if (faults.size > 0) throw new Error([...faults].join("\n"));
  return needed;
}

/** A manifest with the list of the needed modules of its folder. The root's list has the modules outside `modules/`. */
function withLists(path: string, manifest: Manifest, needed: Set<string>): Manifest {
  const folder = path === ROOT ? "" : `${dirname(path)}/`;
  const own = [...needed].filter((name) => (path === ROOT ? !name.startsWith("modules/") : name.startsWith(folder)));
  const listed = own.sort().map((name) => [name, `./${mirrored(name).slice(folder.length)}`]);
  const modules = { ...manifest.modules, ...Object.fromEntries(listed) };
  const preload = Object.keys(modules).filter((name) => name !== "*" && !NOT_PRELOADED.includes(name));
  const made: Manifest = { ...manifest, modules, preload: preload.sort() };
  if (preload.length === 0) delete made.preload;
  return made;
}
