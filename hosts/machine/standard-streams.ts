/**
 * Standard input and output, as they really are.
 *
 * Input may come late, in pieces, or never. Another program may have made it non-blocking, so that a read before the
 * first byte fails with EAGAIN. Output may go to a full disk, or to a program that has ended. Node's own streams lose
 * the error of a full disk, and one that is read makes the terminal or the pipe of other programs non-blocking.
 *
 * So these functions read and write the descriptors themselves, and wait while a descriptor is not ready. They are for
 * commands that do one thing and end. A process that serves a radio meanwhile must not wait, so it must not print here.
 *
 * They refuse, with one sentence: a failed read, a failed write, and input that is larger than its bound.
 */
import { readSync, writeSync } from "node:fs";
import { systemCode, systemSentence } from "./system-error.ts";

const INPUT = 0;
const OUTPUT = 1;
const ERRORS = 2;
const PIECE_BYTES = 65_536;
const WAIT_MS = 10;
/** A message of Negentropy with half a million ids, in hexadecimal: the longest line that a command expects. */
const LINE_CHARACTERS_MAX = 2 ** 25;

/** The program that reads standard output has ended, as in `throwie read | head`. That is no failure of the command. */
export class OutputClosed extends Error {
  /** What a shell reports of a program that SIGPIPE ended. Node ignores this signal. */
  static readonly EXIT_CODE = 141;
}

/** Prints a line on standard output. Throws when the line is not written as a whole. */
export function print(line: string): void {
  printBytes(Buffer.from(`${line}\n`));
}

/** Writes bytes to standard output, without a line end. Throws when they are not written as a whole. */
export function printBytes(bytes: Uint8Array): void {
  try {
    write(OUTPUT, bytes);
  } catch (error) {
    if (systemCode(error) === "EPIPE") throw new OutputClosed();
    throw failure(error, "standard output");
  }
}

/** Prints a line for the person on standard error. When that fails, there is nobody to tell. */
export function note(line: string): void {
  try {
    write(ERRORS, Buffer.from(`${line}\n`));
  } catch {}
}

/** All of standard input. */
export function readInput(sizeBytesMax: number): Uint8Array {
  return readToEnd(INPUT, "standard input", sizeBytesMax);
}

/** The lines of standard input, each as soon as it is there, without its LF or CR LF. A byte order mark is skipped. */
export function* inputLines(): Generator<string> {
  const decoder = new TextDecoder();
  let begun = "";
  for (const piece of pieces(INPUT, "standard input")) {
    const lines = decoder.decode(piece, { stream: true }).split("\n");
    lines[0] = begun + lines[0];
    begun = lines.pop()!;
    if (begun.length > LINE_CHARACTERS_MAX) {
      throw new RangeError(
        `A line of standard input is longer than ${LINE_CHARACTERS_MAX.toLocaleString("en")} characters: send shorter ones.`,
      );
    }
    for (const line of lines) yield withoutReturn(line);
  }
  if (begun !== "") yield withoutReturn(begun);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

/** All that an open file, pipe or terminal gives until its end. `what` names it in the sentence of a failure. */
export function readToEnd(file: number, what: string, sizeBytesMax: number): Uint8Array {
  const read: Uint8Array[] = [];
  let sizeBytes = 0;
  for (const piece of pieces(file, what)) {
    read.push(piece);
    sizeBytes += piece.length;
    if (sizeBytes > sizeBytesMax) {
      throw new RangeError(`There are more than ${sizeBytesMax.toLocaleString("en")} bytes in ${what}: give less.`);
    }
  }
  return Buffer.concat(read);
}

function* pieces(file: number, what: string): Generator<Uint8Array> {
  for (;;) {
    const piece = Buffer.alloc(PIECE_BYTES);
    const sizeBytes = readPiece(file, piece, what);
    if (sizeBytes === 0) return;
    yield piece.subarray(0, sizeBytes);
  }
}

/** Waits for the next bytes, and returns how many there are: 0 at the end. */
function readPiece(file: number, into: Uint8Array, what: string): number {
  for (;;) {
    try {
      return readSync(file, into);
    } catch (error) {
      // Windows reports the end of a pipe as an error.
      if ((error as NodeJS.ErrnoException).code === "EOF") return 0;
      if (systemCode(error) !== "EAGAIN") throw failure(error, what);
      wait();
    }
  }
}

function write(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(file, bytes, done);
    } catch (error) {
      if (systemCode(error) !== "EAGAIN") throw error;
      wait();
    }
  }
}

function failure(error: unknown, what: string): Error {
  const sentence = systemSentence(error, what) ?? String(error);
  return new Error(`${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`);
}

function wait(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
}
