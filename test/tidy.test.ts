/**
 * The shape of the tree decays when nobody checks it. So these tests check which folder may import which, which names
 * the portable folders must not use, and that every test file runs.
 *
 * Each rule is also given a text that breaks it, so that no rule can pass because it finds nothing.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import test from "ava";
import { ARROWS, printedArrows } from "./arrows.ts";

interface Source {
  path: string;
  text: string;
}

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((path) => path !== "" && existsSync(path));
const sources: Source[] = files
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
  .map((path) => ({ path, text: readFileSync(path, "utf8") }));

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

function importsOf({ path, text }: Source): string[] {
  const specifiers = [...withoutComments(text).matchAll(/(?:\bfrom\s|\bimport\s*\(?)\s*"([^"]+)"/g)].map(
    (match) => match[1]!,
  );
  return specifiers.map((specifier) =>
    specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : specifier,
  );
}

/** The imports of a file that the table of arrows does not allow. */
/** Whether an arrow to this room, file or package covers the import. */
function covers(name: string, target: string): boolean {
  return /[/:]$/.test(name) ? target.startsWith(name) : target === name || target.startsWith(`${name}/`);
}

function againstArrows(source: Source): string[] {
  const rule = ARROWS.find(([folder]) => source.path.startsWith(folder));
  if (rule === undefined) return [`${source.path} is in no known folder`];
  const [folder, allowed] = rule;
  return importsOf(source)
    .filter((target) => {
      const own = existsSync(target) || target.startsWith(folder) || /^(modules|hosts|sim|test|bench)\//.test(target);
      if (target.startsWith(folder)) return false;
      if (!own && allowed.includes("package")) return false;
      return !allowed.some((name) => covers(name, target));
    })
    .map((target) => `${source.path} imports ${target}`);
}

