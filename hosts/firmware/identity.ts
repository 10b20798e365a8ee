/**
 * Which firmware an image is: the version, the build's hash and the settings (docs/firmware.md, "Which firmware is
 * this").
 *
 * The hash is taken over everything of this repository that enters an image: the path and the bytes of each source, of
 * each package's module that the manifests name, of the target, and the settings with their defaults. So two builds of
 * the same tree have the same hash, on any machine and in any folder. The tools are not part of the hash; the build's
 * manifest names them. Sources that are not those of a commit make the build dirty, and so does a tree without git.
 *
 * Only reads.
 */
import { spawnSync } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "../machine/folders.ts";
import { ModuleMap } from "./module-map.ts";

/** 48 bits: no two builds that anybody compares have the same hash by chance. */
const HASH_DIGITS = 12;
const SOURCES = ["main.ts", "manifest.json", "modules"];

export interface BuildIdentity {
  version: string;
  hash: string;
  /** The commit that is checked out; undefined without git. */
  commit: string | undefined;
  dirty: boolean;
}

/** The identity as an image bears it: semantic versioning's build metadata. */
export function identityText({ version, hash, dirty }: BuildIdentity): string {
  return `${version}+${hash}${dirty ? ".dirty" : ""}`;
}

/**
 * `board` is a name of targets/, or "lin". `folder` is the tree that is built; the tests give others. `config` are the
 * settings with their defaults.
 */
export function identityOf(board: string, config: Record<string, unknown>, folder = packageFolder()): BuildIdentity {
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  const hash = createHash("sha256");
  for (const path of sourcesOf(board, folder)) {
    addTo(hash, path);
    addTo(hash, readFileSync(join(folder, path)));
  }
  const settings = Object.keys(config).sort();
  addTo(hash, JSON.stringify([version, board, settings.map((key) => [key, String(config[key])])]));
  return { version, hash: hash.digest("hex").slice(0, HASH_DIGITS), ...commitOf(folder) };
}

/** Each part with its length, so that no two lists of parts give the same bytes. */
function addTo(hash: Hash, part: string | Uint8Array): void {
  const bytes = Buffer.from(part);
  hash.update(`${bytes.length}:`).update(bytes);
}

function sourcesOf(board: string, folder: string): string[] {
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(join(folder, path), "utf8");
    } catch {
      return undefined;
    }
  };
  const platform = board === "lin" ? "lin" : `esp32/${board}`;
  const packages = [...new ModuleMap(platform, read).files.values()].filter((path) => path.startsWith("node_modules/"));
  const own = board === "lin" ? SOURCES : [...SOURCES, `targets/${board}`];
  return [...own.flatMap((path) => filesIn(folder, path)), ...packages].sort();
}

function filesIn(folder: string, path: string): string[] {
  if (/\.\w+$/.test(path)) return [path];
  return readdirSync(join(folder, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    );
}

function commitOf(folder: string): Pick<BuildIdentity, "commit" | "dirty"> {
  const git = (...words: string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", ["-C", folder, ...words], { encoding: "utf8" });
    return status === 0 ? stdout.trim() : undefined;
  };
  const commit = git("rev-parse", "HEAD");
  return { commit, dirty: commit === undefined || git("status", "--porcelain") !== "" };
}
