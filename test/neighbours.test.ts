/**
 * In a crowd, beacons must cost nothing as long as no set changes. These tests hold a node's fingerprints under the
 * nonces of its neighbours against fingerprints that are counted anew, and count what they cost.
 */
import test from "ava";
import { FRAME_HEADER_BYTES, FRAME_SIZE_BYTES_V1, sealFrame } from "../modules/glacier/frame.ts";
import { BEACON } from "../modules/glacier/frame-type.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint } from "../modules/rbsr/fingerprint.ts";
import { Store } from "../modules/store/store.ts";
import { freshKey } from "../modules/temperature/temperature.ts";
import { Effort } from "../modules/throwie/effort.ts";
import { COUNTS_PER_SECOND, NEIGHBOURS_MAX, Neighbours } from "../modules/throwie/neighbours.ts";
import { Fixed } from "../sim/mobility.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, namesOf, seed, worldOf, write } from "./contact-world.ts";
import { headerOf } from "./frames.ts";
import { insertion } from "./insertion.ts";

type Id = [low: number, high: number];

/** A store, and the neighbours of the node that owns it. */
function shelf(neighboursOf = (store: Store): Neighbours => new Neighbours(store, new Effort(), 0)) {
  const store = new Store(new NorFlash({ sizeBytes: 64 * 4_096 }), 60);
  store.mount();
  const random = new SeededRandom(seed, "neighbours");
  const neighbours = neighboursOf(store);
  const ids: Id[] = [];
  const come = (): void => {
    const id: Id = [random.u32(), random.u32()];
    store.insert(insertion(...id, Uint8Array.of(1), { lengthBytes: 1, heatKey: freshKey(0) }));
    ids.push(id);
    neighbours.add(...id);
  };
  const go = (): void => {
    const [id] = ids.splice(random.below(ids.length), 1) as [Id];
    store.remove(store.find(...id), 0);
    neighbours.remove(...id);
  };
  return { store, neighbours, random, ids, come, go };
}

function written(ids: Id[], nonce: Id): Uint8Array {
  const fingerprint = new Fingerprint();
  const out = new Uint8Array(FINGERPRINT_SIZE_BYTES);
  fingerprint.begin(...nonce);
  for (const id of ids) fingerprint.add(...id);
  fingerprint.write(out, 0);
  return out;
}

/** Random changes, and random questions between. Returns how many answers were wrong, and how many were right. */
function history(neighboursOf?: (store: Store) => Neighbours): { wrong: number; right: number } {
  const { neighbours, random, ids, come, go } = shelf(neighboursOf);
  const nonces = Array.from({ length: 80 }, (): Id => [random.below(40), random.u32()]);
  let [wrong, right] = [0, 0];
  for (let step = 0; step < 3_000; step++) {
    const now = step * 100;
    if (random.below(3) > 0) {
      if (ids.length < 50 && random.below(2) === 0) come();
      else if (ids.length > 0) go();
      continue;
    }
    // A few nonces come often, the others seldom.
    const nonce = nonces[random.below(2) === 0 ? random.below(5) : random.below(nonces.length)]!;
    const [known, counted] = [neighbours.known(...nonce, now), written(ids, nonce)];
    if (known?.equals(counted, 0) === false) wrong++;
    const under = neighbours.fingerprint(...nonce, now);
    if (under === undefined) continue;
    const out = new Uint8Array(FINGERPRINT_SIZE_BYTES);
    under.write(out, 0);
    if (Buffer.compare(out, counted) === 0) right++;
    else wrong++;
    if (neighbours.known(...nonce, now)?.equals(counted, 0) !== true) wrong++;
  }
  return { wrong, right };
}

test(`a node's fingerprints under all nonces follow its set: replay with SEED=${seed}`, (t) => {
  const { wrong, right } = history();
  t.is(wrong, 0);
  t.true(right > 900, `${right}`);
});

test("canary: a node that forgets to report a Drop that goes has wrong fingerprints", (t) => {
  class Forgetful extends Neighbours {
    override remove(): void {}
  }
  t.true(history((store) => new Forgetful(store, new Effort(), 0)).wrong > 0);
});

