/**
 * The simulated line of test/dongle.test.ts is no terminal of an operating system. These tests run
 * hosts/radio/serial-radio.ts over a real pseudo-terminal, with the dongle's own TypeScript in a process at the far
 * end. They cover noise, unplugging, restarts, another dongle, and two nodes that sync through a dongle. SEED=n replays
 * the noise and the order of events.
 */
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { build } from "esbuild";
import { SeededRandom } from "../sim/random.ts";
import type { Order, Report } from "./dongle-board.ts";
import { FRAME_BYTES } from "./dongle-world.ts";
import type { HostOrder, HostReport } from "./serial-host.ts";

const SEED = Number(process.env.SEED ?? 20_260_402) >>> 0;
/** A last guard: a hundred times what the slowest test waits on an idle machine. */
const PATIENCE_MS = 300_000;

const folder = mkdtempSync(join(tmpdir(), "throwie-serial-"));
const ptyProgram = join(folder, "pty");
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test.before(async () => {
  execFileSync("cc", ["-Wall", "-Wextra", "-Werror", "-O1", "-o", ptyProgram, "test/pty.c"]);
  await build({
    entryPoints: ["test/dongle-board.ts", "test/serial-host.ts"],
    bundle: true,
    outdir: "build/test",
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "silent",
  });
});

/** A process that answers each order with a report. */
class Far<O, R> {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (report: R) => void>();
  readonly #ended: Promise<never>;
  #orders = 0;

  constructor(t: ExecutionContext, program: string, words: string[] = []) {
    this.#child = fork(join("build", "test", program), words);
    this.#child.on("message", ({ id, report }: { id: number; report: R }) => this.#answers.get(id)?.(report));
    this.#ended = new Promise((_, reject) => {
      this.#child.on("exit", (code, signal) => reject(new Error(`${program} ended: ${signal ?? code}`)));
    });
    this.#ended.catch(() => {});
    t.teardown(() => this.#child.kill("SIGKILL"));
  }

  tell(order: O): Promise<R> {
    const id = this.#orders++;
    const answer = new Promise<R>((resolve) => {
      this.#answers.set(id, resolve);
      this.#child.send({ id, order } as object);
    });
    return Promise.race([answer, this.#ended]);
  }
}

class Board extends Far<Order, Report> {
  readonly port: string;

  constructor(t: ExecutionContext) {
    const port = join(folder, `port-${t.title.replace(/\W/g, "-").slice(0, 40)}`);
    super(t, "dongle-board.js", [ptyProgram, port, String(SEED)]);
    this.port = port;
    t.log(`SEED=${SEED}`);
  }

  get report(): Promise<Report> {
    return this.tell({ order: "report" });
  }
}

class Host extends Far<HostOrder, HostReport> {
  constructor(t: ExecutionContext) {
    super(t, "serial-host.js");
  }

  get report(): Promise<HostReport> {
    return this.tell({ order: "report" });
  }
}

async function pair(t: ExecutionContext): Promise<{ board: Board; host: Host; opened: HostReport }> {
  const board = new Board(t);
  await board.tell({ order: "plug" });
  const host = new Host(t);
  const opened = await host.tell({ order: "open", port: board.port });
  t.is(opened.refusal, undefined);
  return { board, host, opened };
}

async function execThrowie(words: string[]): Promise<{ status: number | null; stdout: string }> {
  const child = spawn(process.execPath, ["build/hosts/cli/throwie.js", ...words]);
  let stdout = "";
  child.stdout.on("data", (bytes: Buffer) => {
    stdout += bytes;
  });
  const [status] = await once(child, "close");
  return { status, stdout };
}

async function until(what: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(20)) {
    if (await what()) return true;
  }
  return false;
}

/**
 * Waits until no frame is on its way and the counters of both ends say what became of each frame. Returns the reports
 * of both, and requires that neither has a fault.
 */
