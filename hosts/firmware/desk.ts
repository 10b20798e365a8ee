/**
 * A board on a desk: the firmware built for `lin`, in a folder that is its memory and its flash. The firmware is
 * started again after each end of a life, as a board's hardware does (modules/board/board-lin.c). Needs a C compiler
 * and GLib's headers.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { packageFolder } from "../machine/folders.ts";
import { OUTPUT } from "./build.ts";

/** Exit statuses of a life; modules/board/board-lin.c has them too. */
const SLEPT = 10;
const RESTARTED = 11;
const STUCK = 12;
/** The time that a board takes to boot: ROM, loader, native start. */
const BOOT_MS = 300;

/** Compile the program that runs the shared object. */
export function compileDesk(moddableHome: string): string {
  const glib = execFileSync("pkg-config", ["--cflags", "--libs", "gio-2.0"], { encoding: "utf8" }).trim().split(/\s+/);
  const program = join(OUTPUT, "desk");
  const source = join(packageFolder(), "hosts", "firmware", "desk.c");
  const include = `-I${join(moddableHome, "build", "simulators", "modules")}`;
  execFileSync("cc", ["-Wall", "-Wextra", "-DmxLinux=1", include, source, "-o", program, ...glib, "-ldl"], {
    stdio: "inherit",
  });
  return program;
}

export interface DeskOptions {
  /** The path that `compileDesk` returned. */
  program: string;
  /** The path of the shared object. */
  firmware: string;
  /** The folder that is the board; created if absent. */
  folder: string;
  onLine(line: string): void;
  /** The firmware ended a life itself. The next life begins after BOOT_MS, or BOOT_MS after its sleep. */
  onRestart(): void;
  /** A life ended in a way in which no board's life ends. No other life follows. */
  onEnd(sentence: string): void;
}

export class Desk {
  readonly #options: DeskOptions;
  /** A radio address: locally administered, unicast, the same in every life. */
  readonly #address = `02${randomBytes(5).toString("hex")}`;
  #life: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DeskOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  /** Give the board power. */
  start(): void {
    const life = spawn(this.#options.program, [this.#options.firmware], {
      env: { ...process.env, THROWIE_BOARD: this.#options.folder, THROWIE_RADIO_ADDRESS: this.#address },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#life = life;
    createInterface({ input: life.stdout! }).on("line", this.#options.onLine);
    life.on("exit", (code) => {
      if (this.#life === life) this.#next(code);
    });
  }

  /** Cut the board's power at any moment. Resolves when the process has ended. */
  async cut(): Promise<void> {
    clearTimeout(this.#timer);
    const life = this.#life;
    this.#life = undefined;
    if (life === undefined || life.exitCode !== null) return;
    await new Promise<void>((resolve) => {
      life.once("exit", () => resolve());
      life.kill("SIGKILL");
    });
  }

  #next(code: number | null): void {
    const { folder, onRestart, onEnd } = this.#options;
    this.#life = undefined;
    if (code !== SLEPT && code !== RESTARTED && code !== STUCK) {
      onEnd(`the firmware ended with status ${code}, which no board does`);
      return;
    }
    onRestart();
    const sleepMs = code === SLEPT ? Number(readFileSync(join(folder, "sleep-ms"), "utf8")) : 0;
    this.#timer = setTimeout(() => this.start(), sleepMs + BOOT_MS);
  }
}
