/**
 * A guided fuzzer must know whether an input ran new code. This file runs modules under V8's precise block coverage. It
 * says which of their functions and lines have run, and whether new code has run.
 *
 * The modules are bundled as one script with a name of its own, so nothing else in the process is counted. A canary can
 * plant a defect in the bundle: a replacement in its text. The text to replace must occur exactly once.
 *
 * V8 reports nested ranges, with the counts since the last report. The ranges are painted over a map of the script's
 * characters, outer ranges first. The map of a report is then compared with the map of all reports before it.
 *
 * This file does not say which input ran which code: an answer covers all that ran since the last question.
 */
import { Session } from "node:inspector";
import { Script } from "node:vm";
import { build } from "esbuild";

interface Range {
  startOffset: number;
  endOffset: number;
  count: number;
}

interface Report {
  result: { url: string; functions: { functionName: string; ranges: Range[] }[] }[];
}

export interface Replacement {
  find: string;
  by: string;
}

let scripts = 0;

export class CoveredModules<Exports> {
  readonly exports: Exports;
  readonly #name: string;
  readonly #text: string;
  readonly #session: Session;
  readonly #seen: Uint8Array;
  readonly #now: Uint8Array;
  /** Where each function with a name begins and ends. The functions that wrap the bundle have no name. */
  readonly #extents: [number, number][] = [];
  /** Each function by its offset in the script: its name, and whether it was ever called. */
  readonly #functions = new Map<number, { name: string; called: boolean }>();

  /** Bundles the exports of these modules, with a planted defect if one is given. */
  static async load<Exports>(paths: string[], defect?: Replacement): Promise<CoveredModules<Exports>> {
    const { outputFiles } = await build({
      stdin: { contents: paths.map((path) => `export * from "./${path}";`).join("\n"), resolveDir: process.cwd() },
      bundle: true,
      write: false,
      format: "iife",
      globalName: "covered",
      target: "node20.19",
      logLevel: "silent",
    });
    let text = outputFiles[0]!.text;
    if (defect !== undefined) {
      const [before, after, ...more] = text.split(defect.find);
      if (after === undefined || more.length > 0)
        throw new Error(`coverage: the text to replace must occur exactly once in the bundle: ${defect.find}`);
      text = before + defect.by + after;
    }
    return new CoveredModules(text);
  }

  private constructor(text: string) {
    this.#name = `covered-${scripts++}.js`;
    this.#text = `(() => { ${text}; return covered; })()`;
    this.#seen = new Uint8Array(this.#text.length);
    this.#now = new Uint8Array(this.#text.length);
    this.#session = new Session();
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    this.exports = new Script(this.#text, { filename: this.#name }).runInThisContext() as Exports;
    this.#paint();
  }

  /** Whether code has run that `news` has not reported yet. A later `news` still reports it. */
  hasNews(): boolean {
    this.#paint();
    for (let at = 0; at < this.#now.length; at += 1) if (this.#now[at]! > this.#seen[at]!) return true;
    return false;
  }

  /** Whether code has run that no `news` has reported before. */
  news(): boolean {
    this.#paint();
    let news = false;
    for (let at = 0; at < this.#now.length; at += 1) {
      if (this.#now[at] === 0 || this.#seen[at] === 1) continue;
      this.#seen[at] = 1;
      news = true;
    }
    return news;
  }

  /** The named functions that were never called, in the modules whose path begins with `path`. */
  uncalled(path: string): string[] {
    return [...this.#functions]
      .filter(([at, { name, called }]) => !called && name !== "" && this.#pathAt(at).startsWith(path))
      .map(([at, { name }]) => `${this.#pathAt(at)}: ${name}`);
  }

  /**
   * The lines in which some code never ran, each with the path of its module, and the number of all lines in functions.
   * Only modules whose path begins with `path` count.
   */
  unreached(path: string): { lines: string[]; of: number } {
    const lines: string[] = [];
    let of = 0;
    let at = 0;
    let module = "";
    for (const line of this.#text.split("\n")) {
      const marker = /^ +\/\/ (.+\.ts)$/.exec(line);
      if (marker) module = marker[1]!;
      const code = line.trim();
      const from = at + line.indexOf(code);
      at += line.length + 1;
      if (!module.startsWith(path) || /^(\/\/|\/?\*|[{})\];,]*$)/.test(code) || !this.#isInFunction(from)) continue;
      of += 1;
      // V8 counts the last field of a class without its semicolon.
      const end = from + code.replace(/;$/, "").length;
      if (this.#seen.subarray(from, end).includes(0)) lines.push(`${module}: ${code}`);
    }
    return { lines, of };
  }

  close(): void {
    this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }

  #paint(): void {
    this.#now.fill(0);
    this.#session.post("Profiler.takePreciseCoverage", (error, report) => {
      if (error) throw error;
      const script = (report as unknown as Report).result.find(({ url }) => url === this.#name);
      for (const { functionName, ranges } of script?.functions ?? []) {
        const [{ startOffset, endOffset, count }] = ranges as [Range];
        const known = this.#functions.get(startOffset);
        this.#functions.set(startOffset, {
          name: functionName,
          called: count > 0 || (known?.called ?? false),
        });
        if (known === undefined && functionName !== "") this.#extents.push([startOffset, endOffset]);
        for (const range of ranges) this.#now.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset);
      }
    });
  }

  #isInFunction(at: number): boolean {
    return this.#extents.some(([start, end]) => start < at && at < end);
  }

  #pathAt(at: number): string {
    return [...this.#text.slice(0, at).matchAll(/^ +\/\/ (.+\.ts)$/gm)].at(-1)?.[1] ?? "";
  }
}
