/**
 * Builds the firmware with the SDK's `mcconfig`, for a board of `targets/` or for a desk, into build/firmware/.
 *
 * Refuses a setting that the board would refuse. Refuses to build when a tool is missing, with one sentence for each
 * missing thing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { packageFolder } from "../machine/folders.ts";
import { checkSettings } from "./configuration.ts";
import { desk, espIdf, type Toolchain } from "./toolchain.ts";

export const OUTPUT = join(packageFolder(), "build", "firmware");

/** The boards that `targets/` knows. */
export function boards(): string[] {
  return readdirSync(join(packageFolder(), "targets")).sort();
}

function checkBoard(board: string): void {
  if (!boards().includes(board))
    throw new Error(`There is no board ${board}; it must be one of ${boards().join(", ")}.`);
}

/** The environment of a complete toolchain. Otherwise throws an Error with one sentence for each missing thing. */
export function ready({ environment, missing }: Toolchain): NodeJS.ProcessEnv {
  if (missing.length > 0) throw new Error(missing.join("\n"));
  return environment;
}

/** `settings` are `key=value`; modules/board/settings.ts lists the keys and their values. */
export function buildForBoard(board: string, settings: string[]): void {
  checkBoard(board);
  checkSettings(board, settings);
  mcconfig({ platform: `esp32:./targets/${board}`, target: "build", settings, environment: ready(espIdf()) });
}

export function flashBoard(board: string, port: string | undefined, settings: string[]): void {
  checkBoard(board);
  checkSettings(board, settings);
  const environment = ready(espIdf());
  mcconfig({
    platform: `esp32:./targets/${board}`,
    target: "deploy",
    settings,
    environment: port === undefined ? environment : { ...environment, UPLOAD_PORT: port },
  });
}

/** Runs ESP-IDF's own monitor, which also translates the addresses in a crash of native code. */
export function monitorBoard(board: string, port: string | undefined): void {
  checkBoard(board);
  const environment = ready(espIdf());
  const project = join(OUTPUT, "tmp", "esp32", board, "release", basename(packageFolder()), `xsProj-${board}`);
  if (!existsSync(project))
    throw new Error(`Nothing was built for ${board} yet: run npm run firmware -- --board ${board}`);
  run("idf.py", ["-C", project, ...(port === undefined ? [] : ["-p", port]), "monitor"], environment);
}

/** Builds the shared object for `lin`. When `instrumented`, it adds XS's use of memory after each line of its log. */
export function buildForDesk(settings: string[], instrumented: boolean): string {
  mcconfig({
    platform: "lin",
    target: "build",
    settings,
    environment: ready(desk()),
    more: instrumented ? ["-i"] : [],
  });
  const kind = instrumented ? "instrument" : "release";
  return join(OUTPUT, "bin", "lin", "mc", kind, basename(packageFolder()), "mc.so");
}

interface Configuration {
  platform: string;
  target: string;
  settings: string[];
  environment: NodeJS.ProcessEnv;
  more?: string[];
}

function mcconfig({ platform, target, settings, environment, more = [] }: Configuration): void {
  mkdirSync(OUTPUT, { recursive: true });
  run(
    "mcconfig",
    [...more, "-m", "-p", platform, "-t", target, "-o", OUTPUT, "./manifest.json", ...settings],
    environment,
  );
}

export function run(command: string, words: string[], environment: NodeJS.ProcessEnv): void {
  const { status, error } = spawnSync(command, words, { cwd: packageFolder(), env: environment, stdio: "inherit" });
  if (error !== undefined) throw new Error(`${command} did not start: ${error.message}`);
  if (status !== 0) throw new Error(`${command} failed with status ${status}; its messages are above.`);
  process.exitCode = 0;
}
