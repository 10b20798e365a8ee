/**
 * Another program may embed this package (docs/embedding.md), and then it has only the files that `npm pack` packs.
 *
 * These tests check which files can be imported by the name of the package, and which files are packed. They also check
 * that the example of the document works outside this repository with only the packed files.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import test from "ava";

const PACKAGE = JSON.parse(readFileSync("package.json", "utf8"));
const DOCUMENT = readFileSync("docs/embedding.md", "utf8");
const LIBRARY_FOLDERS = ["drop", "glacier", "rbsr", "store", "temperature", "throwie"];
/** The paths that other programs import, such as `throwie/store/store.js`. */
const PUBLIC: string[] = Object.keys(PACKAGE.exports).map((path) => path.replace("./", "throwie/"));
const EXAMPLE_LINES_MAX = 60;
/** The options in docs/embedding.md. */
const COMPILER_OPTIONS = { strict: true, target: "es2022", module: "nodenext", skipLibCheck: false, types: [] };

/**
 * Finds the exports, and the members of exported classes and interfaces, that have no comment of their own. A comment
 * that opens the file belongs to the file and not to an export. The formatter indents a member by two spaces, so this
 * function knows a member by these two spaces.
 */
function undocumented(text: string): string[] {
  const lines = text.split("\n");
  const found: string[] = [];
  let inside = false;
  lines.forEach((line, at) => {
    const shown = /^export /.test(line) || (inside && /^ {2}(?!set |(?:readonly )?#)[a-z\d]/i.test(line));
    if (/^export (class|interface) /.test(line)) inside = true;
    if (line.startsWith("}")) inside = false;
    let above = at - 1;
    while (/^\s*\/\/ biome-ignore /.test(lines[above] ?? "")) above--;
    const opening = lines[0]!.startsWith("/**") && lines.findIndex((other) => other.endsWith("*/")) === above;
    if (shown && (opening || !lines[above]?.endsWith("*/"))) found.push(line.trim());
  });
  return found;
}

/** Returns the first fenced block of the document in this language. */
function block(language: string): string {
  const found = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(DOCUMENT);
  if (found === null) throw new Error(`docs/embedding.md has no fenced block in ${language}`);
  return found[1]!;
}

/** The paths of the files that `npm pack` puts into a tarball. */
function packed(): string[] {
  const told = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(told)[0].files.map(({ path }: { path: string }) => path);
}

/** A folder outside this repository, with the package and its dependencies as after `npm install`. */
class Elsewhere {
  readonly folder = mkdtempSync(join(tmpdir(), "throwie-embedder-"));
  readonly packed = packed();

  constructor() {
    const modules = join(this.folder, "node_modules");
    for (const path of this.packed) cpSync(path, join(modules, "throwie", path), { recursive: true });
    for (const name of [...Object.keys(PACKAGE.dependencies), "@types/node"]) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(resolve("node_modules", name), join(modules, name));
    }
    writeFileSync(join(this.folder, "package.json"), '{ "type": "module" }');
  }

  /**
   * Compiles a program. Returns the errors of TypeScript, or an empty text when there are none. Without `options`, only
   * TypeScript's own library declares globals, and it declares those of browsers too.
   */
  compile(name: string, text: string, options: object = {}): string {
    writeFileSync(join(this.folder, name), text);
    const compilerOptions = { ...COMPILER_OPTIONS, ...options };
    writeFileSync(join(this.folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [name] }));
    try {
      return this.run(resolve("node_modules/typescript/bin/tsc"), "-p", ".");
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }

  run(...words: string[]): string {
    return execFileSync(process.execPath, words, { cwd: this.folder, encoding: "utf8" });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

const elsewhere = new Elsewhere();
test.after.always(() => elsewhere.remove());

test.serial("exactly the public files can be imported by the name of the package", async (t) => {
  t.true(PUBLIC.length > 10);
  for (const path of PUBLIC) t.truthy(await import(path), path);
  for (const path of ["throwie", "throwie/store/slots.js", "throwie/build/modules/store/store.js"]) {
    await t.throwsAsync(import(path), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" }, path);
  }
});

test.serial("npm packs exactly the modules of the library, the command and the scenarios", (t) => {
  const modules = LIBRARY_FOLDERS.flatMap((folder) =>
    readdirSync(join("modules", folder))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `build/modules/${folder}/${name.slice(0, -".ts".length)}`),
  );
  const scenarios = readdirSync("sim/scenarios").map((name) => `sim/scenarios/${name}`);
  const commands = readdirSync("build/hosts/cli")
    .filter((name) => name.endsWith(".js"))
    .map((name) => `build/hosts/cli/${name}`);
  const wanted = [
    ...["LICENSE", "README.md", "package.json", ...commands, ...scenarios],
    ...modules.flatMap((path) => [`${path}.js`, `${path}.js.map`, `${path}.d.ts`]),
  ];
  t.deepEqual(elsewhere.packed.sort(), wanted.sort());
});

test.serial("the packed command runs", (t) => {
  const command = join("node_modules", "throwie", PACKAGE.bin.throwie);
  t.regex(elsewhere.run(command, "sim", "pair", "--json"), /"traceHash"/);
});

test.serial("the example of docs/embedding.md compiles and runs with only the packed files", (t) => {
  const example = block("ts");
  t.true(example.trimEnd().split("\n").length <= EXAMPLE_LINES_MAX);
  t.is(elsewhere.compile("example.ts", example), "");
  t.is(elsewhere.run("example.js"), block("text"));
});

test.serial("the example also compiles with Node's types, and by erasing its types", (t) => {
  const example = block("ts");
  t.is(elsewhere.compile("example.ts", example, { lib: ["es2022"], types: ["node"] }), "");
  t.is(elsewhere.compile("example.ts", example, { erasableSyntaxOnly: true, verbatimModuleSyntax: true }), "");
});

const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript);
const title = "Node runs the example without a compiler";
if (!stripsTypes) test.skip(`${title} (skipped: this version of Node does not strip types)`, () => {});
else {
  test.serial(title, (t) => {
    writeFileSync(join(elsewhere.folder, "stripped.ts"), block("ts"));
    t.is(elsewhere.run("stripped.ts"), block("text"));
  });
}

test.serial("canary: a program that uses the declarations wrongly does not compile", (t) => {
  const wrong = block("ts").replace('"own")', '"mine")');
  t.regex(elsewhere.compile("wrong.ts", wrong), /"mine".*is not assignable/);
});

test.serial("the declarations need no types of a runtime", (t) => {
  const imports = PUBLIC.map((path, i) => `export * as m${i} from "${path}";\n`);
  t.is(elsewhere.compile("all.ts", imports.join(""), { lib: ["es2022"] }), "");
});

test("each public export, and each member of a public export, has a comment of its own", (t) => {
  const sources = PUBLIC.map((path) => path.replace("throwie/", "modules/").replace(".js", ".ts"));
  t.deepEqual(
    sources.flatMap((path) => undocumented(readFileSync(path, "utf8")).map((line) => `${path}: ${line}`)),
    [],
  );
  t.deepEqual(undocumented("/** A file. */\nexport const A = 1;\n\nexport function b(): void {\n  c();\n}\n"), [
    "export const A = 1;",
    "export function b(): void {",
  ]);
  t.deepEqual(
    undocumented(
      "import a;\n\n/** A class. */\nexport class B {\n  readonly #c = 1;\n  d(): void {\n    e();\n  }\n}\n",
    ),
    ["d(): void {"],
  );
});

test("docs/embedding.md names exactly the public files", (t) => {
  const named = [...DOCUMENT.matchAll(/^\| `(throwie\/\S+)` \|/gm)].map((match) => match[1]);
  t.deepEqual(named, PUBLIC);
});
