/**
 * `npm run firmware -- --release`: a folder with the images of all chips and roles, and a page that writes them to a
 * board over USB from a browser (docs/firmware.md, "Without a toolchain").
 *
 * | in the folder | what |
 * |---|---|
 * | `<chip>-<role>/` | boot loader, partition table and program |
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
  existsSync,
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
import { boards, tableOf } from "./build.ts";
import { checkSettings } from "./configuration.ts";
import { appPartition, partitionNamed, partitionsOf } from "./partitions.ts";

const ROLES: readonly Role[] = ["throwie", "mule", "dongle"];
const PAGE = join("hosts", "firmware", "page");

interface Chip {
  /** As ESP Web Tools and the chip's loader call the chip. */
  family: string;
  /** Where the chip's ROM looks for the boot loader. */
  bootloaderAt: number;
}

const CHIPS: Record<string, Chip> = {
  esp32: { family: "ESP32", bootloaderAt: 0x1000 },
  esp32c3: { family: "ESP32-C3", bootloaderAt: 0 },
  esp32s3: { family: "ESP32-S3", bootloaderAt: 0 },
};

/** ESP-IDF's default place of the partition table, in front of the first partition. */
const TABLE_AT = 0x8000;

interface Part {
  path: string;
  offset: number;
}

/** Builds a board's image for a role. Returns the folder with the files that the SDK made. */
export type BuildImage = (board: string, role: Role) => string;

/** Makes the folder `to`, and replaces the one of before. Throws an Error, and then leaves nothing behind. */
export async function release(to: string, build: BuildImage): Promise<void> {
  mkdirSync(dirname(to), { recursive: true });
  const folder = mkdtempSync(`${to}.`);
  try {
    for (const role of ROLES) {
      const builds = boards().map((board) => ({
        chipFamily: chipOf(board).family,
        parts: partsOf(folder, board, role, build(board, role)),
      }));
      // The usual button of ESP Web Tools erases the whole chip on a first install, unless the manifest asks first.
      const manifest = { name: `Throwie, role ${role}`, version: version(), new_install_prompt_erase: true, builds };
      writeJson(join(folder, `${role}.json`), manifest);
    }
    await writePage(folder);
    writeFileSync(join(folder, "SHA256SUMS"), checksums(folder));
    // A draft is its maker's alone; a release is for a web server to read.
    chmodSync(folder, 0o755);
    rmSync(to, { recursive: true, force: true });
    renameSync(folder, to);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function chipOf(board: string): Chip {
  const chip = CHIPS[board];
  if (chip === undefined)
    throw new Error(`hosts/firmware/release.ts does not know the chip of ${board}; add it there.`);
  return chip;
}

/** Copies the files that the SDK made, and says where each of them goes. */
function partsOf(folder: string, board: string, role: Role, from: string): Part[] {
  const table = partitionsOf(tableOf(board, "4MB"));
  const app = appPartition(table);
  const first = Math.min(...table.map(({ offset }) => offset));
  const places: [made: string, name: string, offset: number, end: number][] = [
    ["bootloader.bin", "bootloader.bin", chipOf(board).bootloaderAt, TABLE_AT],
    ["partition-table.bin", "partition-table.bin", TABLE_AT, first],
    ["xs_esp32.bin", "throwie.bin", app.offset, app.offset + app.sizeBytes],
  ];
  mkdirSync(join(folder, `${board}-${role}`));
  return places.map(([made, name, offset, end]) => {
    const file = join(from, made);
    if (!existsSync(file)) throw new Error(`The build for ${board} made no ${made}; its messages are above.`);
    const sizeBytes = statSync(file).size;
    if (sizeBytes > end - offset) {
      throw new Error(`The ${made} for ${board} has ${sizeBytes} bytes; there is room for ${end - offset}.`);
    }
    const path = `${board}-${role}/${name}`;
    copyFileSync(file, join(folder, path));
    return { path, offset };
  });
}

/** Also without images, for whoever works on the page. */
export async function writePage(folder: string): Promise<void> {
  const source = join(packageFolder(), PAGE);
  const { metafile } = await bundle({
    ...{ entryPoints: [join(source, "page.ts")], outdir: folder, absWorkingDir: packageFolder() },
    ...{ bundle: true, minify: true, format: "esm", target: "es2022", legalComments: "none" },
    ...{ metafile: true, logLevel: "silent" },
  });
  for (const name of ["index.html", "page.css"]) copyFileSync(join(source, name), join(folder, name));
  writeFileSync(join(folder, "licenses.txt"), licenses(Object.keys(metafile.inputs)));
  const config = checkSettings(boards()[0]!, []);
  const settingsAt = boards().map((board) => [
    chipOf(board).family,
    partitionNamed(partitionsOf(tableOf(board, "4MB")), "settings").offset,
  ]);
  writeJson(join(folder, "release.json"), {
    version: version(),
    settingsAt: Object.fromEntries(settingsAt),
    defaults: Object.fromEntries(OPERATOR_KEYS.map((key) => [key, String(config[key])])),
  });
}

function version(): string {
  return JSON.parse(readFileSync(join(packageFolder(), "package.json"), "utf8")).version;
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
