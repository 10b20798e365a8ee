/**
 * The tables of docs/ that state what a bench prints. A figure in a document ages with each change of the code, so CI
 * compares them: `npm run bench -- NAME --docs`. With `--write` the bench writes its figures into the documents.
 *
 * A row is found by its document, the head of its table and its beginning. A cell that the bench does not print stays
 * as it is. The figures of `xs` and `rbsr` are compared by tests of their own (test/xs-figures.test.ts,
 * test/rbsr.test.ts).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { FULL_TOWN_CYCLES } from "./power.ts";
import type { Result } from "./result.ts";

interface Row {
  path: string;
  /** How the head of the table begins. */
  table: string;
  begins: string;
  /** The cells after the beginning. Undefined: the bench does not print this cell. */
  cells: (string | undefined)[];
}

/** The row of this name; a figure beside its value if `figure` is given. */
type Figures = (name: string, figure?: string) => number;

const CYCLES = [30, 60, 120, 300, 600];
const POLICIES: [label: string, name: string][] = [
  ["coldest, with admission", "coldest, with admission"],
  ["coldest alone", "coldest alone"],
  ["first in, first out", "first in, first out"],
  ["least recently moved", "least recently moved"],
  ["random", "random"],
];

const whole = (value: number): string => value.toLocaleString("en");

/** Minutes as the pages give them: in hours from two hours on. */
function minutes(value: number): string {
  return value < 120 ? `${value.toFixed(1)} min` : `${(value / 60).toFixed(1)} h`;
}

function linkRows(of: Figures): Row[] {
  const place = { path: "docs/protocol.md", table: "| case |" };
  const ratio = (value: number): string => value.toFixed(3);
  const cases = ["unicast", "broadcast", "fast", "loss10", "loss30", "burst", "duplex", "three", "v2"];
  return [
    ...cases.map((name) => ({
      ...place,
      begins: `| \`${name}\`: `,
      cells: [ratio(of(name)), ratio(of(name, "worst")), String(of(name, "limit"))],
    })),
    ...["duplicates", "cut"].map((name) => ({
      ...place,
      begins: `| \`${name}\`: `,
      cells: [undefined, String(of(name)), String(of(name, "limit"))],
    })),
  ];
}

function evictionRows(of: Figures): Row[] {
  const path = "docs/temperature.md";
  const table = "| which Drop dies |";
  const loads = ["a fifth", "all and more"];
  const cellsOf = (name: string, what: string, unit: string): string[] =>
    loads.map((load) => `${of(`${load} written a half-life, ${name}: ${what}`)}${unit}`);
  const rows = POLICIES.map(([label, name]) => {
    const delivered = cellsOf(name, "wanted Drops delivered", " %");
    const latency = cellsOf(name, "median latency", " s");
    const survived = cellsOf(name, "carried often and still there", " %");
    const cells = loads.flatMap((_, i) => [delivered[i], latency[i], survived[i]]);
    return { path, table, begins: `| ${label} |`, cells };
  });
  const built = cellsOf("coldest, with admission", "wanted Drops delivered", " %");
  return [...rows, { path, table: "| change |", begins: "| none: as above |", cells: built }];
}

function powerRows(of: Figures): Row[] {
  const path = "docs/power.md";
  const chips = ["ESP32-C3", "ESP32"];
  const full = FULL_TOWN_CYCLES.flatMap((cycle) =>
    ["kept", "forgotten"].map((sleep) => {
      const figure = (what: string): number => of(`full town, ${cycle} s, ${sleep}: ${what}`);
      return {
        ...{ path, table: "| town, cycle |", begins: `| full, ${cycle} s | ${sleep} |` },
        cells: [
          whole(figure("contacts")),
          whole(figure("moved")),
          `${whole(figure("airtime"))} s`,
          `${figure("ESP32-C3").toFixed(2)} mA`,
        ],
      };
    }),
  );
  const cycles = CYCLES.flatMap((cycle) => {
    const figure = (what: string): number => of(`${cycle} s: ${what}`);
    const town = (what: string): number => of(`town, ${cycle} s: ${what}`);
    const begins = `| ${cycle} s |`;
    const sleep = cycle < of("deep sleep costs less than light sleep: ESP32-C3, from") ? "light sleep" : "deep sleep";
    const met = minutes(figure("two boards meet, median"));
    return [
      {
        ...{ path, table: "| cycle | radio on |", begins },
        cells: [
          `${figure("radio on").toFixed(2)} %`,
          sleep.replace(" sleep", ""),
          `${figure(`ESP32-C3, ${sleep}`).toFixed(2)} mA`,
          `${figure(`ESP32-C3, ${sleep}, 18650 Li-ion`)} days`,
          `${figure(`ESP32-C3, ${sleep}, 3 x AA lithium`)} days`,
          met,
          minutes(figure("two boards meet, 99 of 100")),
        ],
      },
      {
        ...{ path, table: "| cycle | delivered |", begins },
        cells: [
          `${town("delivered")} %`,
          `${town("latency, median")} min`,
          `${town("latency, 90 of 100")} min`,
          `${town("ESP32-C3").toFixed(2)} mA`,
        ],
      },
      {
        ...{ path, table: "| cycle | ESP32-C3 |", begins },
        cells: chips.map(
          (chip) => `${figure(`${chip}, deep sleep`).toFixed(2)} / ${figure(`${chip}, light sleep`).toFixed(2)} mA`,
        ),
      },
      {
        ...{ path, table: "| cycle | schedule: median, longest |", begins },
        cells: [
          `${met}, ${minutes(figure("two boards meet, longest"))}`,
          `${minutes(figure("Disco, median"))}, ${minutes(figure("Disco, longest drawn"))}`,
        ],
      },
    ];
  });
  const clocks = [
    ["ESP32-C3", 80],
    ["ESP32-C3", 160],
    ["ESP32", 80],
    ["ESP32", 160],
    ["ESP32", 240],
  ].map(([chip, mhz]) => {
    const figure = (what: string): number => of(`${chip} at ${mhz} MHz: ${what}`);
    return {
      ...{ path, table: "| chip | clock |", begins: `| ${chip} | ${mhz} MHz |` },
      cells: [
        undefined,
        undefined,
        `${(figure("wake-up") / 1_000).toFixed(2)} s`,
        `${figure("charge of a wake-up")} mAs`,
        `${figure("deep sleep, 60 s").toFixed(2)} mA`,
        `${figure("light sleep, 60 s").toFixed(2)} mA`,
      ],
    };
  });
  return [...cycles, ...full, ...clocks];
}

