/**
 * `npm run firmware -- --release`: a folder with the images of all chips and roles, and a page that writes them to a
 * board over USB from a browser (docs/firmware.md, "Without a toolchain").
 *
 * | in the folder | what |
 * |---|---|
 * | `<chip>-<role>/` | boot loader, partition table and program, and the manifest of their build |
 * | `<role>.json` | the manifest of these images for ESP Web Tools |
 * | `index.html`, `page.css`, `page.js` | the page; it needs nothing from elsewhere |
 * | `release.json` | what the page must know of the images |
 * | `licenses.txt` | of the packages in the page |
 * | `SHA256SUMS` | of all other files, for `sha256sum -c` |
 *
 * Any web server can serve the folder. No part of a manifest touches the partitions of Drops, crashes and settings. The
 * folder appears whole or not at all.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { build as bundle } from "esbuild";
import { OPERATOR_KEYS, type Role } from "../../modules/board/settings.ts";
import { packageFolder } from "../machine/folders.ts";
import { tableOf } from "./build.ts";
import { type BuildManifest, MANIFEST_FILE } from "./build-manifest.ts";
import { checkSettings } from "./configuration.ts";
import { partitionNamed, partitionsOf } from "./partitions.ts";

const ROLES: readonly Role[] = ["throwie", "mule", "dongle"];
/** Of a commit: enough to name it among all of this repository. */
const COMMIT_DIGITS = 8;
const PAGE = join("hosts", "firmware", "page");

/** As ESP Web Tools and the chip's loader call the chip of a board. */
const FAMILIES: Record<string, string> = { esp32: "ESP32", esp32c3: "ESP32-C3", esp32s3: "ESP32-S3" };
/** A loader erases whole sectors. */
const SECTOR_BYTES = 4096;

interface Part {
  path: string;
  offset: number;
}

/** Builds a board's image for a role. Returns the folder with its manifest and its files. */
export type BuildImage = (board: string, role: Role) => string;

/**
 * Makes the folder `to` with images for these boards, and replaces the one of before. Throws an Error, and then leaves
 * nothing behind.
 */
export async function release(to: string, boards: readonly string[], build: BuildImage): Promise<void> {
  mkdirSync(dirname(to), { recursive: true });
  const folder = mkdtempSync(`${to}.`);
  try {
    let version = "";
    for (const role of ROLES) {
      const builds = boards.map((board) => {
        const from = build(board, role);
        const manifest = JSON.parse(readFileSync(join(from, MANIFEST_FILE), "utf8")) as BuildManifest;
        version = versionOf(manifest);
        return { chipFamily: familyOf(board), parts: copyParts(from, manifest, folder, `${board}-${role}`) };
      });
      // The usual button of ESP Web Tools erases the whole chip on a first install, unless the manifest asks first.
      writeJson(join(folder, `${role}.json`), {
        ...{ name: `Throwie, role ${role}`, version, new_install_prompt_erase: true, builds },
      });
    }
    await writePage(folder, version, boards);
    writeFileSync(join(folder, "SHA256SUMS"), checksums(folder));
    // A draft is its maker's alone; a release is for a web server to read.
    chmodSync(folder, 0o755);
    rmSync(to, { recursive: true, force: true });
    renameSync(folder, to);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The version and the commit. The hash of the build, which differs from image to image, stands in its manifest. */
function versionOf({ firmware, commit }: BuildManifest): string {
  const dirty = firmware.endsWith(".dirty") ? ", with changes" : "";
  return `${firmware.split("+")[0]}, commit ${commit?.slice(0, COMMIT_DIGITS) ?? "unknown"}${dirty}`;
}

function familyOf(board: string): string {
  const family = FAMILIES[board];
  if (family === undefined) throw new Error(`hosts/firmware/release.ts does not know the chip of ${board}: add it.`);
  return family;
}

/** Copies the files of an image, with its manifest, and says where each of them goes. */
function copyParts(from: string, { board, files }: BuildManifest, to: string, name: string): Part[] {
  const table = partitionsOf(tableOf(board, "4MB"));
  mkdirSync(join(to, name));
  copyFileSync(join(from, MANIFEST_FILE), join(to, name, MANIFEST_FILE));
  return files.map((file) => {
    const end = file.offset + Math.ceil(file.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
    for (const { name: partition, type, offset, sizeBytes } of table) {
      if (type === "app" || end <= offset || file.offset >= offset + sizeBytes) continue;
      throw new Error(`The file ${file.name} for ${board} would be written over the partition ${partition}.`);
    }
    const path = `${name}/${file.name}`;
    copyFileSync(join(from, file.name), join(to, path));
    return { path, offset: file.offset };
  });
}

async function writePage(folder: string, version: string, boards: readonly string[]): Promise<void> {
  const source = join(packageFolder(), PAGE);
  const { metafile } = await bundle({
    ...{ entryPoints: [join(source, "page.ts")], outdir: folder, absWorkingDir: packageFolder() },
    ...{ bundle: true, minify: true, format: "esm", target: "es2022", legalComments: "none" },
    ...{ metafile: true, logLevel: "silent" },
  });
  for (const name of ["index.html", "page.css"]) copyFileSync(join(source, name), join(folder, name));
  writeFileSync(join(folder, "licenses.txt"), licenses(Object.keys(metafile.inputs)));
  const config = checkSettings(boards[0]!, []);
  const settingsAt = boards.map((board) => [
    familyOf(board),
    partitionNamed(partitionsOf(tableOf(board, "4MB")), "settings").offset,
  ]);
  writeJson(join(folder, "release.json"), {
    version,
    settingsAt: Object.fromEntries(settingsAt),
    defaults: Object.fromEntries(OPERATOR_KEYS.map((key) => [key, String(config[key])])),
  });
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

/** The licenses of the packages that these files belong to, which their authors ask to pass on. */
function licenses(inputs: string[]): string {
  const packages = new Set(inputs.flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
  const texts = [...packages].sort().map((name) => {
    const folder = join(packageFolder(), "node_modules", name);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const { license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return `${name}: ${license}\n\n${file === undefined ? "" : readFileSync(join(folder, file), "utf8").trim()}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n`);
}

function checksums(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => statSync(join(folder, path)).isFile());
  const line = (path: string): string =>
    `${createHash("sha256")
      .update(readFileSync(join(folder, path)))
      .digest("hex")}  ${path}\n`;
  return files.sort().map(line).join("");
}
