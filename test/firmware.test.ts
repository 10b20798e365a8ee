/**
 * The firmware runs on a board, where no test can watch it. So these tests run main.ts, with all modules that it
 * imports, on a real XS engine. Only the native code is replaced: test/xs/desk.ts stands for the board and its
 * surroundings.
 *
 * The tests follow a board through a boot, a contact, an error that nobody catches, the life after that error, and
 * sleep.
 */
import test from "ava";
import { bundleForXs, XsMachine } from "./xs/machine.ts";
import { NATIVES } from "./xs/natives.ts";

const DROPS = 20;

/** Runs a script on a new desk, and returns the script's result. */
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

/** A contact, then flash that cannot be read, then a second life with a second contact. */
const CRASH = `
  desk.publish(${DROPS});
  desk.run(20000);
  desk.flashDead = true;
  desk.publish(1);
  desk.run(40000);
  return { log: desk.log, lives: desk.lives, gaveUp: desk.gaveUp, sent: desk.sent };`;

/** How many Drops the board reported at each boot. */
function dropsAtBoot(log: string[]): number[] {
  return log.flatMap((line) => /woken by .* (\d+) Drops/.exec(line)?.[1] ?? []).map(Number);
}

/** The requirements that a board which crashed after a contact does not meet. Each canary breaks at least one. */
function faults({ log, lives, gaveUp, sent }: Life): string[] {
  const found: string[] = [];
  if (gaveUp !== "") found.push("gave up");
  if (lives !== 2) found.push("lives");
  // The last Drop counts: the board stored it before its verification failed to read it.
  if (dropsAtBoot(log).join() !== `0,${DROPS + 1}`) found.push("Drops at boot");
  if (log.filter((line) => line.includes("crash 1 of this board") && line.includes("read failed")).length !== 1) {
    found.push("crash not reported");
  }
  if (sent !== DROPS + 1) found.push("sent again");
  return found;
}

test("a board boots, reports its boot, and sends beacons", async (t) => {
  const { log, frames } = await onDesk<{ log: string[]; frames: number }>(
    "desk.run(5000); return { log: desk.log, frames: desk.peer.counters.used };",
  );
  t.regex(log[0]!, /throwie, woken by power: formatted 0 Drops/);
  t.true(frames >= 4, `${frames} beacons in 5 s`);
});

test("a board that crashes after a contact keeps its Drops and reports the crash", async (t) => {
  const life = await onDesk<Life>(CRASH);
  t.deepEqual(faults(life), [], life.log.join("\n"));
});

test("canary: a board that forgets its crash or its Drops is caught", async (t) => {
  t.deepEqual(faults(await onDesk<Life>(CRASH, { "modules/board/crash.ts": "test/xs/canaries/no-crash-log.ts" })), [
    "gave up",
    "lives",
    "Drops at boot",
    "crash not reported",
    "sent again",
  ]);
  t.deepEqual(faults(await onDesk<Life>(`desk.forgetful = true; ${CRASH}`)), ["Drops at boot", "sent again"]);
});

interface CrashLoop {
  log: string[];
  lives: number;
  gaveUp: string;
}

/** The length in ms of each sleep that the board took because of its crashes. */
function crashSleeps(log: string[]): number[] {
  return log.flatMap((line) => /in a row: sleeping for (\d+) ms/.exec(line)?.[1] ?? []).map(Number);
}

const EVERY_START = `
  desk.config.wake = 61;
  desk.run(4 * 3600000);
  return { log: desk.log, lives: desk.lives, gaveUp: desk.gaveUp };`;
const MINUTE_MS = 60_000;

test("a board that crashes at each start sleeps after the third crash, longer each time, up to an hour", async (t) => {
  const { log, lives, gaveUp } = await onDesk<CrashLoop>(EVERY_START);
  const slept = crashSleeps(log);
  t.is(gaveUp, "");
  t.deepEqual(
    slept.map((ms) => ms / MINUTE_MS),
    [1, 2, 4, 8, 16, 32, 60, 60, 60],
  );
  t.is(
    lives,
    2 + 2 * slept.length,
    "the first two lives crash without a sleep; each sleep then has one life that crashes and one that only sleeps",
  );
  t.is(log.filter((line) => line.includes("wake is 61")).length, lives - slept.length - 1, "each crash is reported");
});

test("canary: a board that starts at once after every crash is caught", async (t) => {
  const { log, lives } = await onDesk<CrashLoop>(EVERY_START.replace("4 *", "0.1 *"), {
    "modules/board/crash-loop.ts": "test/xs/canaries/no-restraint.ts",
  });
  t.deepEqual(crashSleeps(log), []);
  t.true(lives > 1_000, `${lives} lives in six minutes`);
});

test("crashes are not in a row if the board ran long, slept by its schedule or was reset between them", async (t) => {
  const rows: [string, string, number][] = [
    ["", "", 1],
    ["", "desk.run(desk.nowMs + 601000);", 0],
    ["", "desk.reset();", 0],
    ["desk.config.wake = 30;", "desk.run(desk.nowMs + 120000);", 0],
  ];
  for (const [settings, between, sleeps] of rows) {
    const { log, gaveUp } = await onDesk<CrashLoop>(`
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
    t.is(crashSleeps(log).length, sleeps, `${settings} ${between}: ${log.join("\n")}`);
  }
});

test("a board with a worn flash cell keeps all Drops and does not crash", async (t) => {
  const { failures, lives, sent } = await onDesk<{ failures: number; lives: number; sent: number }>(`
    const part = desk.part("drops");
    desk.publish(1);
    desk.run(20000);
    part.stuckAt = part.bodiesEnd + 200;
    part.bytes[part.stuckAt] = 0;
    desk.publish(${DROPS - 1});
    desk.run(60000);
    return { failures: part.failures, lives: desk.lives, sent: desk.sent };`);
  t.true(failures > 0, "the store wrote to the worn cell");
  t.deepEqual({ lives, sent }, { lives: 1, sent: DROPS });
});

test("a board with a wake schedule sleeps, keeps its Drops, and keeps its heat time", async (t) => {
  const { log, lives, epochs } = await onDesk<{ log: string[]; lives: number; epochs: number[] }>(`
    desk.config.wake = "30";
    desk.publish(3);
    desk.run(200000);
    return { log: desk.log, lives: desk.lives, epochs: desk.epochs };`);
  t.true(lives >= 4, log.join("\n"));
  t.true(log.filter((line) => line.includes("sleeping for")).length >= lives - 1);
  t.is(dropsAtBoot(log).at(-1), 3);
  t.is(new Set(epochs).size, 1, "the clock runs during sleep, so the heat time at its zero never changes");
});

test("a setting that the board does not understand ends the start, and the next life reports it", async (t) => {
  const { log, lives } = await onDesk<{ log: string[]; lives: number }>(
    "desk.config.wake = 61; desk.run(1000); return { log: desk.log, lives: desk.lives };",
  );
  t.true(lives > 1);
  t.regex(log[0]!, /crash 1 of this board.*wake is 61; it must be "always" or one of 30, 60, 120, 300, 600/);
});

test("a dongle carries frames from the air to the computer, and from the computer to the air", async (t) => {
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

test("a dongle without a computer runs its turn often enough for the watchdog", async (t) => {
  const { gaveUp, lives } = await onDesk<{ gaveUp: string; lives: number }>(`
    desk.config.role = "dongle";
    desk.run(70000);
    return { gaveUp: desk.gaveUp, lives: desk.lives };`);
  t.deepEqual({ gaveUp, lives }, { gaveUp: "", lives: 1 });
});
