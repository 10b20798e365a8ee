/**
 * Modules under V8's precise block coverage: which functions and lines of them anything has run, and whether something new was.
 *
 * The modules are bundled afresh, as one script with a name of its own, so that nothing else in the process is counted and a
 * canary can have a defect planted (a replacement in the bundle's text; one that matches nothing or twice throws). V8 reports nested
 * ranges with counts since the last report; they are painted, outer first, over a map of the script's characters, and the map
 * of a report is held against that of all before.
 *
 * Refuses to say what ran when: both questions are about everything that ran since either was last asked.
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
  /** Where functions with a name begin and end: all but the bundle's own wrapping. */
  readonly #extents: [number, number][] = [];
  /** By offset: the function's name, and whether it was ever called. */
  readonly #functions = new Map<number, { name: string; called: boolean }>();

  /** Bundle what these modules export, with a defect planted or none. */
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
      if (after === undefined || more.length > 0) throw new Error(`not to be found once: ${defect.find}`);
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

  /** Has anything run that no `news` has known yet? It stays unknown. */
  hasNews(): boolean {
    this.#paint();
    for (let at = 0; at < this.#now.length; at += 1) if (this.#now[at]! > this.#seen[at]!) return true;
    return false;
  }

  /** Has anything run that never ran before? From now on it is known. */
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

  /** Functions of modules whose path begins so that nothing has called. */
  uncalled(path: string): string[] {
    return [...this.#functions]
      .filter(([at, { name, called }]) => !called && name !== "" && this.#pathAt(at).startsWith(path))
      .map(([at, { name }]) => `${this.#pathAt(at)}: ${name}`);
  }

  /** The lines of such modules in which something never ran, each with its path, and how many lines there are in functions. */
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
      if (this.#seen.subarray(from, from + code.length).includes(0)) lines.push(`${module}: ${code}`);
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
