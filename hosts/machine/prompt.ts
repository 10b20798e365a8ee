/**
 * A question on the terminal whose answer is not shown, for a passphrase.
 *
 * The question is asked only where a person sees it: standard input is a terminal, or standard error is one and the
 * process has a terminal of its own. The answer is read byte by byte, so what is typed after it stays for standard
 * input. Backspace and Ctrl-U correct the answer; Ctrl-C ends the program.
 *
 * Refuses control characters, such as the arrow keys send, and bytes that are not UTF-8: they cannot be seen, and so
 * not be typed again.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { isatty, ReadStream } from "node:tty";
import { readPiece } from "./standard-streams.ts";

const INPUT = 0;
const ERRORS = 2;
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const BACKSPACE = 0x08;
const DELETE = 0x7f;
/** What a shell reports of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/**
 * Asks the questions on the terminal. Returns the answers; an empty answer is the last. Undefined when there is no
 * terminal to ask on.
 */
export function askHidden(questions: string[]): string[] | undefined {
  const file = terminal();
  if (file === undefined) return undefined;
  const stream = new ReadStream(file);
  stream.setRawMode(true);
  try {
    const answers: string[] = [];
    for (const question of questions) {
      if (answers.includes("")) break;
      answers.push(ask(question, file, stream));
    }
    return answers;
  } finally {
    stream.setRawMode(false);
    if (file === INPUT) stream.unref();
    else stream.destroy();
  }
}

/** The descriptor of the terminal, or undefined when nobody would see a question. */
function terminal(): number | undefined {
  if (isatty(INPUT)) return INPUT;
  if (!isatty(ERRORS)) return undefined;
  try {
    const file = openSync("/dev/tty", "r+");
    if (isatty(file)) return file;
    closeSync(file);
  } catch {}
  return undefined;
}

function ask(question: string, file: number, stream: ReadStream): string {
  const screen = isatty(ERRORS) ? ERRORS : file;
  writeSync(screen, question);
  try {
    return answer(file, stream);
  } finally {
    writeSync(screen, "\n");
  }
}

function answer(file: number, stream: ReadStream): string {
  const typed: number[] = [];
  const next = new Uint8Array(1);
  for (;;) {
    const byte = readPiece(file, next, "the terminal") === 0 ? CTRL_D : next[0]!;
    switch (byte) {
      case LINE_FEED:
      case RETURN:
      case CTRL_D:
        return textOfTyped(typed);
      case CTRL_C:
        stream.setRawMode(false);
        process.exit(INTERRUPTED);
        break;
      case CTRL_U:
        typed.length = 0;
        break;
      case BACKSPACE:
      case DELETE:
        removeLast(typed);
        break;
      default:
        typed.push(byte);
    }
  }
}

/** Removes the bytes of one character. */
function removeLast(typed: number[]): void {
  while (typed.length > 0 && (typed.pop()! & 0xc0) === 0x80);
}

function textOfTyped(typed: number[]): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(typed));
  } catch {
    throw new RangeError("The terminal does not send UTF-8: set it to UTF-8, or use --passphrase-file.");
  }
  if (/\p{Cc}/u.test(text)) {
    throw new RangeError("A key that is no character was pressed, like an arrow key: type the passphrase again.");
  }
  return text;
}
