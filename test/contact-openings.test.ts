/**
 * A contact must begin even when something is in its way. These tests cover equal session ids, two openings at once,
 * and a peer that restarts in the middle of a contact.
 */
import test from "ava";
import { frameType } from "../modules/glacier/frame.ts";
import { BEACON, DROP, OPEN } from "../modules/glacier/frame-type.ts";
import { sameAddress } from "../modules/throwie/ports.ts";
import { Kernel } from "../sim/kernel.ts";
import { Fixed } from "../sim/mobility.ts";
import { SimNode } from "../sim/node.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { Medium } from "../sim/radio.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, INSTANT, namesOf, overhear, seed, sessionOf, worldOf, write } from "./contact-world.ts";
import { stranger } from "./stranger.ts";

const SESSION = 0x4242;
const SECOND_US = 1_000_000;

/** Random numbers in which every draw of two bytes, such as a session id, gives the same bytes. */
class Fated extends SeededRandom {
  override fill(bytes: Uint8Array): void {
    if (bytes.length === 2) bytes.set([SESSION & 0xff, SESSION >> 8]);
    else super.fill(bytes);
  }
}

test("two pairs of nodes with the same session id on one channel do not take each other's frames for their own", (t) => {
  for (const cast of ["broadcast", "unicast"] as const) {
    const kernel = new Kernel();
    const medium = new Medium(kernel, new SeededRandom(seed, "radio"), { rateMbps: 1, rangeM: 80 });
    const sessions: number[] = [];
    const nodes = ["a", "b", "c", "d"].map((name, i) => {
      const node = new SimNode({
        name,
        role: "throwie",
        kernel,
        medium,
        station: medium.add(new Fixed(10 * i, 0)),
        flash: new NorFlash({ sizeBytes: 64 * 4_096 }),
        random: new Fated(seed, name),
        capacity: 100,
        beaconIntervalMs: undefined,
        halfLifeMs: undefined,
        cast,
        observer: {
          contactOpened: (_node, _peer, sessionId) => sessions.push(sessionId),
          // A node may take what it overhears, but only as overheard (overhearing.test.ts). Here it takes none.
          started: ({ throwie }) => {
            throwie!.assemblies.overhear = () => undefined;
          },
        },
      });
      kernel.at(i * 130_000, () => node.start());
      return node;
    }) as [SimNode, SimNode, SimNode, SimNode];
    const [a, b, c, d] = nodes;
    // A pair does not hear the beacons of the other pair, only the frames of its contact.
    for (const { station } of nodes) {
      const pair = station === a.station || station === b.station ? [a, b] : [c, d];
      overhear(station, (frame, pass, from) => {
        const known = pair.some((node) => sameAddress(node.station.address, from));
        if (known || frameType(frame) !== BEACON) pass(frame);
      });
    }
    kernel.run(SECOND_US);
    const random = new SeededRandom(seed, "strangers");
    const first = [...write(a, random, 30), ...write(b, random, 10)];
    const second = [...write(c, random, 20), ...write(d, random, 20)];
    kernel.run(30 * SECOND_US);
    for (const node of [a, b]) t.deepEqual(holdings(node), namesOf(first), `${node.name} ${cast}`);
    for (const node of [c, d]) t.deepEqual(holdings(node), namesOf(second), `${node.name} ${cast}`);
    t.deepEqual(new Set(sessions), new Set([SESSION]));
    // A unicast frame reaches its addressee only.
    const overheard = nodes.map(({ throwie }) => throwie!.counters.session);
    t.true(cast === "unicast" || overheard.every((count) => count > 20), overheard.join());
  }
});

test("an OPEN with the session id of a contact with another peer is refused, and with a free id it is accepted", (t) => {
  const opened: number[] = [];
  const world = worldOf([board("a", 0), board("b", 30)], {
    observer: { contactOpened: (node, _peer, sessionId) => node.name === "a" && opened.push(sessionId) },
  });
  const [a, b] = world.nodes as [SimNode, SimNode];
  const { open } = stranger(world, 10);
  world.run(4);
  const drops = write(b, new SeededRandom(seed, "busy"), 200);
  while (a.throwie!.store.count < 20) world.run(world.nowS + 0.01);
  const tryToOpen = (sessionId: number): void => {
    open(sessionId);
    world.run(world.nowS + 0.1);
  };
  const [first] = opened as [number];
  const { session } = a.throwie!.counters;
  tryToOpen(first);
  t.is(a.throwie!.counters.session, session + 1);
  t.deepEqual(opened, [first]);
  for (let tries = 0; opened.length < 2 && tries < 20; tries++) tryToOpen(first ^ 1);
  t.deepEqual(opened, [first, first ^ 1]);
  world.run(60);
  t.deepEqual(holdings(a), namesOf(drops), "the first contact goes on");
});