async function rest(
  t: ExecutionContext,
  { host, board }: { host: Host; board: Board },
  settled: (host: HostReport, board: Report) => boolean = () => true,
): Promise<[HostReport, Report]> {
  await until(async () => {
    const [there, here] = [await host.report, await board.report];
    const idle = !there.full && there.made === there.wanted && there.outstanding === 0 && here.outstanding === 0;
    return idle && settled(there, here);
  });
  // A frame that arrives twice has time to do so.
  await sleep(600);
  const reports: [HostReport, Report] = [await host.report, await board.report];
  t.deepEqual([...reports[0].faults, ...reports[1].faults], []);
  return reports;
}

test.serial("a serial radio carries whole frames both ways, 300 a second from the air", async (t) => {
  const { board, host, opened } = await pair(t);
  t.deepEqual(opened.address, [2, 0, 0, 0, 0, 0xd0]);
  t.is(opened.frameSizeBytesMax, FRAME_BYTES);
  let [before, heardBefore] = await rest(t, { host, board });
  // If this machine stands still for a third of a second, frames are lost, as on a real dongle. So the test tries
  // again, at half the rate. test/dongle.test.ts holds the line to its rate in simulated time.
  for (let rate = 300; ; rate /= 2) {
    await host.tell({ order: "send", frames: 400 });
    await board.tell({ order: "hear", frames: 600, rate });
    const arrivedOf = (after: HostReport): number => after.arrived - before.arrived;
    const missedOf = (heard: Report): number => heard.missed - heardBefore.missed;
    const [after, heard] = await rest(
      t,
      { host, board },
      (there, here) => arrivedOf(there) + missedOf(here) === 600 && here.transmitted === there.made,
    );
    t.is(heard.transmitted, after.made);
    t.is(arrivedOf(after) + missedOf(heard), 600);
    const { lostHere, lostThere, cut, sessions } = after.counters!;
    t.deepEqual({ lostHere, lostThere, cut, sessions }, { lostHere: 0, lostThere: 0, cut: 0, sessions: 1 });
    if (arrivedOf(after) === 600) break;
    t.log(`${rate} frames a second: ${arrivedOf(after)} of 600`);
    if (rate < 10) t.fail("the radio did not carry 600 frames at any rate");
    [before, heardBefore] = [after, heard];
  }
});

test.serial("each frame on a noisy line arrives whole or is counted", async (t) => {
  const { board, host } = await pair(t);
  await board.tell({ order: "noise", flipped: 200, dropped: 200, added: 100 });
  await host.tell({ order: "send", frames: 500 });
  await board.tell({ order: "hear", frames: 500, rate: 300 });
  await board.tell({ order: "noise", flipped: 0, dropped: 0, added: 0 });
  const [{ counters, arrived, made }, { missed, transmitted }] = await rest(t, { host, board }, (there, here) => {
    const { lostHere, lostThere, refusedThere } = there.counters!;
    const carried = here.transmitted + lostThere + refusedThere === there.made;
    return carried && there.arrived + lostHere + here.missed === 500;
  });
  const { sessions, lostHere, lostThere, refusedThere, damagedHere } = counters!;
  t.is(sessions, 1, "noise must end no session");
  t.is(arrived + lostHere + missed, 500);
  t.is(transmitted + lostThere + refusedThere, made);
  t.true(lostHere > 0 && lostThere > 0 && damagedHere > 0, JSON.stringify(counters));
  t.true(arrived > 100 && transmitted > 100, `${arrived} and ${transmitted} arrived`);
});