function storeRows(of: Figures): Row[] {
  const path = "docs/store.md";
  const works = ["full", "uniform"];
  const labels = [
    ["full", "full-size Drops"],
    ["uniform", "100 .. 2,048 bytes"],
  ];
  const kept = ["inserts between two checkpoints, at most", "the same"];
  const asked = ["", ".by10", ".by100", ".by1000"];
  const percent = (value: number): string => (Math.abs(value) < 0.1 ? "0 %" : `${value.toFixed(1)} %`);
  const cost = (begins: string, what: string, digits: number): Row => ({
    ...{ path, table: "| 10,000 inserts that each evict" },
    begins: `| ${begins} |`,
    cells: works.map((work) => (digits > 0 ? of(`${work}${what}`).toFixed(digits) : whole(of(`${work}${what}`)))),
  });
  return [
    cost("Drops in 1.75 MB", ".capacity", 0),
    cost("bytes programmed for each payload byte", ".programmed", 2),
    cost("the same in units of 16 bytes", ".unit16.programmed", 2),
    cost("sectors erased for each insert", ".erases", 2),
    cost("most sectors erased in one insert", ".erasesWorst", 0),
    cost("erases of the most erased sector, over the mean", ".wear", 2),
    cost("bytes read at mount", ".mountRead", 0),
    ...labels.flatMap(([work, label], i) => [
      {
        ...{ path, table: "| 5 heat changes", begins: `| ${label}: additional bytes programmed |` },
        cells: asked.map((each) => percent(of(`${work}.heat${each}`))),
      },
      {
        ...{ path, table: "| 5 heat changes", begins: `| ${label}: ${kept[i]} |` },
        cells: asked.map((each) => whole(of(`${work}.heat${each}.kept`))),
      },
    ]),
  ];
}

const TABLES: Record<string, (of: Figures) => Row[]> = {
  eviction: evictionRows,
  link: linkRows,
  power: powerRows,
  store: storeRows,
};

/** Compares the documents with the figures. Returns the rows that differ, as they must be. `write`: writes them. */
export function outdated(bench: string, results: Result[], write: boolean): string[] {
  const byName = new Map(results.map((row) => [row.name, row]));
  const of: Figures = (name, figure = "value") => {
    const value = byName.get(name)?.[figure];
    if (typeof value !== "number") throw new Error(`bench: ${bench} prints no ${figure} of "${name}"`);
    return value;
  };
  const differing: string[] = [];
  const texts = new Map<string, string[]>();
  for (const { path, table, begins, cells } of TABLES[bench]?.(of) ?? []) {
    const lines = texts.get(path) ?? readFileSync(path, "utf8").split("\n");
    texts.set(path, lines);
    const head = lines.findIndex((line) => line.startsWith(table));
    const at = lines.findIndex((line, i) => head >= 0 && i > head && line.startsWith(begins));
    if (at < 0 || lines.slice(head, at).includes("")) {
      throw new Error(`bench: the table of ${path} that begins with "${table}" has no row "${begins}"`);
    }
    const due = filled(lines[at]!, begins, cells);
    if (due !== lines[at]) differing.push(`${path}: ${due}`);
    lines[at] = due;
  }
  if (write) for (const [path, lines] of texts) writeFileSync(path, lines.join("\n"));
  return differing;
}

/** The line with these cells. The first cell of `begins` may go on to the next bar. */
function filled(line: string, begins: string, cells: (string | undefined)[]): string {
  const bar = begins.endsWith("|") ? begins.length - 1 : line.indexOf("|", begins.length);
  const before = line.slice(bar + 1, line.lastIndexOf("|")).split("|");
  const after = before.map((cell, i) => (cells[i] === undefined ? cell : ` ${cells[i]} `));
  return `${line.slice(0, bar + 1)}${after.join("|")}${line.slice(line.lastIndexOf("|"))}`;
}
