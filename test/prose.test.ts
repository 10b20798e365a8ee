/**
 * What can be checked of comments and docs without reading them: lines that are too long for a screen, and names of
 * files that are not there any more. Each rule is also shown a text that breaks it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import test from "ava";

const LINE_CHARACTERS_MAX = 120;

interface Text {
  path: string;
  text: string;
}

const texts: Text[] = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => /\.(ts|c|h|md)$/.test(path) && existsSync(path))
  .map((path) => ({ path, text: readFileSync(path, "utf8") }));

/** Lines of prose: in Markdown all but tables and code, in code all comments but tables. */
function prose({ path, text }: Text): string[] {
  const lines = path.endsWith(".md")
    ? text.replace(/^```[\s\S]*?^```/gm, "").split("\n")
    : text.split("\n").filter(isComment);
  return lines.filter((line) => !/^\s*(\*\s*|\/\/\s*)?\|/.test(line));
}

function isComment(line: string): boolean {
  return /^\s*(\/\*|\*|\/\/)/.test(line) || /;\s*\/\/ /.test(line);
}

function tooLong(source: Text): string[] {
  return prose(source)
    .filter((line) => [...line].length > LINE_CHARACTERS_MAX && !/https?:\/\/\S+$/.test(line))
    .map((line) => `${source.path}: ${line.trim().slice(0, 60)}`);
}

/** Paths from the top folder, as docs and comments name them; a name with a star stands for many. */
function missingFiles({ path, text }: Text): string[] {
  const named = text.matchAll(
    /(?<![\w./-])((?:modules|hosts|sim|test|bench|docs|targets)\/[\w./-]+\.(?:ts|c|h|md|json|js))\b/g,
  );
  return [...named]
    .map((match) => match[1]!)
    .filter((name) => !existsSync(name))
    .map((name) => `${path} names ${name}`);
}

test("comments and docs wrap at 120 characters", (t) => {
  t.true(texts.length > 200);
  t.deepEqual(texts.flatMap(tooLong), []);
  t.is(tooLong({ path: "x.md", text: "a".repeat(121) }).length, 1);
  t.is(tooLong({ path: "x.ts", text: ` * ${"a".repeat(120)}` }).length, 1);
  t.is(tooLong({ path: "x.ts", text: ` * | ${"a".repeat(120)} |` }).length, 0);
});

test("files that docs and comments name are there", (t) => {
  // Some tests name files that must not exist, to try a rule on them.
  const checked = texts.filter(({ path }) => !/^test\/(tidy|prose|manifest|library)\.test\.ts$/.test(path));
  t.deepEqual(checked.flatMap(missingFiles), []);
  t.is(missingFiles({ path: "docs/x.md", text: "see `hosts/gateway/backoff.ts`" }).length, 1);
});
