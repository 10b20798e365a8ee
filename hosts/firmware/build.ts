/**
 * Builds the firmware with the SDK's `mcconfig`, for a board of `targets/` or for a desk, into build/firmware/.
 *
 * Refuses a setting that the board would refuse. Refuses to build when a tool is missing, with one sentence for each
 * missing thing.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { packageFolder } from "../machine/folders.ts";
import { APP_FILE, buildManifest, MANIFEST_FILE, summary } from "./build-manifest.ts";
import { checkSettings } from "./configuration.ts";
import { flashImage } from "./flash-image.ts";
import { type BuildIdentity, identityOf, identityText } from "./identity.ts";
import { withTwoApps } from "./partitions.ts";
import { manifestOf } from "./roles.ts";
import { run } from "./run.ts";
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

/** Where the SDK leaves a board's image and its map. */
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

/** An image that is to be built. `settings` are `key=value`; modules/board/settings.ts lists them. */
interface Build {
  /** A name of targets/, or "lin". */
  board: string;
  flash: FlashSize;
  settings: string[];
  /** All settings with their values. */
  config: Record<string, unknown>;
  identity: BuildIdentity;
}

/** Throws an Error of one sentence when there is no such board, or the board would refuse a setting. */
function buildOf(board: string, settings: string[], flash: FlashSize): Build {
  checkBoard(board);
  const config = checkSettings(board, settings);
  const identity = identityOf(board, { ...config, flash });
  return { board, flash, settings, config, identity };
}

/** Builds an image, and writes its manifest beside it. Throws an Error when the image breaks a limit. */
export function buildForBoard(board: string, settings: string[], flash: FlashSize = "4MB"): void {
  const build = buildOf(board, settings, flash);
  const environment = ready(espIdf());
  const folder = imageFolder(board, flash);
  // The SDK ends well when ESP-IDF does not: an image that is there afterwards is new.
  for (const name of [APP_FILE, MANIFEST_FILE]) rmSync(join(folder, name), { force: true });
  mcconfig(build, "build", environment);
  const manifest = buildManifest({ ...build, folder, table: tableOf(board, flash) });
  writeFileSync(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(summary(manifest));
  if (manifest.faults.length > 0) throw new Error(manifest.faults.join("\n"));
}

/** Writes what `buildForBoard` built. `settings`, if there are any, must be those of that build. */
export function flashBoard(
  board: string,
  port: string | undefined,
  settings: string[],
  flash: FlashSize = "4MB",
): void {
  checkBoard(board);
  const config = checkSettings(board, settings);
  const folder = imageFolder(board, flash);
  if (!existsSync(join(folder, MANIFEST_FILE))) throw nothingBuilt(board, flash);
  flashImage(folder, port, settings.length > 0 ? config : {});
}

function nothingBuilt(board: string, flash: FlashSize): Error {
  const more = flash === "4MB" ? "" : ` --flash ${flash}`;
  return new Error(`Nothing was built for ${board} yet: run npm run firmware -- --board ${board}${more}`);
}

/** Runs ESP-IDF's own monitor, which also translates the addresses in a crash of native code. */
export function monitorBoard(board: string, port: string | undefined, flash: FlashSize = "4MB"): void {
  checkBoard(board);
  const environment = ready(espIdf());
  const built = join(outputFolder(flash), "tmp", "esp32", board, "release", basename(packageFolder()));
  const project = join(built, `xsProj-${board}`);
  if (!existsSync(project)) throw nothingBuilt(board, flash);
  run("idf.py", ["-C", project, ...(port === undefined ? [] : ["-p", port]), "monitor"], environment);
}

/** Builds the shared object for `lin`. When `instrumented`, it adds XS's use of memory after each line of its log. */
export function buildForDesk(settings: string[], instrumented: boolean): string {
  const config = checkSettings("lin", settings);
  const identity = identityOf("lin", config);
  const more = instrumented ? ["-i"] : [];
  mcconfig({ board: "lin", flash: "4MB", settings, config, identity }, "build", ready(desk()), more);
  const kind = instrumented ? "instrument" : "release";
  return join(OUTPUT, "bin", "lin", "mc", kind, basename(packageFolder()), "mc.so");
}

function mcconfig(build: Build, target: string, environment: NodeJS.ProcessEnv, more: string[] = []): void {
  const { board, flash, settings, identity } = build;
  const manifest = manifestOf(build.config.role, outputFolder(flash));
  const output = outputFolder(flash);
  mkdirSync(output, { recursive: true });
  const platform = board === "lin" ? board : platformOf(board, flash);
  const config = [...settings, `firmware=${identityText(identity)}`];
  run("mcconfig", [...more, "-m", "-p", platform, "-t", target, "-o", output, manifest, ...config], environment);
}
