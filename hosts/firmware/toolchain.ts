/**
 * The tools that building the firmware needs besides this repository. Gives one sentence for each missing tool, with
 * the address of the official instructions. Only looks; changes nothing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { packageFolder } from "../machine/folders.ts";

/** The version that Moddable SDK 8.2 expects. Another version fails with errors that are hard to understand. */
const IDF_VERSION = "6.0";
const MODDABLE_GUIDE =
  '"Moddable SDK - Getting Started", https://github.com/Moddable-OpenSource/moddable/blob/public/documentation/Moddable%20SDK%20-%20Getting%20Started.md';
const ESP32_GUIDE =
  '"Using the Moddable SDK with ESP32", https://github.com/Moddable-OpenSource/moddable/blob/public/documentation/devices/esp32.md';
const IDF_GUIDE = `"ESP-IDF Programming Guide, Get Started", https://docs.espressif.com/projects/esp-idf/en/v${IDF_VERSION}/esp32/get-started/index.html`;

export type Environment = Record<string, string | undefined>;

export interface Toolchain {
  /** The environment for the SDK's tools: its PATH holds them and TypeScript's compiler. */
  environment: Environment;
  /** One sentence for each missing thing. Empty: nothing is missing. */
  missing: string[];
}

/** The tools that both a board and a desk need. */
function moddable(given: Environment = process.env): Toolchain {
  const home = given.MODDABLE;
  const tools = join(home ?? "", "build", "bin", "lin", "release");
  const path = [join(packageFolder(), "node_modules", ".bin"), tools, given.PATH].join(delimiter);
  const environment = { ...given, PATH: path };
  const missing: string[] = [];
  if (home === undefined || home === "") {
    missing.push(`MODDABLE is not set: it must name the folder of the Moddable SDK 8.2 (${MODDABLE_GUIDE}).`);
  } else if (!existsSync(join(home, "examples", "manifest_base.json"))) {
    missing.push(`MODDABLE is ${home}, and no Moddable SDK is there (${MODDABLE_GUIDE}).`);
  } else {
    for (const tool of ["mcconfig", "xsc", "xsl"]) {
      if (!onPath(tool, path)) {
        missing.push(
          `${tool} is neither in ${tools} nor on the path: build the SDK's tools first (${MODDABLE_GUIDE}).`,
        );
      }
    }
  }
  if (!onPath("make", path)) missing.push("make is not on the path: install your system's build tools.");
  return { environment, missing };
}

/** The tools for a desk: the SDK, and a C compiler for `hosts/firmware/desk.c`. */
export function desk(given: Environment = process.env): Toolchain {
  const { environment, missing } = moddable(given);
  for (const tool of ["cc", "pkg-config"]) {
    if (!onPath(tool, environment.PATH!)) {
      missing.push(`${tool} is not on the path: install your system's C compiler and pkg-config.`);
    }
  }
  const options = { env: environment as NodeJS.ProcessEnv };
  if (
    onPath("pkg-config", environment.PATH!) &&
    spawnSync("pkg-config", ["--exists", "gio-2.0"], options).status !== 0
  ) {
    missing.push("pkg-config does not know gio-2.0: install GLib's headers (Debian: libglib2.0-dev).");
  }
  return { environment, missing };
}

/** The C compiler for each board of targets/, as ESP-IDF installs it. */
const COMPILERS: Record<string, string> = {
  esp32: "xtensa-esp32-elf-gcc",
  esp32c3: "riscv32-esp-elf-gcc",
  esp32s3: "xtensa-esp32s3-elf-gcc",
};

/**
 * The compiler of a board is installed for itself, so a machine may build for some boards only. A sentence when it is
 * missing. Empty: it is there.
 */
export function missingCompiler(board: string, path: string): string {
  const compiler = COMPILERS[board];
  if (compiler === undefined) return `hosts/firmware/toolchain.ts knows no compiler for ${board}: add it.`;
  if (onPath(compiler, path)) return "";
  return `${compiler} is not on the path: run ESP-IDF's install.sh ${board} once and export.sh in this shell (${IDF_GUIDE}).`;
}

/** The tools for a board: the SDK and ESP-IDF. */
export function espIdf(given: Environment = process.env): Toolchain {
  const { environment, missing } = moddable(given);
  const home = given.IDF_PATH;
  if (home === undefined || home === "") {
    missing.push(
      `IDF_PATH is not set: install ESP-IDF v${IDF_VERSION} and run its export.sh here first (${ESP32_GUIDE}; ${IDF_GUIDE}).`,
    );
    return { environment, missing };
  }
  const version = idfVersion(home);
  if (version === undefined) missing.push(`IDF_PATH is ${home}, and no ESP-IDF is there (${IDF_GUIDE}).`);
  else if (version !== IDF_VERSION) {
    missing.push(
      `IDF_PATH holds ESP-IDF v${version}; the Moddable SDK 8.2 builds with v${IDF_VERSION} (${ESP32_GUIDE}).`,
    );
  }
  for (const tool of ["idf.py", "cmake", "ninja"]) {
    if (!onPath(tool, environment.PATH!)) {
      missing.push(
        `${tool} is not on the path: run ESP-IDF's install.sh once and export.sh in this shell (${IDF_GUIDE}).`,
      );
    }
  }
  return { environment, missing };
}

/** The major and minor version of the ESP-IDF in a folder. */
function idfVersion(home: string): string | undefined {
  const file = join(home, "tools", "cmake", "version.cmake");
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, "utf8");
  const part = (name: string): string | undefined => new RegExp(`IDF_VERSION_${name} (\\d+)`).exec(text)?.[1];
  const [major, minor] = [part("MAJOR"), part("MINOR")];
  return major === undefined || minor === undefined ? undefined : `${major}.${minor}`;
}

export function onPath(tool: string, path: string): boolean {
  return path.split(delimiter).some((folder) => folder !== "" && existsSync(join(folder, tool)));
}