test.serial(
  "each frame arrives whole and once, or is counted, when the dongle is unplugged or restarted at any moment",
  async (t) => {
    const { board, host } = await pair(t);
    const random = new SeededRandom(SEED, "events");
    for (let i = 0; i < 8; i++) {
      await host.tell({ order: "send", frames: 60 });
      const hearing = board.tell({ order: "hear", frames: 60, rate: 300 });
      await sleep(random.below(250));
      // At least one of each, whatever is drawn.
      if (i === 0 || (i > 1 && random.below(3) === 0)) {
        await board.tell({ order: "reboot" });
      } else {
        await board.tell({ order: "unplug" });
        await sleep(random.below(400));
        await board.tell({ order: "plug" });
      }
      await hearing;
      const { counters } = await host.report;
      if (random.below(2) === 0) {
        t.true(
          await until(
            async () => (await host.report).counters!.sessions > counters!.sessions || !(await host.report).full,
          ),
        );
      }
    }
    const [{ counters, news, made, arrived }, board_] = await rest(t, { host, board }, (there, here) => {
      const { cut, lostThere, refusedThere, lostHere } = there.counters!;
      const carried = here.transmitted + here.forgotten + lostThere + refusedThere + cut >= there.made;
      return carried && there.arrived + lostHere + here.missed + here.cut >= 480;
    });
    const { cut, lostThere, refusedThere, lostHere, sessions } = counters!;
    t.is(made, 480);
    t.true(sessions > 3, `${sessions} sessions`);
    t.true(
      news.some(({ event }) => event === "dongle-lost"),
      JSON.stringify(news),
    );
    t.true(board_.transmitted > 200 && arrived > 50, JSON.stringify([board_, arrived]));
    // Frames that a dongle had taken for the radio when it restarted are lost, as if the air had lost them.
    t.true(board_.transmitted + board_.forgotten + lostThere + refusedThere + cut >= made, JSON.stringify(counters));
    t.true(arrived + lostHere + board_.missed + board_.cut >= 480, JSON.stringify([board_, counters]));
  },
);

test.serial("another dongle may replace the first, but not a dongle whose largest frame is smaller", async (t) => {
  const { board, host } = await pair(t);
  const swap = async (frameSizeBytesMax: number, address: string): Promise<void> => {
    await board.tell({ order: "unplug" });
    await board.tell({ order: "radio", frameSizeBytesMax, address });
    await board.tell({ order: "reboot" });
    await board.tell({ order: "plug" });
  };
  const found = async (): Promise<string[]> =>
    (await host.report).news.flatMap((news) => (news.event === "dongle-found" ? [news.address] : []));
  await swap(1_470, "0200000000d1");
  t.true(await until(async () => (await found()).length === 2));
  const { address, frameSizeBytesMax, full } = await host.report;
  t.deepEqual(
    [address, frameSizeBytesMax, full],
    [[2, 0, 0, 0, 0, 0xd1], 250, false],
    "the radio keeps the frame size of the first dongle, for which the node was made",
  );
  const { taken } = (await host.report).counters!;
  await board.tell({ order: "hearLarge", frameSizeBytes: 251 });
  t.true(await until(async () => (await host.report).counters!.taken > taken));
  t.deepEqual((await host.report).faults, [], "a frame longer than the radio's largest frame must be dropped");
  await swap(200, "0200000000d2");
  const refused = (news: HostReport["news"][number]): boolean =>
    "reason" in news && /takes frames of 200 bytes, the one before it 250/.test(news.reason);
  t.true(await until(async () => (await host.report).news.some(refused)));
  t.true((await host.report).full);
  await swap(250, "0200000000d3");
  t.true(await until(async () => (await found()).length === 3));
  t.deepEqual(await found(), ["0200000000d0", "0200000000d1", "0200000000d3"]);
});

test.serial("a Mule that is killed leaves the dongle and the store ready for the next Mule", async (t) => {
  const board = new Board(t);
  await board.tell({ order: "plug" });
  const words = ["mule", "--json", "--radio", board.port, "--store", join(folder, "killed.flash")];
  for (let life = 0; life < 3; life++) {
    const child = spawn(process.execPath, ["build/hosts/cli/throwie.js", ...words]);
    t.teardown(() => child.kill("SIGKILL"));
    const said: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => said.push(JSON.parse(line).event));
    t.true(await until(async () => said.includes("carrying")), `life ${life}: ${said.join()}`);
    t.deepEqual(said.slice(0, 2), ["dongle-found", "carrying"]);
    child.kill("SIGKILL");
  }
});

