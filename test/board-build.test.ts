/**
 * A header that no include folder holds, and a call that ESP-IDF does not have, end a board's build after minutes, on a
 * machine with the SDK and ESP-IDF. So these tests look for each header, and compile the board's C with Debian's
 * compilers for the two architectures: RV32 (C3) and Xtensa (ESP32, S3).
 *
 * Without the SDK and ESP-IDF, the C that needs neither is compiled. Each skip names what is missing. CI has the
 * compilers (`.ci/run`).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import test from "ava";
import { fromDisk } from "../hosts/firmware/manifests.ts";
import { type Manifest, PLATFORMS, type Read } from "../hosts/firmware/module-map.ts";
import { BoardBuild, type Tools } from "./board-build.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-board-build-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
// A build generates these headers. Our C uses nothing from them, so empty files do.
for (const generated of ["mc.defines.h", "mc.xs.h"]) writeFileSync(join(folder, generated), "");

const { IDF_PATH, MODDABLE } = process.env;
const BOARDS = PLATFORMS.filter((platform) => platform.startsWith("esp32"));
const FOLDERS = ["modules/board", "modules/espnow", "modules/serial"];
const SOURCES = FOLDERS.flatMap((path) => readdirSync(path).map((name) => join(path, name))).filter(
  (path) => path.endsWith(".c") && !path.endsWith("-lin.c"),
);
/** What needs neither the SDK nor ESP-IDF. */
const PLAIN = SOURCES.filter((path) => !readFileSync(path, "utf8").includes('#include "xsmc.h"'));
const WARNINGS = ["-std=gnu17", "-Os", "-Wall", "-Wextra", "-Werror"];

interface Compiler {
  architecture: string;
  command: string;
  options: string[];
  /** How far what includes ESP-IDF's headers compiles. Debian's assembler for Xtensa lacks registers that they name. */
  withIdf: string;
}

function compilerOf(platform: string): Compiler | undefined {
  const known: Compiler[] = platform.endsWith("c3")
    ? ["riscv32-esp-elf-gcc", "riscv64-unknown-elf-gcc"].map((command) => ({
        architecture: "RV32",
        command,
        options: ["-march=rv32imc", "-mabi=ilp32", ...(command.includes("esp") ? [] : ["--specs=picolibc.specs"])],
        withIdf: "-c",
      }))
    : [
        {
          architecture: "Xtensa",
          command: "xtensa-lx106-elf-gcc",
          options: ["--specs=/usr/lib/xtensa-lx106-elf/picolibc.specs", "-mlongcalls"],
          withIdf: "-S",
        },
      ];
  return known.find(({ command }) => spawnSync(command, ["--version"]).status === 0);
}

function compile({ command, options }: Compiler, words: string[], sources: string[]) {
  const paths = sources.map((path) => resolve(path));
  return spawnSync(command, [...options, ...WARNINGS, ...words, ...paths], { cwd: folder, encoding: "utf8" });
}

/** The test, or a test that is skipped, with the missing things in its name. */
function whenPresent(needed: Record<string, unknown>): [typeof test | typeof test.skip, string] {
  const missing = Object.keys(needed).filter((name) => needed[name] === undefined);
  return missing.length === 0 ? [test, ""] : [test.skip, ` (needs ${missing.join(", ")})`];
}

for (const platform of ["esp32", "esp32/esp32c3"]) {
  const compiler = compilerOf(platform);
  const architecture = platform === "esp32" ? "Xtensa" : "RV32";
  const [run, needs] = whenPresent({ [`a compiler for ${architecture}`]: compiler });
  run(`the C that is the same on all machines compiles for ${architecture} without a warning${needs}`, (t) => {
    t.true(PLAIN.length >= 7 && PLAIN.length < SOURCES.length - 4, PLAIN.join(", "));
    const { status, stderr } = compile(compiler!, ["-c"], PLAIN);
    t.is(stderr, "");
    t.is(status, 0);
    const broken = join(folder, "broken.c");
    writeFileSync(broken, `${readFileSync("modules/espnow/pacing.c", "utf8")}\nstatic int idle;\n`);
    const canary = compile(compiler!, ["-c", `-I${resolve("modules/espnow")}`], [broken]);
    t.regex(canary.stderr, /'idle' defined but not used/);
  });
}

