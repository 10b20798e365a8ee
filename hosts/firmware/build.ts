/**
 * Builds the firmware with the SDK's `mcconfig`, for a board of `targets/` or for a desk, into build/firmware/.
 *
 * Refuses a setting that the board would refuse. Refuses to build when a tool is missing, with one sentence for each
 * missing thing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import process from "node:process";
import { packageFolder } from "../machine/folders.ts";
import { checkSettings } from "./configuration.ts";
import { type BuildIdentity, identityOf, identityText } from "./identity.ts";
import { withTwoApps } from "./partitions.ts";
import { desk, espIdf, type Toolchain } from "./toolchain.ts";

export const OUTPUT = join(packageFolder(), "build", "firmware");

/** The flash of a board. An image for 8 MB also runs on more. */
export const FLASH_SIZES = ["4MB", "8MB"] as const;
export type FlashSize = (typeof FLASH_SIZES)[number];

/** With two app partitions, the boot loader goes back to the last image that worked. */
const TWO_APPS_CONFIG = `
CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y
# The boot loader takes the other image when one is damaged.
CONFIG_BOOTLOADER_SKIP_VALIDATE_ALWAYS=n
`;

/** The boards that `targets/` knows. */
export function boards(): string[] {
  return readdirSync(join(packageFolder(), "targets")).sort();
}

export function checkBoard(board: string): void {
  if (!boards().includes(board))
    throw new Error(`There is no board ${board}; it must be one of ${boards().join(", ")}.`);
}

/** The environment of a complete toolchain. Otherwise throws an Error with one sentence for each missing thing. */
export function ready({ environment, missing }: Toolchain): NodeJS.ProcessEnv {
  if (missing.length > 0) throw new Error(missing.join("\n"));
  return environment;
}

/** The folder in which the SDK builds for boards with that flash. `mcconfig` takes a platform's path in lower case. */
export function outputFolder(flash: FlashSize): string {
  return flash === "4MB" ? OUTPUT : join(OUTPUT, flash.toLowerCase());
}

/** Where the SDK puts the files of a board's image. */
export function imageFolder(board: string, flash: FlashSize = "4MB"): string {
  return join(outputFolder(flash), "bin", "esp32", board, "release", basename(packageFolder()));
}

/** The partition table of a board with that flash. */
export function tableOf(board: string, flash: FlashSize): string {
  const csv = readFileSync(join(packageFolder(), "targets", board, "partitions.csv"), "utf8");
  return flash === "4MB" ? csv : withTwoApps(csv);
}

/** The target as `mcconfig` takes it: a folder of targets/, or one that is made from it for a larger flash. */
function platformOf(board: string, flash: FlashSize): string {
  if (flash === "4MB") return `esp32:./targets/${board}`;
  const from = join(packageFolder(), "targets", board);
  const folder = join(outputFolder(flash), "targets", board);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "manifest.json"), readFileSync(join(from, "manifest.json")));
  writeFileSync(join(folder, "partitions.csv"), tableOf(board, flash));
  writeFileSync(
    join(folder, "sdkconfig.defaults"),
    sdkconfigFor(flash, readFileSync(join(from, "sdkconfig.defaults"), "utf8")),
  );
  return `esp32:./${relative(packageFolder(), folder)}`;
}

/** The configuration of ESP-IDF for that flash, from the configuration for 4 MB. */
export function sdkconfigFor(flash: FlashSize, sdkconfig: string): string {
  if (flash === "4MB") return sdkconfig;
  return (
    sdkconfig.replace("CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y", `CONFIG_ESPTOOLPY_FLASHSIZE_${flash}=y`) + TWO_APPS_CONFIG
  );
}

/** An image that is to be built, or that was. `settings` are `key=value`; modules/board/settings.ts lists them. */
interface Build {
  platform: string;
  output: string;
  settings: string[];
  identity: BuildIdentity;
}

/** Throws an Error of one sentence when there is no such board, or the board would refuse a setting. */
function buildOf(board: string, settings: string[], flash: FlashSize): Build {
  checkBoard(board);
  const config = checkSettings(board, settings);
  const identity = identityOf(board, { ...config, flash });
  return { platform: platformOf(board, flash), output: outputFolder(flash), settings, identity };
}

export function buildForBoard(board: string, settings: string[], flash: FlashSize = "4MB"): void {
  const build = buildOf(board, settings, flash);
  mcconfig(build, "build", ready(espIdf()));
}

export function flashBoard(
  board: string,
  port: string | undefined,
  settings: string[],
  flash: FlashSize = "4MB",
): void {
  const build = buildOf(board, settings, flash);
  const environment = ready(espIdf());
  mcconfig(build, "deploy", port === undefined ? environment : { ...environment, UPLOAD_PORT: port });
}

/** Runs ESP-IDF's own monitor, which also translates the addresses in a crash of native code. */
export function monitorBoard(board: string, port: string | undefined, flash: FlashSize = "4MB"): void {
  checkBoard(board);
  const environment = ready(espIdf());
  const built = join(outputFolder(flash), "tmp", "esp32", board, "release", basename(packageFolder()));
  const project = join(built, `xsProj-${board}`);
  if (!existsSync(project))
    throw new Error(`Nothing was built for ${board} yet: run npm run firmware -- --board ${board}`);
  run("idf.py", ["-C", project, ...(port === undefined ? [] : ["-p", port]), "monitor"], environment);
}

/** Builds the shared object for `lin`. When `instrumented`, it adds XS's use of memory after each line of its log. */
export function buildForDesk(settings: string[], instrumented: boolean): string {
  const identity = identityOf("lin", checkSettings("lin", settings));
  const more = instrumented ? ["-i"] : [];
  mcconfig({ platform: "lin", output: OUTPUT, settings, identity }, "build", ready(desk()), more);
  const kind = instrumented ? "instrument" : "release";
  return join(OUTPUT, "bin", "lin", "mc", kind, basename(packageFolder()), "mc.so");
}

function mcconfig(build: Build, target: string, environment: NodeJS.ProcessEnv, more: string[] = []): void {
  const { platform, output, settings, identity } = build;
  mkdirSync(output, { recursive: true });
  const config = [...settings, `firmware=${identityText(identity)}`];
  run(
    "mcconfig",
    [...more, "-m", "-p", platform, "-t", target, "-o", output, "./manifest.json", ...config],
    environment,
  );
}

export function run(command: string, words: string[], environment: NodeJS.ProcessEnv): void {
  const { status, error } = spawnSync(command, words, { cwd: packageFolder(), env: environment, stdio: "inherit" });
  if (error !== undefined) throw new Error(`${command} did not start: ${error.message}`);
  if (status !== 0) throw new Error(`${command} failed with status ${status}; its messages are above.`);
  process.exitCode = 0;
}
