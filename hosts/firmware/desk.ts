/**
 * A board on a desk: the firmware built for `lin`, in a folder that is its memory and its flash, started again after each
 * end of a life as a board's hardware would (modules/board/board-lin.c). Needs a C compiler and GLib's headers.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { packageFolder } from "../cli/package-folder.ts";
import { OUTPUT } from "./build.ts";

/** Exit statuses of a life; modules/board/board-lin.c has them too. */
const SLEPT = 10;
const RESTARTED = 11;
const STUCK = 12;
/** On a board: ROM, loader, native start. */
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

export class Desk {
  lives = 0;
  readonly #program: string;
  readonly #firmware: string;
  readonly #folder: string;
  readonly #onLine: (line: string) => void;
  readonly #onEnd: (sentence: string) => void;
  #life: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `onEnd`: a life ended in a way that no board's does, and there is no next. */
  constructor(
    program: string,
    firmware: string,
    folder: string,
    onLine: (line: string) => void,
    onEnd: (sentence: string) => void,
  ) {
    this.#program = program;
    this.#firmware = firmware;
    this.#folder = folder;
    this.#onLine = onLine;
    this.#onEnd = onEnd;
    mkdirSync(folder, { recursive: true });
  }

  /** Give it power. */
  start(): void {
    this.lives++;
    const life = spawn(this.#program, [this.#firmware], {
      env: { ...process.env, THROWIE_BOARD: this.#folder },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#life = life;
    createInterface({ input: life.stdout! }).on("line", this.#onLine);
    life.on("exit", (code) => {
      if (this.#life === life) this.#next(code);
    });
  }

  /** Take the power away, in the middle of whatever it does. Resolves when it is dark. */
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
    this.#life = undefined;
    if (code === SLEPT) {
      const sleepMs = Number(readFileSync(join(this.#folder, "sleep-ms"), "utf8"));
      this.#timer = setTimeout(() => this.start(), sleepMs + BOOT_MS);
    } else if (code === RESTARTED || code === STUCK) {
      this.#timer = setTimeout(() => this.start(), BOOT_MS);
    } else this.#onEnd(`the firmware ended with status ${code}, which no board does`);
  }
}
