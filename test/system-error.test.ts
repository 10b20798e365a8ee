/** Failures of the system become sentences for a person, in every command by the same table. */
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemSentence } from "../hosts/machine/system-error.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-system-error-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("what the system refuses becomes a sentence with the path and what to do", (t) => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const cases: [act: () => void, words: RegExp][] = [
    [() => readFileSync(folder), /is a folder: name a file\.$/],
    [() => readFileSync(join(folder, "none")), /^There is no /],
    [() => readFileSync(join(file, "below")), /^A folder is needed at /],
    [() => mkdirSync(file), /exists already: /],
    [() => readFileSync(join(folder, "n".repeat(300))), /too long/],
  ];
  for (const [act, words] of cases) {
    const error = thrownBy(act) as NodeJS.ErrnoException;
    const sentence = systemSentence(error, error.path ?? file)!;
    t.regex(sentence, words);
    t.true(sentence.includes(folder));
    t.notRegex(sentence, /\bE[A-Z]{3,}\b|\n/);
  }
});

test("a code without a sentence of its own keeps the system's words", (t) => {
  const error = Object.assign(new Error("EPROTO: protocol error, read"), { code: "EPROTO", errno: -71 });
  t.is(systemSentence(error, "/dev/x"), "/dev/x cannot be used: protocol error (EPROTO).");
  const unknown = Object.assign(new Error("EFUTURE"), { code: "EFUTURE", errno: -9999 });
  t.is(systemSentence(unknown, "/dev/x"), "/dev/x cannot be used: the system refused (EFUTURE).");
});

test("descriptors and addresses that cannot be used have sentences too", async (t) => {
  const file = openSync(join(folder, "closed"), "w");
  closeSync(file);
  t.regex(
    systemSentence(
      thrownBy(() => readSync(file, Buffer.alloc(1))),
      "standard input",
    )!,
    /^standard input is closed/,
  );
  const server = createServer();
  const failed = new Promise((resolve) => server.once("error", resolve));
  server.listen(0, "192.0.2.1");
  t.regex(systemSentence(await failed, "192.0.2.1:0")!, /not an address of this machine/);
});

test("an error that is not of the system has no sentence here", (t) => {
  for (const error of [
    new RangeError("x"),
    Object.assign(new Error("x"), { code: "ERR_INVALID_ARG" }),
    "x",
    undefined,
  ]) {
    t.is(systemSentence(error, "x"), undefined);
  }
});