test("a forger of nonces gets its budget and no more, and drives out no neighbour that is heard", (t) => {
  const { neighbours, random, come } = shelf();
  for (let i = 0; i < 20; i++) come();
  const honest = Array.from({ length: 40 }, (): Id => [random.u32(), random.u32()]);
  for (const [i, nonce] of honest.entries()) t.truthy(neighbours.fingerprint(...nonce, i * 200));
  const beginMs = honest.length * 200;
  let counted = 0;
  let unknown = 0;
  for (let ms = 0; ms < 20_000; ms += 5) {
    if (neighbours.fingerprint(random.u32(), random.u32(), beginMs + ms) !== undefined) counted++;
    if (ms % 1_000 !== 0) continue;
    for (const nonce of honest) if (neighbours.known(...nonce, beginMs + ms) === undefined) unknown++;
  }
  t.is(unknown, 0);
  t.true(counted <= 21 * COUNTS_PER_SECOND, `${counted}`);
  t.true(NEIGHBOURS_MAX >= 50 + COUNTS_PER_SECOND);
});

/** How many ids a node in a crowd of equal sets mixes in ten seconds, and how many once a Drop came to all. */
function crowd(count: number): { quiet: number; changed: number } {
  const names = Array.from({ length: count }, (_, i) => board(`n${i}`, i, { capacity: 60 }));
  const world = worldOf(names);
  const random = new SeededRandom(seed, "crowd");
  const spread = (drops: number): void => {
    for (let i = 0; i < drops; i++) {
      const drop = new Uint8Array(20);
      random.fill(drop);
      for (const node of world.nodes) node.publish(drop);
    }
  };
  let mixed = 0;
  const { add } = Fingerprint.prototype;
  // Only this test counts meanwhile: it is synchronous.
  Fingerprint.prototype.add = function (low: number, high: number): void {
    mixed++;
    add.call(this, low, high);
  };
  try {
    spread(50);
    world.run(15);
    mixed = 0;
    world.run(25);
    const quiet = mixed / count;
    spread(1);
    mixed = 0;
    world.run(35);
    return { quiet, changed: mixed / count };
  } finally {
    Fingerprint.prototype.add = add;
  }
}

test("in a crowd of fifty whose sets do not change, beacons cost no hashing, and a new Drop costs one mix a neighbour", (t) => {
  const { quiet, changed } = crowd(50);
  t.is(quiet, 0);
  t.true(changed > 0 && changed <= 50, `${changed}`);
});

test("canary: a crowd of more neighbours than the table holds hashes all the time", (t) => {
  t.true(crowd(NEIGHBOURS_MAX + 12).quiet > 0);
});

test("beacons under a peer's address with other nonces do not end a contact while the session goes on", (t) => {
  const closed: string[] = [];
  const world = worldOf([board("a", 0), board("b", 30)], {
    observer: { contactClosed: (_node, _peer, _session, reason) => closed.push(reason) },
  });
  const [a, b] = world.nodes as [(typeof world.nodes)[0], (typeof world.nodes)[0]];
  const liar = world.medium.add(new Fixed(15, 0));
  liar.address.set(a.station.address);
  world.run(4);
  const drops = write(a, new SeededRandom(seed, "outweighed"), 100);
  while (b.throwie!.store.count < 2) world.run(world.nowS + 0.01);
  const random = new SeededRandom(seed, "liar");
  const out = new Uint8Array(FRAME_SIZE_BYTES_V1);
  while (b.throwie!.store.count < 100 && world.nowS < 15) {
    random.fill(out);
    out[FRAME_HEADER_BYTES + 8] = 0;
    liar.send(out, sealFrame(out, headerOf({ type: BEACON, payloadBytes: 69 })), new Uint8Array(6).fill(0xff));
    world.run(world.nowS + 0.2);
  }
  t.deepEqual(
    closed.filter((reason) => reason === "restarted"),
    [],
  );
  t.deepEqual(holdings(b), namesOf(drops));
});
