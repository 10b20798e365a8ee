/**
 * Tests that run on Node alone would miss what XS does differently. This file starts a real XS engine: the worker that
 * @agoric/xsnap builds from Moddable's sources at its installation.
 *
 * The package's own JavaScript needs SES lockdown, which would freeze the built-ins of the whole test process. So this
 * file speaks to the worker directly, with netstrings on descriptors 3 and 4:
 *
 * | message        | from   | meaning                                    |
 * |----------------|--------|--------------------------------------------|
 * | `e` and script | test   | evaluate the script                        |
 * | `.` and JSON   | worker | the script has ended; the JSON is its meters |
 * | `!` and text   | worker | the script threw an exception              |
 * | `?` and text   | worker | a message that the script sent with `tell` |
 * | `/`            | test   | the answer to `?`                          |
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { build, type Plugin } from "esbuild";

const PLATFORMS: Record<string, string> = { linux: "lin", darwin: "mac" };
const METERS_END = 1;

export interface Evaluation {
  /** The XS bytecodes that the script took. The number is exact for one engine and one script. */
  compute: number;
  /** Slots in use on the heap after the script. */
  heapCount: number;
  /** The messages that the script sent with `tell`. */
  told: string[];
}

/**
 * A plugin for esbuild that replaces modules. `natives` maps a module to the path of its replacement. A module of this
 * tree is named by its path, any other module by its name.
 */
export function replacing(natives: Record<string, string>): Plugin {
  return {
    name: "natives",
    setup({ onResolve }) {
      onResolve({ filter: /.*/ }, ({ path, resolveDir }) => {
        const native = natives[path.startsWith(".") ? relative(process.cwd(), join(resolveDir, path)) : path];
        return native === undefined ? undefined : { path: resolve(native) };
      });
    },
  };
}

/** Changes to the source text: for each module's path, a piece of its text and the text that replaces the piece. */
export type Changes = Record<string, [from: string, to: string]>;

/** A plugin for esbuild that applies `changes`. It throws if a text or a module is not found. */
export function changing(changes: Changes): Plugin {
  return {
    name: "change",
    setup({ onLoad, onEnd }) {
      const unmet = new Set(Object.keys(changes));
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const name = relative(process.cwd(), path);
        const change = changes[name];
        if (change === undefined) return undefined;
        unmet.delete(name);
        const text = await readFile(path, "utf8");
        if (!text.includes(change[0])) throw new Error(`${name} does not contain the text to change: ${change[0]}`);
        return { contents: text.replace(change[0], () => change[1]), loader: "ts" };
      });
      onEnd(() => {
        if (unmet.size > 0) throw new Error(`the bundle has no module to change: ${[...unmet].join(", ")}`);
      });
    },
  };
}

/**
 * Bundles a TypeScript entry for XS. The target is ES2020 because of class fields: esbuild translates the public ones
 * and leaves private members as they are. `natives` maps each module that a board has in native code to the path of the
 * module that replaces it here.
 */
export async function bundleForXs(
  entry: string,
  natives: Record<string, string> = {},
  changes: Changes = {},
): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    plugins: [replacing(natives), changing(changes)],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2020",
    supported: {
      "class-private-field": true,
      "class-private-method": true,
      "class-private-accessor": true,
      "class-private-brand-check": true,
    },
    logLevel: "silent",
  });
  return `globalThis.tell = (text) => issueCommand(new TextEncoder().encode(text).buffer);\n${result.outputFiles[0]!.text}`;
}

/** One XS engine in a process of its own. Close it after use. */
export class XsMachine {
  readonly #worker: ChildProcess;
  #received = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #ended = false;

  constructor() {
    const home = dirname(createRequire(join(process.cwd(), "package.json")).resolve("@agoric/xsnap/package.json"));
    const platform = PLATFORMS[process.platform] ?? process.platform;
    this.#worker = spawn(
      join(home, "xsnap-native", "xsnap", "build", "bin", platform, "release", "xsnap-worker"),
      ["throwie", "-l", "0"],
      { stdio: ["ignore", "inherit", "inherit", "pipe", "pipe"] },
    );
    const fromWorker = this.#worker.stdio[4] as Readable;
    fromWorker.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    this.#worker.on("error", () => this.#end());
    this.#worker.on("close", () => this.#end());
  }

  /** Runs a script. Throws an error that begins with "XS: " if the script throws or if the engine has ended. */
  async evaluate(script: string): Promise<Evaluation> {
    const told: string[] = [];
    this.#write(Buffer.concat([Buffer.from("e"), Buffer.from(script)]));
    for (;;) {
      const message = await this.#read();
      const kind = String.fromCharCode(message[0] ?? 0);
      if (kind === "?") {
        told.push(message.subarray(1).toString());
        this.#write(Buffer.from("/"));
      } else if (kind === ".") {
        const meters = JSON.parse(message.subarray(1, message.indexOf(METERS_END)).toString());
        return { compute: meters.compute, heapCount: meters.currentHeapCount, told };
      } else {
        throw new Error(`XS: ${message.subarray(1).toString()}`);
      }
    }
  }

  close(): void {
    this.#worker.kill();
  }

  #end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  #write(payload: Buffer): void {
    const toWorker = this.#worker.stdio[3] as Writable;
    toWorker.write(Buffer.concat([Buffer.from(`${payload.length}:`), payload, Buffer.from(",")]));
  }

  async #read(): Promise<Buffer> {
    for (;;) {
      const colon = this.#received.indexOf(":");
      if (colon >= 0) {
        const start = colon + 1;
        const end = start + Number(this.#received.subarray(0, colon).toString());
        if (this.#received.length > end) {
          const payload = this.#received.subarray(start, end);
          this.#received = this.#received.subarray(end + 1);
          return payload;
        }
      }
      if (this.#ended) throw new Error("XS: the engine ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
