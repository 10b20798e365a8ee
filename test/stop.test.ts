/** A command ends when it is asked to, and not twice for one request. These tests send signals to a small program. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { buildSync } from "esbuild";

const folder = mkdtempSync(join(tmpdir(), "throwie-stop-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
buildSync({
  entryPoints: ["hosts/machine/stop.ts"],
  outfile: join(folder, "stop.mjs"),
  bundle: true,
  platform: "node",
  format: "esm",
});

/** A program that says "ready", and "stopping" when it is asked to stop, but takes its time until it gets SIGUSR2. */
const PROGRAM = `
  import { stopRequests } from "./stop.mjs";
  const stop = stopRequests();
  stop.addEventListener("abort", () => console.log(stop.reason.message));
  process.on("SIGUSR2", () => process.exit(7));
  setInterval(() => {}, 1000);
  console.log("ready");`;

async function started(t: ExecutionContext) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], { cwd: folder });
  t.teardown(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  return { child, ended };
}

test("the first signal only asks, and the program ends in its own way", async (t) => {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const { child, ended } = await started(t);
    child.kill(name);
    t.is(String((await once(child.stdout, "data"))[0]), `stopped by ${name}\n`);
    child.kill("SIGUSR2");
    t.deepEqual(await ended, [7, null]);
  }
});

test("a second signal ends the program at once, unless it belongs to the first request", async (t) => {
  const { child, ended } = await started(t);
  child.kill("SIGTERM");
  await once(child.stdout, "data");
  // The shell or npx passes the same request on. Signals are not queued, so the two are a moment apart.
  child.kill("SIGHUP");
  await new Promise((resolve) => setTimeout(resolve, 600));
  child.kill("SIGHUP");
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.is(child.exitCode, null);
  child.kill("SIGINT");
  t.deepEqual(await ended, [130, null]);
});
