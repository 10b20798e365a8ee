/**
 * The firmware, main.ts and all that it wires, on real XS: only the native faces are the test's (test/xs/desk.ts). Boot,
 * a contact, an error that nobody catches, the life after it, and sleep.
 */
import test from "ava";
import { bundleForXs, XsMachine } from "./xs/machine.ts";
import { NATIVES } from "./xs/natives.ts";

const DROPS = 20;

/** Runs a script on a desk that was just made, and gives what it returns. */
async function onDesk<T>(script: string, broken: Record<string, string> = {}): Promise<T> {
  const machine = new XsMachine();
  try {
    const firmware = await bundleForXs("main.ts", { ...NATIVES, ...broken });
    await machine.evaluate(await bundleForXs("test/xs/desk.ts"));
    await machine.evaluate(`globalThis.boot = () => {\n${firmware}\n}`);
    const { told } = await machine.evaluate(`tell(JSON.stringify(((desk) => { ${script} })(new Desk())))`);
    return JSON.parse(told[0]!);
  } finally {
    machine.close();
  }
}

interface Life {
  log: string[];
  lives: number;
  gaveUp: string;
  /** How often the peer was told that the board keeps a Drop. */
  sent: number;
}

/** A contact, then flash that cannot be read, then another life and another contact. */
const CRASH = `
  desk.publish(${DROPS});
  desk.run(20000);
  desk.flashDead = true;
  desk.publish(1);
  desk.run(40000);
  return { log: desk.log, lives: desk.lives, gaveUp: desk.gaveUp, sent: desk.sent };`;

function heldAtBoot(log: string[]): number[] {
  return log.flatMap((line) => /woken by .* (\d+) Drops/.exec(line)?.[1] ?? []).map(Number);
}

/** What must hold of a board that crashed after a contact; each canary breaks one. */
function faults({ log, lives, gaveUp, sent }: Life): string[] {
  const found: string[] = [];
  if (gaveUp !== "") found.push("gave up");
  if (lives !== 2) found.push("lives");
  // The last was stored before its check, which read it, failed.
  if (heldAtBoot(log).join() !== `0,${DROPS + 1}`) found.push("held");
  if (log.filter((line) => line.includes("crash 1 of this board") && line.includes("read failed")).length !== 1) {
    found.push("untold");
  }
  if (sent !== DROPS + 1) found.push("sent again");
  return found;
}

test("it boots, says so, and beacons", async (t) => {
  const { log, frames } = await onDesk<{ log: string[]; frames: number }>(
    "desk.run(5000); return { log: desk.log, frames: desk.peer.counters.used };",
  );
  t.regex(log[0]!, /throwie, woken by power: formatted 0 Drops/);
  t.true(frames >= 4, `${frames} beacons in 5 s`);
});

test("a contact, an uncaught error in flash, a restart: the Drops are there and the crash is told", async (t) => {
  const life = await onDesk<Life>(CRASH);
  t.deepEqual(faults(life), [], life.log.join("\n"));
});

test("a board that forgets its crash, or its Drops, is seen", async (t) => {
  t.deepEqual(faults(await onDesk<Life>(CRASH, { "modules/board/crash.ts": "test/xs/canaries/no-crash-log.ts" })), [
    "gave up",
    "lives",
    "held",
    "untold",
    "sent again",
  ]);
  t.deepEqual(faults(await onDesk<Life>(`desk.forgetful = true; ${CRASH}`)), ["held", "sent again"]);
});

test("a board with a wake schedule sleeps, wakes in phase, and keeps its heat time", async (t) => {
  const { log, lives, epochs } = await onDesk<{ log: string[]; lives: number; epochs: number[] }>(`
    desk.config.wake = "30";
    desk.publish(3);
    desk.run(200000);
    return { log: desk.log, lives: desk.lives, epochs: desk.epochs };`);
  t.true(lives >= 4, log.join("\n"));
  t.true(log.filter((line) => line.includes("sleeping for")).length >= lives - 1);
  t.is(heldAtBoot(log).at(-1), 3);
  t.is(new Set(epochs).size, 1, "the clock goes on, so its zero stays where it was in heat time");
});

test("settings that are not understood end the start with a sentence, and are written down", async (t) => {
  const { log, lives } = await onDesk<{ log: string[]; lives: number }>(
    "desk.config.wake = 61; desk.run(1000); return { log: desk.log, lives: desk.lives };",
  );
  t.true(lives > 1);
  t.regex(log[0]!, /crash 1 of this board.*wake is 61; it must be "always" or one of 30, 60, 120, 300, 600/);
});