test.serial(
  "throwie doctor says what a dongle tells of its memory, and ends with 1 when that is too little",
  async (t) => {
    const board = new Board(t);
    await board.tell({ order: "plug" });
    const doctor = (words: string[]) => execThrowie(["doctor", "--radio", board.port, ...words]);
    for (const [text, status, expected] of [
      ["", 0, /does not know what is left of its memory/],
      ["memory: 90000 bytes free, 80000 at the least, 70000 in one piece; unused stack: main 6000", 0, /main 6000\n$/],
      [
        "memory: 9000 bytes free, 8000 at the least, 7000 in one piece; unused stack: Tmr Svc 6000",
        1,
        /fell to 8000 bytes/,
      ],
      [
        "memory: 90000 bytes free, 80000 at the least; unused stack: main 600 Tmr Svc 99 IDLE 700",
        1,
        /task Tmr Svc has 99/,
      ],
    ] as const) {
      await board.tell({ order: "headroom", text });
      const ended = await doctor([]);
      t.regex(ended.stdout, /^The dongle 0200000000d0 answers on /);
      t.regex(ended.stdout, expected);
      t.is(ended.status, status, ended.stdout);
    }
    const listed = await execThrowie(["doctor"]);
    t.is(listed.status, 0);
    t.regex(listed.stdout, /^(This computer has no|Serial ports of this computer)/);
    const { faults, port } = JSON.parse((await doctor(["--json"])).stdout);
    t.deepEqual([faults.length, port], [1, board.port]);
  },
);

test.serial(
  "a node behind a dongle syncs with another node although the dongle is unplugged and restarted",
  async (t) => {
    const board = new Board(t);
    await board.tell({ order: "plug" });
    await board.tell({ order: "node", drops: 30 });
    const host = new Host(t);
    const opened = await host.tell({ order: "node", port: board.port, store: join(folder, "sync.flash") });
    t.is(opened.refusal, undefined);
    t.true(
      await until(async () => (await host.report).held > 25),
      "the host did not get any Drops before the dongle was unplugged",
    );
    await board.tell({ order: "unplug" });
    await sleep(300);
    await board.tell({ order: "plug" });
    t.true(
      await until(async () => (await host.report).held > 32),
      "the host did not get more Drops after the dongle was plugged in again",
    );
    await board.tell({ order: "reboot" });
    t.true(await until(async () => (await host.report).verified === 50 && (await board.report).held === 50));
    t.true((await host.report).counters!.sessions >= 2);
    await host.tell({ order: "close" });
  },
);

test.serial("a port without a dongle is refused in one sentence", async (t) => {
  const host = new Host(t);
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (const [port, expected] of [
    [join(folder, "nowhere"), /^There is no port .*nowhere: is the dongle plugged in\?$/],
    [file, /^.*file is not a serial port\.$/],
    [folder, /is not a serial port\.$/],
  ] as [string, RegExp][]) {
    t.regex((await host.tell({ order: "open", port })).refusal ?? "", expected);
  }
  const silent = spawn(ptyProgram, [join(folder, "silent")]);
  t.teardown(() => silent.kill());
  await new Promise((resolve) => silent.stderr.once("data", resolve));
  t.regex(
    (await host.tell({ order: "open", port: join(folder, "silent") })).refusal ?? "",
    /^No Throwie dongle answers on .*silent: is it another device, or a board with another role\?$/,
  );
});

test.serial("a port in use and a dongle of another version are refused in one sentence", async (t) => {
  const { board, host } = await pair(t);
  const second = new Host(t);
  t.regex(
    (await second.tell({ order: "open", port: board.port })).refusal ?? "",
    /is in use by another program: stop that one first\.$/,
  );
  await host.tell({ order: "close" });
  await board.tell({ order: "version", version: 9 });
  t.regex(
    (await second.tell({ order: "open", port: board.port })).refusal ?? "",
    /speaks version 9 of the line, this program version 1: update the older one\.$/,
  );
});
