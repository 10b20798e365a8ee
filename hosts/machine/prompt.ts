/**
 * A question on the terminal whose answer is not shown, for a passphrase.
 *
 * The question is asked only where a person sees it: standard input is a terminal, or standard error is one and the
 * process has a terminal of its own. The answer is read byte by byte, so what is typed after it stays for standard
 * input. Backspace and Ctrl-U correct the answer; Ctrl-C and Ctrl-\ end the program, and Ctrl-Z stops it for a while.
 *
 * The terminal does not show what is typed meanwhile. So whatever signal ends or stops the program, the terminal gets
 * its own mode back before. The reading must not keep the event loop, because signals arrive there.
 *
 * Refuses control characters, such as the arrow keys send, and bytes that are not UTF-8: they cannot be seen, and so
 * not be typed again.
 */
import { closeSync, openSync, read, writeSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { isatty, ReadStream } from "node:tty";
import { promisify } from "node:util";
import { systemCode, systemSentence } from "./system-error.ts";

const INPUT = 0;
const ERRORS = 2;
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const CTRL_Z = 0x1a;
const CTRL_BACKSLASH = 0x1c;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const BACKSPACE = 0x08;
const DELETE = 0x7f;
/** What a shell reports of a program that Ctrl-C ended. */
const INTERRUPTED = 130;
const WAIT_MS = 10;

/** The signals that end a program and that a program can catch. Node keeps SIGUSR1 and SIGPROF for itself. */
const ENDS = [
  ...["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGALRM", "SIGUSR2", "SIGVTALRM", "SIGXCPU", "SIGIO", "SIGPWR"],
  "SIGSTKFLT",
].filter((name) => name in constants.signals) as NodeJS.Signals[];
const STOPS = process.platform === "win32" ? [] : (["SIGTSTP", "SIGCONT"] as const);

/**
 * Asks the questions on the terminal. Returns the answers; an empty answer is the last. Undefined when there is no
 * terminal to ask on.
 */
export async function askHidden(questions: string[]): Promise<string[] | undefined> {
  const file = terminal();
  if (file === undefined) return undefined;
  const stream = new ReadStream(file);
  const forgetSignals = restoreAtSignals(stream);
  stream.setRawMode(true);
  try {
    const answers: string[] = [];
    for (const question of questions) {
      if (answers.includes("")) break;
      answers.push(await ask(question, file, stream));
    }
    return answers;
  } finally {
    restore(stream);
    forgetSignals();
    if (file === INPUT) stream.unref();
    else stream.destroy();
  }
}

/** Gives the terminal its own mode back. A terminal that was closed meanwhile has none. */
function restore(stream: ReadStream): void {
  try {
    stream.setRawMode(false);
  } catch {}
}

/** Restores the terminal before a signal ends or stops the program. Returns a function that ends this care. */
function restoreAtSignals(stream: ReadStream): () => void {
  const end = (name: NodeJS.Signals): void => {
    restore(stream);
    forget();
    // The program ends as it would have ended without this care.
    process.kill(process.pid, name);
  };
  const stop = (name: NodeJS.Signals): void => {
    restore(stream);
    if (name === "SIGTSTP") process.kill(process.pid, "SIGSTOP");
    else stream.setRawMode(true);
  };
  const forget = (): void => {
    for (const name of ENDS) process.off(name, end);
    for (const name of STOPS) process.off(name, stop);
  };
  for (const name of ENDS) process.on(name, end);
  for (const name of STOPS) process.on(name, stop);
  return forget;
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

async function ask(question: string, file: number, stream: ReadStream): Promise<string> {
  const screen = isatty(ERRORS) ? ERRORS : file;
  writeSync(screen, question);
  try {
    return await answer(file, stream);
  } finally {
    writeSync(screen, "\n");
  }
}

async function answer(file: number, stream: ReadStream): Promise<string> {
  const typed: number[] = [];
  for (;;) {
    const byte = await nextByte(file);
    switch (byte) {
      case LINE_FEED:
      case RETURN:
      case CTRL_D:
        return textOfTyped(typed);
      case CTRL_C:
        restore(stream);
        process.exit(INTERRUPTED);
        break;
      case CTRL_Z:
      case CTRL_BACKSLASH:
        // A terminal in its own mode sends these signals to all programs of the command line.
        if (STOPS.length > 0) process.kill(0, byte === CTRL_Z ? "SIGTSTP" : "SIGQUIT");
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

/** Waits for a key. A terminal that was closed ends the program, by the signal that the system may send late or not. */
async function nextByte(file: number): Promise<number> {
  const next = new Uint8Array(1);
  for (;;) {
    try {
      const { bytesRead } = await promisify(read)(file, next, 0, 1, null);
      if (bytesRead > 0) return next[0]!;
      if (isatty(file)) return CTRL_D;
    } catch (error) {
      if (systemCode(error) !== "EAGAIN" && isatty(file)) {
        throw new Error(systemSentence(error, "the terminal") ?? String(error));
      }
    }
    // An exit would not do: Node restores its terminals then, and crashes when one is gone.
    if (!isatty(file)) process.kill(process.pid, "SIGHUP");
    await pause(WAIT_MS);
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