/** What a build compiles with all its headers. Only our own files may warn. */
function compileForBoard(platform: string, sources: string[]) {
  const build = new BoardBuild(platform, { sdk: MODDABLE!, idf: IDF_PATH }, fromDisk);
  const compiler = compilerOf(platform)!;
  return compile(
    compiler,
    [
      ...[compiler.withIdf, ...build.macros, "-U__STRICT_ANSI__", "-DkPocoRotation=0", "-DmxUseDefaultSharedChunks=1"],
      ...[...FOLDERS, "test/board"].map((path) => `-I${resolve(path)}`),
      `-I${folder}`,
      ...build.folders.flatMap((path) => ["-isystem", resolve(path)]),
    ],
    sources,
  );
}

for (const platform of BOARDS) {
  const compiler = compilerOf(platform);
  const [run, needs] = whenPresent({ MODDABLE, IDF_PATH, [`a compiler for ${platform}`]: compiler });
  run(`${platform}: all C compiles against ESP-IDF and the SDK without a warning${needs}`, (t) => {
    const { status, stderr } = compileForBoard(platform, SOURCES);
    t.is(stderr, "");
    t.is(status, 0);
  });

  run(`${platform}: canary: a call that lacks an argument, and code with a warning, do not compile${needs}`, (t) => {
    for (const [file, from, to, expected] of [
      ["serial/serial-esp32.c", "uart_driver_delete(PORT);", "uart_driver_delete();", /too few arguments/],
      ["board/board-esp32.c", "static uint64_t clockUs(void)", "static int idle;\n$&", /'idle' defined but not used/],
    ] as const) {
      const broken = join(folder, "broken.c");
      const whole = readFileSync(join("modules", file), "utf8");
      t.true(whole.includes(from));
      writeFileSync(broken, whole.replace(from, to));
      const { status, stderr } = compileForBoard(platform, [broken]);
      t.not(status, 0);
      t.regex(stderr, expected);
    }
  });
}

/** Reads the disk, but changes one manifest. */
function changed(path: string, change: (manifest: Manifest & { build?: Record<string, string> }) => void): Read {
  return (asked) => {
    if (asked !== path) return fromDisk(asked);
    const manifest = JSON.parse(fromDisk(path)!);
    change(manifest);
    return JSON.stringify(manifest);
  };
}

const [walk, needs] = whenPresent({ MODDABLE });
walk(`a build for a board finds every header that its C names, and ESP-IDF's where IDF_PATH is set${needs}`, (t) => {
  const tools: Tools = { sdk: MODDABLE!, idf: IDF_PATH };
  for (const platform of BOARDS) {
    const build = new BoardBuild(platform, tools, fromDisk);
    t.deepEqual(build.missing(), [], platform);
    for (const source of SOURCES) t.true(build.sources.includes(source), `${platform} does not compile ${source}`);

    const bare = changed("modules/board/manifest.json", (manifest) => {
      for (const layer of Object.values(manifest.platforms!)) layer.modules!["*"] = "./board-esp32";
    });
    t.deepEqual(new BoardBuild(platform, tools, bare).missing(), ["flash-esp32.c includes builtinCommon.h"]);
    if (IDF_PATH === undefined) {
      t.log(`${platform}: ESP-IDF's headers were not looked for, because IDF_PATH is not set`);
      continue;
    }
    const noFolder = changed(`targets/${build.chip}/manifest.json`, (manifest) => {
      delete manifest.build!.C_FLAGS_SUBPLATFORM;
    });
    const ofUsb = ["usb_serial_jtag.h", "usb_serial_jtag_select.h"].map(
      (name) => `serial-esp32.c includes driver/${name}`,
    );
    t.deepEqual(new BoardBuild(platform, tools, noFolder).missing(), build.chip === "esp32" ? [] : ofUsb);
  }
});
