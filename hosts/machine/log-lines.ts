/**
 * The lines of a program that serves a radio, on a file descriptor that may be slow, full or closed.
 *
 * The problem: a pipe that nobody reads, a terminal that is held with Ctrl-S, or a full disk must not stop the radio,
 * and must not keep the program from its end.
 *
 * The rule: a line waits in memory until the descriptor takes it. LINES_BYTES_MAX bounds the memory. A line for which
 * there is no room, or which could not be written, is dropped and counted. Before the next line that can be written,
 * the program writes one that tells how many lines were dropped.
 *
 * Invariant: `write` never throws and never waits. Lines keep their order, and a reader sees only whole lines, except
 * for one torn line after a failed write.
 */
import { closeSync, constants, fstatSync, openSync, write } from "node:fs";
import { Socket } from "node:net";
import { isatty } from "node:tty";

/** The most bytes that wait to be written: some 5,000 lines, which a busy gateway writes in an hour. */
const LINES_BYTES_MAX = 1024 * 1024;
/** A reader that is slow but alive gets the last lines within this time. */
const CLOSE_DEADLINE_MS = 500;
/** The pause after which a terminal that takes nothing is tried again. */
const TERMINAL_RETRY_MS = 100;

/**
 * Writes the bytes and then calls `done`, with an error when some bytes were not written. There is one call at a time.
 */
export type LogSink = (bytes: Buffer, done: (error?: Error | null) => void) => void;

export class LogLines {
  readonly #sink: LogSink;
  readonly #tellDropped: (lines: number) => void;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #writing = false;
  #torn = false;
  #onIdle: () => void = () => {};

  /** `target` is a descriptor or another sink. `tellDropped` calls `write` with one line before it returns. */
  constructor(target: number | LogSink, tellDropped: (lines: number) => void) {
    this.#sink = typeof target === "number" ? sinkOf(target) : target;
    this.#tellDropped = tellDropped;
  }

  /** Takes a line with its line end. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#waitingBytes + bytes > LINES_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += bytes;
    if (!this.#writing) this.#writeNext();
  }

  /** Resolves when every line is written, or after CLOSE_DEADLINE_MS. */
  async close(): Promise<void> {
    if (!this.#writing) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      setTimeout(resolve, CLOSE_DEADLINE_MS);
    });
  }

  #writeNext(): void {
    this.#writing = this.#waiting.length > 0;
    if (!this.#writing) {
      this.#onIdle();
      return;
    }
    const lines = this.#waiting;
    const bytes = this.#waitingBytes;
    const dropped = this.#dropped;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#dropped = 0;
    if (dropped > 0) this.#tellDropped(dropped);
    const text = [...this.#waiting, ...lines].join("");
    this.#waiting = [];
    this.#waitingBytes = bytes;
    this.#sink(Buffer.from(this.#torn ? `\n${text}` : text), (error) => {
      const failed = error !== undefined && error !== null;
      this.#waitingBytes -= bytes;
      this.#torn = failed;
      if (failed) this.#dropped += dropped + lines.length;
      this.#writeNext();
    });
  }
}

/** The kind of the descriptor decides how bytes are written to it without waiting. */
function sinkOf(fd: number): LogSink {
  const status = fstatSync(fd);
  if (status.isFIFO() || status.isSocket()) return socketSink(fd);
  return fileSink(isatty(fd) ? terminalOf(fd) : fd);
}

/** The event loop waits for a pipe or a socket, without a thread: a blocked thread would hold up the end of Node. */
function socketSink(fd: number): LogSink {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on("error", () => {});
  return (bytes, done) => void socket.write(bytes, done);
}

function fileSink(fd: number): LogSink {
  const sink: LogSink = (bytes, done) =>
    write(fd, bytes, (error, writtenBytes) => {
      if (error?.code === "EAGAIN") setTimeout(() => sink(bytes, done), TERMINAL_RETRY_MS);
      else if (error !== null) done(error);
      else if (writtenBytes < bytes.length) sink(bytes.subarray(writtenBytes), done);
      else done();
    });
  return sink;
}

/** Opens the same terminal once more, so that only this log does not wait for it. Some terminals cannot be opened. */
function terminalOf(fd: number): number {
  try {
    const own = openSync(`/dev/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (isatty(own)) return own;
    closeSync(own);
  } catch {
    // A write to the descriptor itself may wait for the terminal.
  }
  return fd;
}
