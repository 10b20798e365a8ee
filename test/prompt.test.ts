/**
 * A passphrase that is typed on a terminal. The command has a pseudo-terminal (pty.c) as its standard input and error,
 * and the test types on it and watches its screen.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import test from "ava";

const folder = mkdtempSync(join(tmpdir(), "throwie-prompt-"));
const ptyProgram = join(folder, "pty");
const { THROWIE_PASSPHRASE: _, ...environment } = process.env;

test.before(() => {
  execFileSync("cc", ["-Wall", "-Wextra", "-Werror", "-O1", "-o", ptyProgram, "test/pty.c"]);
});
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

class Terminal {
  #screen = "";
  readonly #pty: ChildProcess;
  readonly #file: number;

  private constructor(pty: ChildProcess, file: number) {
    this.#pty = pty;
    this.#file = file;
    pty.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#screen += text;
    });
  }

  static async open(name: string): Promise<Terminal> {
    const port = join(folder, name);
    const pty = spawn(ptyProgram, [port], { stdio: "pipe" });
    await once(pty.stderr!, "data");
    const file = openSync(port, "r+");
    // A terminal as a person has it: it shows what is typed, and edits lines.
    execFileSync("stty", ["sane"], { stdio: [file, "pipe", "pipe"] });
    return new Terminal(pty, file);
  }

  /** Runs the command, and types each answer when the screen shows its question. */
  async run(words: string[], answers: [question: string, keys: string][]): Promise<number | null> {
    this.#screen = "";
    const command = spawn(process.execPath, ["build/hosts/cli/throwie.js", ...words], {
      env: { ...environment, XDG_DATA_HOME: folder },
      stdio: [this.#file, "pipe", this.#file],
      detached: true,
    });
    let told = "";
    command.stdout!.setEncoding("utf8").on("data", (text) => (told += text));
    const ended = new Promise<number | null>((resolve) => command.once("close", resolve));
    this.command = command;
    for (const [question, keys] of answers) {
      while (!this.#screen.includes(question)) {
        if ((await Promise.race([once(this.#pty.stdout!, "data"), ended])) === command.exitCode)
          return command.exitCode;
      }
      this.#pty.stdin!.write(keys);
    }
    const status = await ended;
    this.told = told;
    return status;
  }

  command: ChildProcess | undefined;

  /** Whether the terminal shows what is typed, and edits lines. */
  get isSane(): boolean {
    const modes = execFileSync("stty", ["-a"], { encoding: "utf8", stdio: [this.#file, "pipe", "pipe"] });
    return / icanon/.test(modes) && / echo /.test(modes);
  }

  /** What the last command printed on standard output. */
  told = "";

  get screen(): string {
    return this.#screen;
  }

  close(): void {
    closeSync(this.#file);
    this.#pty.stdin!.end();
  }
}

test("a passphrase is asked for without being shown, twice for a writer, and then the message", async (t) => {
  const terminal = await Terminal.open("words");
  t.teardown(() => terminal.close());
  const written = await terminal.run(
    ["write"],
    [
      // Backspace takes back a whole character, and Ctrl-U the line.
      ["Passphrase: ", "wrong\u0015paper lanteö\u007frns\r"],
      ["again: ", "paper lanterns\r"],
      ["Ctrl-D", "Meet at nine.\n\u0004"],
    ],
  );
  t.is(written, 0, terminal.screen);
  t.false(terminal.screen.includes("lant"), terminal.screen);
  t.is(await terminal.run(["read"], [["Passphrase: ", "paper lanterns\r"]]), 0);
  t.regex(terminal.told, /^[0-9a-f]{16} {2}Meet at nine\.\n$/);
});

test("a signal that ends or stops the command finds the terminal restored", async (t) => {
  const terminal = await Terminal.open("signals");
  t.teardown(() => terminal.close());
  const asked = async (): Promise<void> => {
    while (!terminal.screen.includes("Passphrase: ") || terminal.isSane) await pause(20);
  };
  for (const signal of ["SIGHUP", "SIGQUIT", "SIGTERM", "SIGINT", "SIGUSR2", "SIGALRM"] as const) {
    const ended = terminal.run(["read"], []);
    await asked();
    terminal.command!.kill(signal);
    await ended;
    t.is(terminal.command!.signalCode, signal);
    t.true(terminal.isSane, signal);
  }
  const ended = terminal.run(["read"], []);
  await asked();
  for (let round = 0; round < 2; round++) {
    terminal.command!.kill("SIGTSTP");
    while (!terminal.isSane) await pause(20);
    terminal.command!.kill("SIGCONT");
    while (terminal.isSane) await pause(20);
  }
  terminal.command!.kill("SIGQUIT");
  await ended;
  t.true(terminal.isSane);
});

test("a terminal that is closed ends the command by SIGHUP, also when the system sends none", async (t) => {
  const terminal = await Terminal.open("closed");
  const ended = terminal.run(["read"], []);
  while (!terminal.screen.includes("Passphrase: ") || terminal.isSane) await pause(20);
  terminal.close();
  await ended;
  t.is(terminal.command!.signalCode, "SIGHUP");
});

test("answers that cannot be a passphrase are refused, and Ctrl-C ends the command", async (t) => {
  const terminal = await Terminal.open("refused");
  t.teardown(() => terminal.close());
  const cases: [answers: [string, string][], words: RegExp][] = [
    [[["Passphrase: ", "\r"]], /no passphrase in the answer/],
    [[["Passphrase: ", "\u001b[A\r"]], /arrow key/],
    [
      [
        ["Passphrase: ", "one\r"],
        ["again: ", "two\r"],
      ],
      /are not the same/,
    ],
  ];
  for (const [answers, words] of cases) {
    t.is(await terminal.run(["write", "x"], answers), 1);
    // The screen comes from another process, so it may show the words after the command has ended.
    while (!words.test(terminal.screen)) await pause(20);
  }
  t.is(await terminal.run(["write", "x"], [["Passphrase: ", "one\u0003"]]), 130);
});
