/**
 * Text that fits the terminal: help, tables, and the line that says how far a command is.
 *
 * Text is wrapped at the terminal's width, or at 80 columns where there is no terminal. COLUMNS in the environment
 * counts then. A word that is longer than a line, such as a path, stays whole.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import type { Help } from "commander";

const OUTPUT = 1;
const ERRORS = 2;
const COLUMNS_DEFAULT = 80;
const COLUMNS_MIN = 20;
/** A column of text that is narrower than this is hard to read: the text goes below its term instead. */
const TEXT_COLUMNS_MIN = 30;

/** The width of the lines on standard output. */
export function outputColumns(): number {
  const columns = isatty(OUTPUT) ? process.stdout.columns : Number(process.env.COLUMNS);
  return columns > 0 ? Math.max(COLUMNS_MIN, Math.floor(columns)) : COLUMNS_DEFAULT;
}

/** Wraps each line of the text. The further lines of a line begin with as many spaces as that line. */
export function wrapped(text: string, columns = outputColumns()): string {
  return text
    .split("\n")
    .map((line) => {
      const indent = /^ */.exec(line)![0];
      return linesOf(line.trim(), columns - indent.length)
        .map((part) => indent + part)
        .join("\n");
    })
    .join("\n");
}

function linesOf(text: string, columns: number): string[] {
  const lines = [""];
  for (const word of text.split(/ +/)) {
    const last = lines.at(-1)!;
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** A term and its text: side by side where there is room, else the text below the term. */
export function item(term: string, termColumns: number, text: string, columns = outputColumns()): string {
  const left = termColumns + 4;
  const wordColumns = Math.max(...text.split(" ").map((word) => word.length));
  const isBelow = columns - left < Math.max(TEXT_COLUMNS_MIN, wordColumns);
  const lines = linesOf(text, columns - (isBelow ? 6 : left));
  if (text === "") return `  ${term}`;
  if (isBelow) return [`  ${term}`, ...lines.map((line) => `      ${line}`)].join("\n");
  return `  ${term.padEnd(termColumns)}  ${lines.join(`\n${" ".repeat(left)}`)}`;
}

/** The same layout for the help that the commander library prints. */
export const HELP_LAYOUT: Partial<Help> = {
  minWidthToWrap: 0,
  formatItem(term, termColumns, text) {
    return item(term, termColumns, text, this.helpWidth ?? COLUMNS_DEFAULT);
  },
};

const PROGRESS_AFTER_MS = 1_000;
const PROGRESS_EVERY_MS = 100;

/** The terminal and the clock of a Progress. */
export interface ProgressPort {
  /** Milliseconds. */
  now(): number;
  show(text: string): void;
}

/**
 * A line on the terminal that says how far a command is, once the command has taken longer than a second. The line is
 * gone at the end. Without a terminal on standard error there is none.
 */
export class Progress {
  readonly #words: string;
  readonly #port: ProgressPort | undefined;
  readonly #startMs: number;
  #shownMs: number | undefined;

  constructor(words: string, port: ProgressPort | undefined = terminalPort()) {
    this.#words = words;
    this.#port = port;
    this.#startMs = port?.now() ?? 0;
  }

  update(done: number, total: number): void {
    const nowMs = this.#port?.now() ?? 0;
    if (nowMs < Math.max(this.#startMs + PROGRESS_AFTER_MS, (this.#shownMs ?? 0) + PROGRESS_EVERY_MS)) return;
    this.#shownMs = nowMs;
    this.#port?.show(`\r${this.#words}: ${done} of ${total}`);
  }

  end(): void {
    if (this.#shownMs !== undefined) this.#port?.show("\r\u001b[K");
  }
}

function terminalPort(): ProgressPort | undefined {
  if (!isatty(ERRORS)) return undefined;
  return {
    now: () => performance.now(),
    show(text) {
      try {
        writeSync(ERRORS, text);
      } catch {
        // A terminal that does not take the line shows the next one.
      }
    },
  };
}
