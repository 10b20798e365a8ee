/**
 * The firmware runs on a board, where no test can watch it. So these tests run main.ts, with all modules that it
 * imports, on a real XS engine. Only the native code is replaced: test/xs/desk.ts stands for the board and its
 * surroundings.
 *
 * The tests follow a board through a boot, a contact, an error that nobody catches, the life after that error, and
 * sleep.
 */
import test from "ava";
import { writeCopy } from "../modules/board/settings-copy.ts";
import vectors from "./vectors/settings.json" with { type: "json" };
import { toHex } from "./xs/hex.ts";
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

const TEXT =
  "firmware 0.1.0+0123456789ab role=throwie channel=1 rate=1M halfLifeDays=7 wake=always port=usb baud=921600 cpu=160";

test("the first line of each life says which firmware this is, and no other line does", async (t) => {
  const { log } = await onDesk<{ log: string[] }>(`
    desk.config.firmware = "0.1.0+0123456789ab";
    desk.run(5000);
    desk.publish(1);
    desk.flashDead = true;
    desk.run(40000);
    return { log: desk.log };`);
  const saying = log.filter((line) => line.includes("firmware "));
  t.is(saying.length, 2, log.join("\n"));
  t.true(log[0]!.endsWith(`formatted 0 Drops; ${TEXT}`), log[0]);
  t.regex(saying[1]!, /crash 1 of this board/);
  t.true(saying[1]!.endsWith(`; ${TEXT}`), saying[1]);
});

