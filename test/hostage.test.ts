/** A board serves the people who come past, whoever wants its one workspace meanwhile (hostage.ts). */
import test from "ava";
import { Callers } from "../modules/throwie/callers.ts";
import { Contact } from "../modules/throwie/contact.ts";
import { Dice } from "../modules/throwie/dice.ts";
import { Presence } from "../modules/throwie/presence.ts";
import { SeededRandom } from "../sim/random.ts";
import { seed } from "./contact-world.ts";
import { ATTACKS, holdUp } from "./hostage.ts";

const AIR_MAX = 0.02;

for (const attack of ATTACKS) {
  test.serial(`a board serves its visitors: ${attack.name}`, (t) => {
    const { served, visitors, air } = holdUp(attack, seed);
    t.log(`${served} of ${visitors}, ${(100 * air).toFixed(2)} % of the air`);
    t.true(air < AIR_MAX);
    t.true(served >= visitors - (attack.allServed ? 0 : 1), `SEED=${seed}: ${served} of ${visitors}`);
  });
}

/** How many visitors are served while every node does `method` in another way. */
function servedWith<T extends object, K extends keyof T>(prototype: T, method: K, broken: T[K], name: string): number {
  const kept = prototype[method];
  prototype[method] = broken;
  try {
    return holdUp(ATTACKS.find((attack) => attack.name.includes(name))!, seed).served;
  } finally {
    prototype[method] = kept;
  }
}

test.serial("canary: if a contact kept the workspace until its limits, two radios would keep people out", (t) => {
  t.true(servedWith(Contact.prototype, "stalled", () => false, "two radios") < 6);
});

test.serial("canary: if every beacon counted as a peer that is there, a forger would keep people out", (t) => {
  t.true(servedWith(Presence.prototype, "likely", () => true, "forged beacon every 500 ms") < 9);
});

/** How long a peer that calls every 320 ms waits, in ms, while others call every 90 ms and each holds on for 300 ms. */
function waited(next: (callers: Callers, peer: Uint8Array, now: number) => boolean, fromMs: number): number {
  const random = new SeededRandom(seed, "callers");
  const callers = new Callers(new Dice(random));
  const honest = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const other = new Uint8Array(6);
  let freeMs = 0;
  for (let now = 1; now < 100_000; now++) {
    const from = now >= fromMs && (now - fromMs) % 320 === 0 ? honest : other;
    if (from === other && now % 90 !== 0) continue;
    random.fill(other);
    if (!next(callers, from, now) || now < freeMs) continue;
    if (from === honest) return now - fromMs;
    callers.left(from);
    freeMs = now + 300;
  }
  return Infinity;
}

const STARTS_MS = Array.from({ length: 40 }, (_, i) => 5_000 + 37 * i);

test("a peer that goes on calling is let in after those that called before it, however many come after it", (t) => {
  const ms = Math.max(...STARTS_MS.map((from) => waited((callers, peer, now) => callers.next(peer, now), from)));
  t.true(ms < 2_000, `${ms} ms`);
});

test("canary: if whoever calls first were let in, the peer would wait for long", (t) => {
  const ms = Math.max(...STARTS_MS.map((from) => waited(() => true, from)));
  t.true(ms >= 2_000, `${ms} ms`);
});
