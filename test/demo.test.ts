/**
 * The demo must work as a person runs it, and also when a gateway is killed at the worst moments. However the demo
 * ends, no process and no file of it may stay.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { GatewayProcess } from "../hosts/demo/gateway-process.ts";

const isolated = process.env.THROWIE_LOOPBACK_ONLY === "1";
/** These tests run in a network namespace only. Elsewhere the gateways would announce themselves to the network. */
const demoTest = isolated ? test : test.skip;

interface Killing {
  /** Kill at the first line that matches this pattern. */
  at: RegExp;
  /** The gateway to kill, named by its place. */
  gateway: "library" | "bookshop";
}

interface Played {
  code: number | null;
  lines: string[];
  killed: number;
}

async function play(words: string[], killings: Killing[] = []): Promise<Played> {
  const demo = spawn(process.execPath, ["build/hosts/demo/demo.js", ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const processIds = new Map<string, number>();
  const left = [...killings];
  let killed = 0;
  demo.stderr.on("data", (text) => lines.push(`stderr: ${text}`));
  createInterface({ input: demo.stdout }).on("line", (line) => {
    lines.push(line);
    const started = /the (\w+)'s gateway starts, process (\d+)/.exec(line);
    if (started) processIds.set(started[1]!, Number(started[2]));
    for (const killing of left.filter(({ at, gateway }) => at.test(line) && processIds.has(gateway))) {
      left.splice(left.indexOf(killing), 1);
      process.kill(processIds.get(killing.gateway)!, "SIGKILL");
      processIds.delete(killing.gateway);
      killed++;
    }
  });
  const code = await new Promise<number | null>((resolve) => demo.on("close", resolve));
  return { code, lines, killed };
}

demoTest("with --json the demo delivers the user's message and prints one JSON document", async (t) => {
  const { code, lines } = await play(["--json", "Grüße vom Markt ☂"]);
  t.is(code, 0, lines.join("\n"));
  // On a busy machine the demo says on standard error that it is slow.
  const printed = lines.filter((line) => !line.startsWith("stderr: Still going"));
  t.is(printed.length, 1);
  const report = JSON.parse(printed[0]!);
  t.like(report, { message: "Grüße vom Markt ☂", reader: "Erin", arrivals: 1 });
  t.true(report.hops >= 5 && report.frames > 100 && report.bytesOnAir > 10_000);
});

for (const [name, killings] of Object.entries<Killing[]>({
  "the sending gateway as soon as it runs": [{ at: /library's gateway starts/, gateway: "library" }],
  "the sending gateway when it has heard the message": [{ at: /the library heard the message/, gateway: "library" }],
  "the receiving gateway when the other has heard the message": [
    { at: /the library heard the message/, gateway: "bookshop" },
  ],
  "the receiving gateway when it has the post": [{ at: /the bookshop has the post/, gateway: "bookshop" }],
  "the receiving gateway when the message is on its air, and the sending one too": [
    { at: /puts the message on its air/, gateway: "bookshop" },
    { at: /puts the message on its air/, gateway: "library" },
  ],
})) {
  demoTest(`the message arrives exactly once when a kill ends ${name}`, async (t) => {
    const { code, lines, killed } = await play([name], killings);
    const story = lines.join("\n");
    t.is(killed, killings.length, story);
    t.regex(story, /gateway ended \(SIGKILL\)/);
    t.is(code, 0, story);
    t.regex(story, /Arrived once/);
  });
}

/** Whether a process runs. A process that ended and that nobody has waited for has no command line. */
function runs(processId: number): boolean {
  try {
    return readFileSync(`/proc/${processId}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

for (const [how, end, wanted] of [
  ["its reader goes away", (demo) => demo.stdout!.destroy(), 128 + constants.signals.SIGPIPE],
  ["SIGINT", (demo) => demo.kill("SIGINT"), 128 + constants.signals.SIGINT],
  ["SIGTERM", (demo) => demo.kill("SIGTERM"), 128 + constants.signals.SIGTERM],
  ["SIGHUP", (demo) => demo.kill("SIGHUP"), 128 + constants.signals.SIGHUP],
  ["SIGKILL", (demo) => demo.kill("SIGKILL"), null],
] as [string, (demo: ReturnType<typeof spawn>) => void, number | null][]) {
  demoTest(`both gateways end with the demo when it ends by ${how}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "throwie-demo-test-"));
    const demo = spawn(process.execPath, ["build/hosts/demo/demo.js"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: folder },
    });
    const complaints: string[] = [];
    demo.stderr.on("data", (text) => complaints.push(String(text)));
    const ended = new Promise<number | null>((resolve) => demo.on("exit", resolve));
    const processIds: number[] = [];
    for await (const line of createInterface({ input: demo.stdout })) {
      const started = /gateway starts, process (\d+)/.exec(line);
      if (started) processIds.push(Number(started[1]));
      if (processIds.length === 2) break;
    }
    t.deepEqual(processIds.map(runs), [true, true]);
    end(demo);
    t.is(await ended, wanted, complaints.join(""));
    while (processIds.some(runs)) await sleep(20);
    // Nobody can clean up after SIGKILL.
    if (wanted !== null) t.deepEqual(readdirSync(folder), []);
    const other = complaints
      .join("")
      .split("\n")
      .filter((line) => !line.startsWith("Still going"));
    t.deepEqual(other, [""]);
    rmSync(folder, { recursive: true });
  });
}

test("a gateway that ends again and again before it says anything is a fault, and the fault names the reason", async (t) => {
  const seen: string[] = [];
  const watcher = {
    gatewayStarted: (name: string) => seen.push(`${name} starts`),
    gatewayEnded: (name: string) => seen.push(`${name} ended`),
    gatewaySaid: () => t.fail(),
  };
  const gateway = new GatewayProcess("library", [], watcher);
  while (gateway.fault === undefined) await sleep(20);
  t.regex(gateway.fault, /the library's gateway ended 5 times before.*required option '--data <folder>'/s);
  t.is(seen.length, 9);
  gateway.close();
});