test("a board with a setting that it does not understand says which firmware it has", async (t) => {
  const { log } = await onDesk<{ log: string[] }>("desk.config.wake = 61; desk.run(1000); return { log: desk.log };");
  t.regex(log[0]!, /crash 1 .*; firmware of unknown build role=throwie .* wake=61 port=usb baud=921600 cpu=160$/);
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

test("a board retains its node over a sleep, once, and begins anew after a crash", async (t) => {
  const { log, naps, nonces, awake, asleep } = await onDesk<{
    log: string[];
    naps: number;
    nonces: string[][];
    awake: number;
    asleep: number;
  }>(`
    desk.config.wake = "30";
    const nonces = [];
    const receive = desk.peer.receive.bind(desk.peer);
    desk.peer.receive = (frame, lengthBytes, from) => {
      if (lengthBytes === 85) nonces.push(String(frame.slice(14, 22)));
      receive(frame, lengthBytes, from);
    };
    const heard = () => [...new Set(nonces.splice(0))];
    const used = () => desk.retained.filter((byte) => byte !== 0).length;
    desk.publish(3);
    desk.run(200000);
    const [naps, sleeping] = [desk.lives, heard()];
    while (desk.handlers !== undefined) desk.run(desk.nowMs + 1);
    const asleep = used();
    while (desk.handlers === undefined) desk.run(desk.nowMs + 1);
    const awake = used();
    desk.publish(1);
    while (desk.peer.contacts === 0) desk.run(desk.nowMs + 1);
    desk.flashDead = true;
    heard();
    desk.run(desk.nowMs + 3000);
    return { log: desk.log, naps, nonces: [sleeping, heard()], awake, asleep };`);
  t.true(naps > 4, log.join("\n"));
  t.is(nonces[0]!.length, 1, "one nonce through all sleeps");
  t.true(asleep > 0);
  t.is(awake, 0, "what was retained is taken once");
  t.true(
    log.some((line) => line.includes("woken by crash")),
    log.join("\n"),
  );
  t.false(nonces[0]!.includes(nonces[1]!.at(-1)!), "RAM began anew");
});

test("a board keeps its RAM in a short sleep, sleeps deeply after a sweep, and meets its peer either way", async (t) => {
  const { log, lives, lightSleeps, sent, late } = await onDesk<{
    log: string[];
    lives: number;
    lightSleeps: number;
    sent: number;
    late: number;
  }>(`
    desk.config.wake = "30";
    desk.lightSleepMsMax = 496000;
    desk.publish(3);
    desk.run(300000);
    const late = desk.sent;
    desk.publish(2);
    desk.run(600000);
    return { log: desk.log, lives: desk.lives, lightSleeps: desk.lightSleeps, sent: desk.sent, late };`);
  t.is(lives, 3, log.join("\n"));
  t.true(lightSleeps > 10);
  t.is(log.filter((line) => line.includes("sleeping for")).length, 2, "after each sweep");
  t.is(log.filter((line) => line.includes("sleeping lightly for")).length, lightSleeps);
  t.deepEqual([late, sent], [3, 5]);
  const wakes = log.flatMap(
    (line) => /^(\d+) ms: sleeping lightly for (\d+) ms/.exec(line)?.slice(1).map(Number) ?? [],
  );
  t.is(wakes.length, 2 * lightSleeps);
  for (let i = 0; i < wakes.length; i += 2) {
    const at = wakes[i]! + wakes[i + 1]!;
    t.true(at % 23_000 === 0 || at % 29_000 === 0, "a multiple of the period");
  }
});

test("a board whose chip refuses a light sleep sleeps deeply, and retains its node", async (t) => {
  const { log, lives, asleep } = await onDesk<{ log: string[]; lives: number; asleep: number[] }>(`
    desk.config.wake = "30";
    desk.lightSleepMsMax = 496000;
    desk.refusesLightSleep = true;
    const asleep = [];
    const { sleep } = desk.board;
    desk.board.sleep = (ms) => {
      asleep.push(desk.retained.filter((byte) => byte !== 0).length);
      return sleep(ms);
    };
    desk.publish(3);
    desk.run(200000);
    return { log: desk.log, lives: desk.lives, asleep };`);
  t.true(lives >= 4, log.join("\n"));
  t.true(asleep.length >= lives - 1);
  t.true(
    asleep.every((bytes) => bytes > 0),
    `${asleep}`,
  );
  t.is(dropsAtBoot(log).at(-1), 3);
  const lines = log.map((line) => line.replace(/^\d+ ms: |for \d+ ms$/g, ""));
  const refused = lines.filter((line) => line === "sleeping lightly ").length;
  t.true(refused > 2);
  for (const [i, line] of lines.entries()) if (line === "sleeping lightly ") t.is(lines[i + 1], "sleeping ");
});

test("a board whose shortest sleep is longer than the chip's light sleep only sleeps deeply", async (t) => {
  const lightSleeps = await onDesk<number>(
    'desk.config.wake = "30"; desk.lightSleepMsMax = 10000; desk.run(200000); return desk.lightSleeps;',
  );
  t.true(lightSleeps < 3, "only what a contact left of a period is so short");
});

test("a board sets the clock of its processor before its radio is on", async (t) => {
  const { cpuMhz, before } = await onDesk<{ cpuMhz: number; before: boolean }>(`
    desk.config.cpu = "80";
    let before;
    const { setClock } = desk.board;
    desk.board.setClock = (mhz) => {
      before = desk.handlers === undefined;
      setClock(mhz);
    };
    desk.run(1000);
    return { cpuMhz: desk.cpuMhz, before };`);
  t.deepEqual({ cpuMhz, before }, { cpuMhz: 80, before: true });
});

test("a setting that the board does not understand ends the start, and the next life reports it", async (t) => {
  const { log, lives } = await onDesk<{ log: string[]; lives: number }>(
    "desk.config.wake = 61; desk.run(1000); return { log: desk.log, lives: desk.lives };",
  );
  t.true(lives > 1);
  t.regex(log[0]!, /crash 1 of this board.*wake is 61; it must be "always" or one of 30, 60, 120, 300, 600/);
});

const FIRST = "the first settings of a board";
const FIRST_SAID = "settings 1: channel=6, halfLifeDays=7, name=Library, rate=1M, wake=60";
const REPAIR = "one copy of the settings is old or damaged: write the settings again";
const DOOR = "a key that no firmware of today knows";
const STRANGE = toHex(
  writeCopy(
    8,
    Object.entries({ channel: "14", constructor: "x", rate: "2M", role: "dongle", wake: "30" }).map(([key, value]) => ({
      ...{ key, value },
    })),
  ),
);
const BUILD = "listening on channel 4 at 11M, always awake";

/** Copies in the settings partition, by the names of the vectors, and what a board with them says after its boot. */
const SETTLED: [copies: string[], said: string[]][] = [
  [
    [FIRST, FIRST],
    [FIRST_SAID, "listening on channel 6 at 1M, waking every 60 s"],
  ],
  [
    [FIRST, "one setting"],
    ["settings 3: channel=11", REPAIR, "listening on channel 11 at 11M, always awake"],
  ],
  [
    ["a flipped bit", FIRST],
    [FIRST_SAID, REPAIR, "listening on channel 6 at 1M, waking every 60 s"],
  ],
  [
    ["no setting", "no setting"],
    ["settings 2: none chosen", BUILD],
  ],
  [
    ["erased", "erased"],
    ["nobody wrote settings: the build's settings hold", BUILD],
  ],
  [
    ["torn after 256 bytes", "erased"],
    ["the settings are damaged: the build's settings hold", BUILD],
  ],
  [
    ["erased", "a later format"],
    ["the settings were written for a newer firmware: the build's settings hold", BUILD],
  ],
  [
    [DOOR, DOOR],
    [
      "settings 5: channel=6, door=press",
      "this firmware knows no setting door, and ignores it",
      "listening on channel 6 at 11M, always awake",
    ],
  ],
  [
    [STRANGE, STRANGE],
    [
      "settings 8: channel=14, constructor=x, rate=2M, role=dongle, wake=30",
      "channel is 14; it must be a whole number from 1 to 11: the build's 4 holds",
      "this firmware knows no setting constructor, and ignores it",
      "this firmware knows no setting role, and ignores it",
      "listening on channel 4 at 2M, waking every 30 s",
    ],
  ],
];

test("a board takes what it understands of its settings partition, says so, and writes nothing there", async (t) => {
  const copyOf = new Map([...vectors.valid, ...vectors.invalid].map(({ name, copy }) => [name, copy]));
  const partitions = SETTLED.map(([names]) => names.map((name) => copyOf.get(name) ?? name));
  const boards = await onDesk<{ log: string[]; gaveUp: string; wrote: boolean }[]>(`
    return ${JSON.stringify(partitions)}.map((copies) => {
      const board = new Desk();
      board.config.channel = 4;
      board.config.rate = "11M";
      const { bytes } = board.part("settings");
      copies.forEach((copy, sector) => {
        for (let i = 0; i < 512; i++) bytes[4096 * sector + i] = parseInt(copy.slice(2 * i, 2 * i + 2), 16);
      });
      const before = bytes.join();
      board.run(20);
      return { log: board.log, gaveUp: board.gaveUp, wrote: bytes.join() !== before };
    });`);
  for (const [i, [copies, said]] of SETTLED.entries()) {
    const { log, gaveUp, wrote } = boards[i]!;
    t.deepEqual({ gaveUp, wrote }, { gaveUp: "", wrote: false });
    const lines = log.filter((line) => !/the partition held no store|the first beacon is out/.test(line));
    t.regex(lines[0]!, /throwie, woken by power: formatted 0 Drops; firmware of unknown build /);
    t.deepEqual(
      lines.slice(1).map((line) => line.replace(/^\d+ ms: /, "")),
      said,
      copies.join(", "),
    );
  }
});

test("a board whose partition table has no settings starts with the build's", async (t) => {
  const { log, gaveUp } = await onDesk<{ log: string[]; gaveUp: string }>(`
    const { part } = desk;
    desk.part = function (label) {
      if (label === "settings") throw new Error("can't find partition");
      return part.call(this, label);
    };
    desk.run(20);
    return { log: desk.log, gaveUp: desk.gaveUp };`);
  t.is(gaveUp, "");
  t.regex(log.join("\n"), /nobody wrote settings: the build's settings hold\n.*listening on channel 1 /);
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

test("a dongle tells its computer which firmware it has", async (t) => {
  const { state, firmware } = await onDesk<{ state: string; firmware: string }>(`
    desk.config.firmware = "0.1.0+0123456789ab.dirty";
    desk.config.role = "dongle";
    desk.plugIn();
    desk.run(2000);
    return { state: desk.computer.state, firmware: desk.computer.firmware };`);
  t.is(state, "open");
  const settings = "role=dongle channel=1 rate=1M halfLifeDays=7 wake=always port=usb baud=921600 cpu=160";
  t.is(firmware, `0.1.0+0123456789ab.dirty ${settings}; nobody wrote settings: the build's settings hold`);
});

test("a dongle without a computer runs its turn often enough for the watchdog", async (t) => {
  const { gaveUp, lives } = await onDesk<{ gaveUp: string; lives: number }>(`
    desk.config.role = "dongle";
    desk.run(70000);
    return { gaveUp: desk.gaveUp, lives: desk.lives };`);
  t.deepEqual({ gaveUp, lives }, { gaveUp: "", lives: 1 });
});