test("if both nodes open at once, the lower address stays the initiator, and one contact serves both directions", (t) => {
  for (let run = seed; run < seed + 8; run++) {
    const opened: string[] = [];
    const closed: string[] = [];
    const world = worldOf([board("a", 0, INSTANT), board("b", 30, INSTANT)], {
      seed: run,
      observer: {
        contactOpened: (node, _peer, sessionId) => opened.push(`${node.name} ${sessionId}`),
        contactClosed: (node, _peer, sessionId, reason) => closed.push(`${node.name} ${sessionId} ${reason}`),
      },
    });
    const [a, b] = world.nodes as [SimNode, SimNode];
    // Each node gets an OPEN only after that node has opened a contact itself.
    for (const { station, name } of world.nodes) {
      const held: Uint8Array[] = [];
      overhear(station, (frame, pass) => {
        const open = opened.some((entry) => entry.startsWith(name));
        if (frameType(frame) === OPEN && !open) {
          held.push(frame.slice());
          return;
        }
        pass(frame);
        if (opened.some((entry) => entry.startsWith(name))) for (const early of held.splice(0)) pass(early);
      });
    }
    const random = new SeededRandom(run, "tie");
    const drops = [...write(a, random, 10), ...write(b, random, 10)];
    world.run(20);
    const replay = `SEED=${run}: ${opened} ${closed}`;
    const winner = opened.find((entry) => entry.startsWith("a"))!.slice(2);
    const loser = opened.find((entry) => entry.startsWith("b"))!.slice(2);
    t.true(a.throwie!.counters.tie > 0, replay);
    t.deepEqual(closed, [`b ${loser} superseded`, ...closed.slice(1)], replay);
    t.deepEqual(closed.slice(1).sort(), [`a ${winner} done`, `b ${winner} done`], replay);
    for (const node of [a, b]) t.deepEqual(holdings(node), namesOf(drops), replay);
  }
});

for (const { name, mute, reason } of [
  { name: "the first frame is a beacon", mute: OPEN, reason: "restarted" },
  { name: "the first frame is an OPEN", mute: BEACON, reason: "superseded" },
]) {
  test(`a peer that restarts in mid-session with the same address gets a new contact: ${name}`, (t) => {
    for (let run = seed; run < seed + 6; run++) {
      const closed: string[] = [];
      // The contacts of `a` that gave way to one of `b`, and the one it has now.
      const superseded = new Set<number>();
      let current: number | undefined;
      const world = worldOf([board("a", 0), board("b", 30)], {
        seed: run,
        observer: {
          contactOpened: (node, _peer, sessionId) => {
            if (node.name === "a") current = sessionId;
          },
          contactClosed: (node, _peer, sessionId, why) => {
            closed.push(`${node.name} ${why}`);
            if (node.name === "a" && why === "superseded") superseded.add(sessionId);
          },
        },
      });
      const [a, b] = world.nodes as [SimNode, SimNode];
      const random = new SeededRandom(run, "restart");
      const drops = [...write(a, random, 60), ...write(b, random, 60)];
      // A node that was called knows its peer's nonce from the first beacon in the contact on.
      let beacons = 0;
      overhear(a.station, (frame, pass) => {
        if (frameType(frame) === BEACON && a.throwie!.contacts > 0) beacons++;
        pass(frame);
      });
      while (b.throwie!.store.count < 80 || beacons === 0) world.run(world.nowS + 0.01);
      // Both nodes may have opened at once, and one of the two openings was superseded.
      closed.length = 0;
      const send = b.station.send.bind(b.station);
      // Frames of the muted type are swallowed until the other end has noticed the restart.
      b.station.send = (frame, lengthBytes, to) =>
        (frameType(frame) === mute && closed.length === 0) || send(frame, lengthBytes, to);
      const sessions = new Set<number>();
      overhear(b.station, (frame, pass) => {
        if (frameType(frame) === DROP) sessions.add(sessionOf(frame));
        pass(frame);
      });
      const old = current!;
      b.crash();
      b.start();
      const before = b.throwie!.store.count;
      t.true(before >= 80, "the stored Drops outlive the restart");
      world.run(30);
      const replay = `SEED=${run}: ${closed}`;
      t.is(closed[0], `a ${reason}`, replay);
      // Between these, the opening whose OPEN was swallowed is given up.
      t.deepEqual(closed.slice(-2).sort(), ["a done", "b done"], replay);
      t.true(sessions.delete(old), "frames of the old session came, and no contact took them");
      for (const id of superseded) sessions.delete(id);
      t.deepEqual([...sessions], [current], replay);
      for (const node of [a, b]) t.deepEqual(holdings(node), namesOf(drops), replay);
    }
  });
}
