/**
 * A gateway as a process of its own. It is started again whenever it ends, and its log is read line by line.
 *
 * The gateway ends when this process does, even by SIGKILL: the kernel then closes the pipe to the gateway's standard
 * input. A gateway that ends again and again before it says anything has a fault that no restart mends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { packageFolder } from "../machine/folders.ts";

const RESTART_MS = 500;
/** How often in a row a gateway may end before its first line. */
const SILENT_ENDS_MAX = 5;
/** Node runs this before the gateway's program. Standard input ends when the demo's process is gone. */
const LEASH_CODE = 'process.stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume().unref()';
const LEASH = `data:text/javascript,${encodeURIComponent(LEASH_CODE)}`;

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
  #silentEnds = 0;
  #fault: string | undefined;

  constructor(name: string, words: string[], watcher: GatewayWatcher) {
    this.#name = name;
    this.#words = words;
    this.#watcher = watcher;
    this.#start();
  }

  /** Why this gateway cannot run, if it cannot. */
  get fault(): string | undefined {
    return this.#fault;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#restart);
    this.#child?.kill("SIGKILL");
  }

  #start(): void {
    const program = join(packageFolder(), "build", "hosts", "cli", "throwie.js");
    const words = [`--import=${LEASH}`, program, "gateway", ...this.#words];
    const child = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    if (child.pid !== undefined) this.#watcher.gatewayStarted(this.#name, child.pid);
    let complaint = "";
    child.stderr!.on("data", (text) => {
      complaint = `${complaint}${text}`.slice(-400);
    });
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (!line.startsWith("{")) return;
      this.#silentEnds = 0;
      this.#watcher.gatewaySaid(this.#name, JSON.parse(line));
    });
    child.on("error", (error) => {
      this.#fault = `the ${this.#name}'s gateway does not start (${error.message}).`;
    });
    child.on("close", (code, signal) => {
      if (this.#closed) return;
      const how = signal ?? `exit code ${code}${complaint === "" ? "" : `, ${complaint.trim()}`}`;
      this.#silentEnds++;
      if (this.#silentEnds >= SILENT_ENDS_MAX) {
        this.#fault = `the ${this.#name}'s gateway ended ${SILENT_ENDS_MAX} times before it said anything (${how}).`;
        return;
      }
      this.#watcher.gatewayEnded(this.#name, how);
      this.#restart = setTimeout(() => this.#start(), RESTART_MS);
    });
  }
}
