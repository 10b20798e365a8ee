/**
 * A board with two app partitions, from its start to the proof that a new firmware works. These tests run main.ts on a
 * real XS engine (test/xs/desk.ts); the desk stands for the boot loader and for the computer at the line.
 */
import { readFileSync } from "node:fs";
import test from "ava";
import { bundleForXs, XsMachine } from "./xs/machine.ts";
import { NATIVES } from "./xs/natives.ts";

interface Told {
  log: string[];
  lives: number;
  gaveUp: string;
  images: { onTrial: boolean; chosen: boolean; confirmed: number };
  state?: string;
  failure?: string;
  firmware?: string;
  same?: boolean;
  restMs?: number;
}

const firmware = bundleForXs("main.ts", NATIVES);
const deskProgram = bundleForXs("test/xs/desk.ts");

/** Runs a script on a new desk with two app partitions. */
async function onDesk(script: string): Promise<Told> {
  const machine = new XsMachine();
  try {
    await machine.evaluate(await deskProgram);
    await machine.evaluate(`globalThis.boot = () => {\n${await firmware}\n}`);
    const told = "{ log: desk.log, lives: desk.lives, gaveUp: desk.gaveUp, images: desk.images }";
    const body = `desk.images.twoApps = true; desk.config.firmware = "0.1.0+old"; ${script}`;
    const { told: said } = await machine.evaluate(
      `tell(JSON.stringify(((desk) => { const more = {}; ${body}; return Object.assign(${told}, more); })(new Desk())))`,
    );
    return JSON.parse(said[0]!);
  } finally {
    machine.close();
  }
}

/** An image of 20,000 bytes for chip 5, as far as a board looks at it. */
const IMAGE = `
  const image = new Uint8Array(20000).map((_, i) => i * 7);
  image[12] = 5;
  image[13] = 0;`;
const UPDATE = `${IMAGE}
  desk.update(image, 5);
  desk.run(3000);
  more.state = desk.updater.state;
  more.failure = desk.updater.failure;
  more.firmware = desk.updater.board?.firmware;
  more.same = image.every((byte, i) => desk.part("nextota").bytes[i] === byte);`;

test("a board that nobody calls starts its node a quarter of a second later", async (t) => {
  const { log, gaveUp, lives } = await onDesk("desk.run(5000);");
  t.deepEqual([gaveUp, lives], ["", 1]);
  t.regex(log[0]!, /^(\d+) ms: throwie, woken by power: formatted 0 Drops/);
  const startedMs = Number(log[0]!.split(" ")[0]);
  t.true(startedMs >= 250 && startedMs < 260, log[0]);
  t.true(log.some((line) => line.includes("listening on channel 1")));
});

test("a board that is called takes the image before its node starts, chooses it and restarts", async (t) => {
  const { state, same, firmware, images, lives, log } = await onDesk(UPDATE);
  t.deepEqual({ state, same, chosen: images.chosen }, { state: "done", same: true, chosen: true });
  t.true(firmware!.startsWith("0.1.0+old role=throwie channel=1"), firmware);
  t.is(lives, 2);
  t.false(
    log.some((line) => line.includes("woken by power")),
    "the first life had no node",
  );
});

test("an image for another chip is refused, and the board starts as before", async (t) => {
  const { state, failure, images, lives, log } = await onDesk(`
    ${IMAGE}
    desk.update(image, 9);
    desk.run(14000);
    more.state = desk.updater.state;
    more.failure = desk.updater.failure;`);
  t.deepEqual(
    { state, failure, lives, chosen: images.chosen },
    { state: "failed", failure: "chip", lives: 1, chosen: false },
  );
  t.true(
    log.some((line) => line.includes("listening on channel 1")),
    log.join("\n"),
  );
});

test("after a sleep and after a crash a board listens for no update", async (t) => {
  const asleep = await onDesk(`
    ${IMAGE}
    desk.config.wake = "30";
    desk.run(12000);
    desk.update(image, 5);
    desk.run(34000);
    more.failure = desk.updater.failure;
    desk.update(image, 5);
    desk.run(48000);
    more.state = desk.updater.state;`);
  t.true(asleep.log.filter((line) => line.includes("woken by timer")).length >= 1, asleep.log.join("\n"));
  t.deepEqual([asleep.failure, asleep.state, asleep.images.chosen], ["silent", "calling", false]);
  const { images, state } = await onDesk(`
    desk.config.wake = 61;
    desk.run(1000);
    ${UPDATE}`);
  t.deepEqual([state, images.chosen], ["calling", false], "three crashes a second, and each life begins by a crash");
});

test("a new firmware stays from its first beacon on, and says so once", async (t) => {
  const { images, log, lives } = await onDesk("desk.images.onTrial = true; desk.run(61500);");
  t.deepEqual(
    { confirmed: images.confirmed, onTrial: images.onTrial, lives },
    { confirmed: 1, onTrial: false, lives: 1 },
  );
  const saying = log.filter((line) => line.includes("the first beacon is out: 0.1.0+old role=throwie"));
  t.is(saying.length, 1, log.join("\n"));
  const document = readFileSync("docs/update.md", "utf8").replace(/\s+/g, " ");
  const [before, after] = /the log says `([^`]+)`/.exec(document)![1]!.split("...");
  t.true(saying[0]!.includes(` ms: ${before}`) && saying[0]!.endsWith(after!), `docs/update.md: ${before}...${after}`);
});

test("a new firmware that crashes or sends no beacon is never confirmed, and its life ends", async (t) => {
  const crashing = await onDesk("desk.images.onTrial = true; desk.config.wake = 61; desk.run(1000);");
  t.is(crashing.images.confirmed, 0);
  t.true(crashing.lives > 1);
  const dumb = await onDesk(`
    desk.images.onTrial = true;
    desk.mute = true;
    desk.run(61000);`);
  t.deepEqual([dumb.images.confirmed, dumb.lives], [0, 2], "a life on trial ends after a minute");
});

test("a new firmware whose radio gives up each frame is never confirmed, though its queue has room again", async (t) => {
  const { images, lives, log } = await onDesk("desk.images.onTrial = true; desk.abandoning = true; desk.run(61000);");
  t.deepEqual([images.confirmed, lives], [0, 2]);
  t.false(log.some((line) => line.includes("the first beacon is out")));
});

test("a new firmware of a dongle stays when a host has greeted it, and goes back when it hears no host", async (t) => {
  const dongle = 'desk.images.onTrial = true; desk.config.role = "dongle";';
  const greeted = await onDesk(`${dongle} desk.plugIn(); desk.run(61500);`);
  t.deepEqual([greeted.images.confirmed, greeted.lives], [1, 1]);
  const deaf = await onDesk(`${dongle} desk.deaf = true; desk.plugIn(); desk.run(61000);`);
  t.deepEqual([deaf.images.confirmed, deaf.lives], [0, 2]);
});

test("a board with one app partition listens for no update, and is never on trial", async (t) => {
  const { log, images } = await onDesk("desk.images.twoApps = false; desk.images.onTrial = true; desk.run(2000);");
  t.true(Number(log[0]!.split(" ")[0]) < 10, log[0]);
  t.is(images.confirmed, 0);
});