/** The names that the portable folders must not use. The engines differ in them, or do not have them. */
const BANNED: [RegExp, string][] = [
  [/\bDate\b/, "Date"],
  [/\bMath\.random\b/, "Math.random"],
  [/\bset(Timeout|Interval|Immediate)\b/, "a timer"],
  [/\bconsole\b/, "console"],
  [/["']node:/, "a Node module"],
  [/\b(Promise|async|await)\b/, "a promise"],
  [/\b(BigInt|BigInt64Array|BigUint64Array|\d+n)\b/, "BigInt"],
  [/\b(globalThis|process|window|self|performance|crypto)\s*\./, "a runtime's global"],
  [/\bText(En|De)coder\b/, "TextEncoder"],
  [
    /\bMath\.(pow|exp|expm1|log|log2|log10|log1p|sin|cos|tan|atan2?|sinh|cosh|tanh|cbrt|hypot)\b|\*\*\s*-?[a-z]/,
    "arithmetic that engines do differently",
  ],
];

function impure({ path, text }: Source): string[] {
  const code = withoutComments(text);
  return BANNED.filter(([pattern]) => pattern.test(code)).map(([, name]) => `${path} names ${name}`);
}

function circles(graph: Map<string, string[]>): string[] {
  const found: string[] = [];
  const state = new Map<string, "open" | "closed">();
  const visit = (path: string, trail: string[]): void => {
    if (state.get(path) === "closed") return;
    if (state.get(path) === "open") {
      found.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      return;
    }
    state.set(path, "open");
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    state.set(path, "closed");
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

const portable = sources.filter(
  ({ path }) => /^(modules|sim)\//.test(path) && !/^modules\/(board|espnow|serial)\//.test(path),
);

test("imports run one way", (t) => {
  t.deepEqual(sources.flatMap(againstArrows), []);
  t.deepEqual(againstArrows({ path: "modules/drop/x.ts", text: 'import "../store/store.ts";' }), [
    "modules/drop/x.ts imports modules/store/store.ts",
  ]);
  t.is(againstArrows({ path: "sim/x.ts", text: 'import type { A } from "../hosts/radio/udp-radio.ts";' }).length, 1);
  t.is(againstArrows({ path: "hosts/gateway/x.ts", text: 'export { A } from "../../sim/kernel.ts";' }).length, 1);
  t.is(againstArrows({ path: "hosts/radio/x.ts", text: 'import "../gateway/outbox.ts";' }).length, 1);
  t.is(againstArrows({ path: "hosts/distsoc/wire/x.ts", text: 'import "../transport/transport.ts";' }).length, 1);
  t.is(againstArrows({ path: "hosts/distsoc/transport/x.ts", text: 'import "../wire/messages.ts";' }).length, 1);
  t.is(againstArrows({ path: "hosts/distsoc/social/x.ts", text: 'import "../files/announcements.ts";' }).length, 1);
  t.is(
    againstArrows({ path: "hosts/distsoc/node.ts", text: 'import { x } from "pino"; import "../gateway/gateway.ts";' })
      .length,
    2,
  );
  t.is(againstArrows({ path: "hosts/distsoc/x.ts", text: "" }).length, 1);
  t.is(againstArrows({ path: "hosts/store/x.ts", text: 'import { x } from "pino";' }).length, 1);
  t.is(againstArrows({ path: "hosts/x.ts", text: "" }).length, 1);
  t.is(againstArrows({ path: "modules/rbsr/x.ts", text: 'import { x } from "cborg";' }).length, 1);
  t.is(againstArrows({ path: "modules/throwie/x.ts", text: 'import "../board/board.ts";' }).length, 1);
});

test("docs/architecture.md prints the arrows, and each of them is used", (t) => {
  const [, printed] =
    /<!-- arrows: .*-->\n([\s\S]*?)\n<!-- \/arrows -->/.exec(readFileSync("docs/architecture.md", "utf8")) ?? [];
  t.is(printed, printedArrows(), "print the table between the marks again, with printedArrows of test/arrows.ts");
  const unused = ARROWS.flatMap(([folder, allowed], number) => {
    const targets = sources
      .filter(({ path }) => ARROWS.findIndex(([first]) => path.startsWith(first)) === number)
      .flatMap(importsOf);
    return allowed
      .filter((name) => name !== "package" && !targets.some((target) => target.startsWith(name)))
      .map((name) => `${folder} does not import ${name}`);
  });
  t.deepEqual(unused, []);
});

test("no file imports itself through other files", (t) => {
  const graph = new Map(sources.map((source) => [source.path, importsOf(source).filter((path) => existsSync(path))]));
  t.deepEqual(circles(graph), []);
  t.is(
    circles(
      new Map([
        ["a", ["b"]],
        ["b", ["a"]],
      ]),
    ).length,
    1,
  );
});

test("modules and sim use no runtime, no clock and no random numbers of the engine", (t) => {
  t.true(portable.length > 20);
  t.deepEqual(portable.flatMap(impure), []);
  for (const text of [
    "const t = Date.now();",
    "Math.random()",
    "setTimeout(f, 1)",
    "console.log(1)",
    'import "node:fs";',
    "await x",
    "const x = 1n;",
    "Math.pow(2, x)",
    "globalThis.x",
  ]) {
    t.is(impure({ path: "modules/x.ts", text }).length, 1, text);
  }
});

/**
 * The files that handle a whole store: one opens it, one gives it to a node, and one makes a new store of what is left
 * of a damaged one.
 */
const OF_A_WHOLE_STORE = ["hosts/store/drop-store.ts", "hosts/node/host-node.ts", "hosts/store/salvage.ts"];

/**
 * A Drop comes into a host's store by `Throwie.publish` alone, so that admission judges it. So no other file of hosts/
 * gets hold of a store that can be written.
 */
function withWholeStore({ path, text }: Source): string[] {
  if (!path.startsWith("hosts/") || OF_A_WHOLE_STORE.includes(path)) return [];
  return /\bopenDropStore\b|\bnew Store\(/.test(withoutComments(text)) ? [`${path} opens a store for writing`] : [];
}

test("hosts bring Drops in only by Throwie.publish", (t) => {
  t.deepEqual(sources.flatMap(withWholeStore), []);
  t.is(withWholeStore({ path: "hosts/cli/write.ts", text: "openDropStore(path).store.insert(record);" }).length, 1);
  t.is(withWholeStore({ path: "hosts/demo/x.ts", text: "const store = new Store(flash);" }).length, 1);
});

/** Names that two files may export, because they are one thing, or because the files never meet. */
const SHARED_NAMES: Record<string, string> = {
  Flash: "the SDK's module and its stand-in on lin",
  copy: "a board's native one stands for the portable one",
  crc16: "a board's native one stands for the portable one",
  crc32: "a board's native one stands for the portable one",
  mixAll: "a board's native one stands for the portable one",
  enterAll: "a board's native one stands for the portable one",
  sortMixes: "a board's native one stands for the portable one",
  Timer: "a call to come, on the host's clock and on the simulator's",
  simulate: "the command, and what it runs",
  Answer: "Negentropy has the words of its own specification",
  MalformedMessage: "Negentropy has the words of its own specification",
  MessageReader: "Negentropy has the words of its own specification",
  MessageWriter: "Negentropy has the words of its own specification",
  Refusal: "Negentropy has the words of its own specification",
  VARINT_BYTES_MAX: "Negentropy has the words of its own specification",
  writeVarint: "Negentropy has the words of its own specification",
};

/** Exported names that more than one product file has: one word would have two meanings. */
function namesOfTwo(some: Source[]): string[] {
  const homes = new Map<string, string[]>();
  for (const { path, text } of some) {
    if (!/^(modules|hosts|sim)\//.test(path)) continue;
    for (const [, name] of text.matchAll(/^export (?:async )?(?:const|class|function\*?|interface|type) (\w+)/gm)) {
      homes.set(name!, [...(homes.get(name!) ?? []), path]);
    }
  }
  return [...homes].filter(([name, paths]) => paths.length > 1 && SHARED_NAMES[name] === undefined).map(String);
}

test("an exported name has one home", (t) => {
  t.deepEqual(namesOfTwo(sources), []);
  const twice = ["modules/store/a.ts", "sim/b.ts"].map((path) => ({ path, text: "export type Verdict = 1;" }));
  t.is(namesOfTwo(twice).length, 1);
});

/**
 * The names that the overlay must not use, because it must also run on simulated time. Only hosts/retry/timers.ts uses
 * the clock of Node.
 */
const CLOCKS = /\bDate\b|\bset(Timeout|Interval|Immediate)\b|\bperformance\b|\bMath\.random\b|["']node:timers/;

function hasClock({ path, text }: Source): boolean {
  return /^hosts\/(retry|distsoc|gateway)\//.test(path) && CLOCKS.test(withoutComments(text));
}

test("the overlay and its gateway take their time from a port", (t) => {
  t.deepEqual(
    sources.filter(hasClock).map(({ path }) => path),
    ["hosts/retry/timers.ts"],
  );
  for (const text of [
    "performance.now()",
    "setTimeout(f, 1)",
    'import { setImmediate as x } from "node:timers/promises";',
  ]) {
    t.true(hasClock({ path: "hosts/distsoc/x.ts", text }), text);
  }
});

test("there are no barrel files, and no folders with a name without meaning", (t) => {
  t.deepEqual(
    files.filter((path) => /(^|\/)(index\.ts|utils?|helpers?|common|core|lib|misc)(\/|\.ts$|$)/.test(path)),
    [],
  );
});

test("the top level of the tree has exactly the files and folders of the design", (t) => {
  t.deepEqual(
    [...new Set(files.map((path) => path.split("/")[0]!))].filter((name) => !name.startsWith(".")).sort(),
    [
      ...["CHANGELOG.md", "LICENSE", "README.md", "bench", "biome.json", "docs", "hosts", "main.ts", "manifest.json"],
      ...["modules", "package-lock.json", "package.json", "sim", "targets", "test", "tsconfig.json"],
    ].sort(),
  );
});

test("every test file is built and declares a test", (t) => {
  const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
  t.true(tests.length > 5);
  for (const name of tests) {
    t.true(existsSync(`build/test/${name.replace(".ts", ".js")}`), `${name} is not built`);
    t.regex(readFileSync(`test/${name}`, "utf8"), /^\s*(test|\w+Test)(\.\w+)*\(/m, `${name} declares no test`);
  }
});

test("the lock file records no download addresses", (t) => {
  t.notRegex(readFileSync("package-lock.json", "utf8"), /"resolved"/);
});
