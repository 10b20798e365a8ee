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

interface Restraint {
  log: string[];
  lives: number;
  gaveUp: string;
}

/** How long the board slept because it had crashed, each time. */
function restraints(log: string[]): number[] {
  return log.flatMap((line) => /in a row: sleeping for (\d+) ms/.exec(line)?.[1] ?? []).map(Number);
}

const EVERY_START = `
  desk.config.wake = 61;
  desk.run(4 * 3600000);
  return { log: desk.log, lives: desk.lives, gaveUp: desk.gaveUp };`;
const MINUTE_MS = 60_000;

test("a board that crashes at each start sleeps from the third time on, ever longer, an hour at most", async (t) => {
  const { log, lives, gaveUp } = await onDesk<Restraint>(EVERY_START);
  const slept = restraints(log);
  t.is(gaveUp, "");
  t.deepEqual(
    slept.map((ms) => ms / MINUTE_MS),
    [1, 2, 4, 8, 16, 32, 60, 60, 60],
  );
  t.is(lives, 2 + 2 * slept.length, "two at once, then one that crashed and one that only slept for each sleep");
  t.is(log.filter((line) => line.includes("wake is 61")).length, lives - slept.length - 1, "each was told");
});

test("a board that forgets its crashes, or starts at once all the same, is seen", async (t) => {
  const { log, lives } = await onDesk<Restraint>(EVERY_START.replace("4 *", "0.1 *"), {
    "modules/board/crash-loop.ts": "test/xs/canaries/no-restraint.ts",
  });
  t.deepEqual(restraints(log), []);
  t.true(lives > 1_000, `${lives} lives in six minutes`);
});

test("crashes between which a board lasted, slept as it should or was reset are not in a row", async (t) => {
  const rows: [string, string, number][] = [
    ["", "", 1],
    ["", "desk.run(desk.nowMs + 601000);", 0],
    ["", "desk.reset();", 0],
    ["desk.config.wake = 30;", "desk.run(desk.nowMs + 120000);", 0],
  ];
  for (const [settings, between, sleeps] of rows) {
    const { log, gaveUp } = await onDesk<Restraint>(`
      ${settings}
      desk.run(5000);
      const told = () => desk.log.filter((line) => line.includes("of this board")).length;
      for (let crash = 1; crash <= 3; crash++) {
        desk.publish(1);
        for (let tries = 0; tries < 1000 && told() < crash; tries++) {
          desk.flashDead = true;
          desk.run(desk.nowMs + 100);
        }
        desk.flashDead = false;
        ${between}
      }
      return { log: desk.log, lives: desk.lives, gaveUp: desk.gaveUp };`);
    t.is(gaveUp, "");
    t.is(log.filter((line) => line.includes("of this board")).length, 3, log.join("\n"));
    t.is(restraints(log).length, sleeps, `${settings} ${between}: ${log.join("\n")}`);
  }
});

test("a board with a worn cell keeps all Drops, and does not crash", async (t) => {
  const { failures, lives, sent } = await onDesk<{ failures: number; lives: number; sent: number }>(`
    const part = desk.part("drops");
    desk.publish(1);
    desk.run(20000);
    part.stuckAt = part.bodiesEnd + 200;
    part.bytes[part.stuckAt] = 0;
    desk.publish(${DROPS - 1});
    desk.run(60000);
    return { failures: part.failures, lives: desk.lives, sent: desk.sent };`);
  t.true(failures > 0, "the cell was met");
  t.deepEqual({ lives, sent }, { lives: 1, sent: DROPS });
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

test("as a dongle it is a computer's radio: what the air brings reaches the line, and the other way", async (t) => {
  const { state, heard, used } = await onDesk<{ state: string; heard: number; used: number }>(`
    desk.config.role = "dongle";
    desk.plugIn();
    desk.run(5000);
    const used = desk.peer.counters.short;
    desk.computer.send(Uint8Array.of(1, 2, 3), 3, Uint8Array.of(255, 255, 255, 255, 255, 255));
    desk.run(6000);
    return { state: desk.computer.state, heard: desk.heard, used: desk.peer.counters.short - used };`);
  t.is(state, "open");
  t.true(heard >= 4, `${heard} beacons in 5 s`);
  t.is(used, 1);
});

test("a dongle that nobody is plugged into turns often enough for the watchdog", async (t) => {
  const { gaveUp, lives } = await onDesk<{ gaveUp: string; lives: number }>(`
    desk.config.role = "dongle";
    desk.run(70000);
    return { gaveUp: desk.gaveUp, lives: desk.lives };`);
  t.deepEqual({ gaveUp, lives }, { gaveUp: "", lives: 1 });
});
