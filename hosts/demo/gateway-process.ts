/** A gateway as a process of its own. It is started again whenever it ends, and its log is read line by line. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { packageFolder } from "../machine/folders.ts";

const RESTART_MS = 500;

export interface GatewayWatcher {
  gatewayStarted(name: string, processId: number): void;
  gatewayEnded(name: string, how: string): void;
  gatewaySaid(name: string, line: Record<string, unknown>): void;
}

export class GatewayProcess {
  readonly #name: string;
  readonly #words: string[];
  readonly #watcher: GatewayWatcher;
  #child: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(name: string, words: string[], watcher: GatewayWatcher) {
    this.#name = name;
    this.#words = words;
    this.#watcher = watcher;
    this.#start();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#restart);
    this.#child?.kill("SIGKILL");
  }

  #start(): void {
    const program = join(packageFolder(), "build", "hosts", "cli", "throwie.js");
    const child = spawn(process.execPath, [program, "gateway", ...this.#words], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    if (child.pid !== undefined) this.#watcher.gatewayStarted(this.#name, child.pid);
    let complaint = "";
    child.stderr!.on("data", (text) => {
      complaint = `${complaint}${text}`.slice(-400);
    });
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.startsWith("{")) this.#watcher.gatewaySaid(this.#name, JSON.parse(line));
    });
    child.on("close", (code, signal) => {
      if (this.#closed) return;
      this.#watcher.gatewayEnded(
        this.#name,
        signal ?? `exit code ${code}${complaint === "" ? "" : `, ${complaint.trim()}`}`,
      );
      this.#restart = setTimeout(() => this.#start(), RESTART_MS);
    });
  }
}
