/** The demo must work as a person runs it, and also when a gateway is killed at the worst moments. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import test from "ava";

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
  t.is(lines.length, 1);
  const report = JSON.parse(lines[0]!);
  t.like(report, { message: "Grüße vom Markt ☂", reader: "Erin", arrivals: 1 });
  t.true(report.hops >= 5 && report.frames > 100 && report.bytesOnAir > 10_000);
  t.true(report.seconds < 60);
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
