/**
 * Attackers may flood a board with junk. This file plays a siege in the simulator: a full store whose Drops were each
 * carried at least twice, attackers with all the junk, addresses and patience they want, and people who walk past
 * meanwhile (docs/temperature.md, "Admission").
 *
 * An attacker is the radio of an honest node with a liar above it. All its junk claims the greatest heat and is new
 * each time. The attacker gives it under as many addresses as the strategy says. A giver takes no Drops. A taker takes
 * only junk, to heat it; then it forgets the junk and takes it again.
 *
 * This is a siege of what a board keeps, not of its processor, so computing takes no time.
 *
 * The Drops that were displaced are counted in the board's own store at the end.
 */
import { dropId, shortIdLow } from "../modules/drop/drop.ts";
import { decodeFrame, Frame, sealFrame } from "../modules/glacier/frame.ts";
import { DROP } from "../modules/glacier/frame-type.ts";
import type { Store } from "../modules/store/store.ts";
import { HEAT_CAP, HEAT_UNITS_PER_HALF_LIFE } from "../modules/temperature/temperature.ts";
import { sameAddress } from "../modules/throwie/ports.ts";
import type { Kernel } from "../sim/kernel.ts";
import type { SimNode, SimObserver } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import type { NodeScenario } from "../sim/scenario.ts";
import type { Station } from "../sim/station.ts";
import { World } from "../sim/world.ts";

export interface Strategy {
  name: string;
  /** How many radios give junk. */
  givers: number;
  /** How many radios take junk, to heat it. */
  takers?: number;
  /** Whether attackers take a new address after each contact. */
  addresses?: boolean;
  /** Attackers are on for `onS` and off for `offS`, again and again. */
  visits?: { onS: number; offS: number };
  /** How many junk Drops a giver has at a time. With 1 the junk drips. */
  stock?: number;
  /** Givers send a new fragment only once in so many seconds, and repeat the last one in between. */
  trickleS?: number;
  /** The size of a junk Drop; 60 if not given. */
  junkBytes?: number;
  /** Whether the bytes of junk have another ShortId than the giver says. */
  lies?: boolean;
  /** The board loses its power once in so many seconds. */
  restartsEveryS?: number;
}

export interface Siege {
  capacity: number;
  durationS: number;
  halfLifeS?: number;
  /** For so many half-lives before the siege no node has come past. */
  cooledHalfLives?: number;
  /**
   * From `fromS` on, once in `everyS`, an author comes past with one new Drop and stays for `stayS`. After `afterS` a
   * reader comes, who takes the Drops that the board has.
   */
  people?: { fromS: number; everyS: number; stayS: number; afterS: number };
  /** A change that a canary makes to the board. */
  board?: (node: SimNode) => void;
}

export interface Outcome {
  /** How many different junk Drops were offered, and how many the board stored. */
  junkOffered: number;
  junkStored: number;
  /** How many of the Drops that the board had before are gone. */
  displaced: number;
  displacedOfHottestHalf: number;
  honest: number;
  honestStored: number;
  honestOfferedOn: number;
}

const DROP_BYTES = 60;
const STOCK = 40;
const READER_ROOM = 600;
const REPEATED_US = 1_000_000;
/** A node asks a peer without room so often (modules/glacier/room.ts), and a second more. */
const WAITING_US = 11_000_000;
const BROADCAST = new Uint8Array(6).fill(0xff);

/** From now on each Drop is read with one bit flipped. */
function lie(store: Store): void {
  const read = store.read.bind(store);
  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  store.read = (slot, from, into, offset, lengthBytes) => {
    read(slot, from, into, offset, lengthBytes);
    if (from === 0 && lengthBytes > 0) into[offset]! ^= 1;
  };
}

export function besiege(strategy: Strategy, siege: Siege, seed: number): Outcome {
  const { capacity, durationS, people } = siege;
  const random = new SeededRandom(seed, `siege ${strategy.name}`);
  const nodes: NodeScenario[] = [{ name: "board", role: "throwie", at: [0, 0], capacity, processor: "none" }];
  for (let i = 0; i < strategy.givers; i++)
    nodes.push({ name: `giver-${i}`, role: "mule", at: [20, 5 * i], processor: "none" });
  for (let i = 0; i < (strategy.takers ?? 0); i++)
    nodes.push({ name: `taker-${i}`, role: "mule", at: [-20, 5 * i], processor: "none" });
  const comings: number[] = [];
  if (people !== undefined) {
    const { fromS, everyS, stayS, afterS } = people;
    for (let atS = fromS; atS + afterS + stayS + 5 < durationS; atS += everyS)
      comings.push(atS + random.below(1_000) / 1_000);
    comings.forEach((atS, i) => {
      nodes.push({ name: `author-${i}`, role: "mule", path: passing(atS, stayS), processor: "none" });
      // A reader without free room would be under siege like the board.
      nodes.push({
        name: `reader-${i}`,
        role: "mule",
        processor: "none",
        path: passing(atS + afterS, stayS),
        capacity: capacity + READER_ROOM,
      });
    });
  }

  const junk = new Set<number>();
  const honest = new Map<number, { stored: boolean; offeredOn: boolean; reader: SimNode }>();
  let junkStored = 0;
  let begun = false;
  const lowOf = (node: SimNode, slot: number): number => node.throwie!.store.idLow(slot);
  const observer: SimObserver = {
    started: (node) => prepare(node),
    dropStored: (node, slot, peer) => {
      if (peer === undefined) return;
      // The reader may also overhear what the board sends to others.
      const taken = sameAddress(peer, board.station.address) ? honest.get(lowOf(node, slot)) : undefined;
      if (taken?.reader === node) taken.offeredOn = true;
      if (node.name !== "board") return;
      const low = lowOf(node, slot);
      if (junk.has(low)) junkStored++;
      const drop = honest.get(low);
      if (drop !== undefined) drop.stored = true;
    },
    dropSent: (node, slot, peer) => {
      if (node.name !== "board") return;
      const drop = honest.get(lowOf(node, slot));
      if (drop?.reader.station.address.every((byte, i) => byte === peer[i]) === true) drop.offeredOn = true;
    },
    contactClosed: (node) => {
      if (!node.name.startsWith("giver") && !node.name.startsWith("taker")) return;
      const { throwie } = node;
      world.kernel.after(1, () => {
        if (node.throwie !== throwie || throwie === undefined || throwie.contacts > 0) return;
        if (strategy.addresses === true) random.fill(node.station.address.subarray(2));
        restock(node);
      });
    },
  };

  const fresh = (sizeBytes = DROP_BYTES): Uint8Array => {
    const drop = new Uint8Array(sizeBytes);
    random.fill(drop);
    return drop;
  };
  /** Makes an attacker's node lie and take only what the attacker likes. */
  const prepare = (node: SimNode): void => {
    const giver = node.name.startsWith("giver");
    if (!giver && !node.name.startsWith("taker")) {
      if (node.name === "board") siege.board?.(node);
      return;
    }
    if (giver && strategy.lies === true) lie(node.throwie!.store);
    node.throwie!.custody.judge = (low) => (!giver && junk.has(low) ? "free" : "departed");
    world.kernel.after(1, () => restock(node));
  };
  const restock = (node: SimNode): void => {
    if (node.throwie === undefined || !begun) return;
    const { store } = node.throwie;
    for (let slot = 0; slot < store.capacity; slot++) if (store.occupied(slot)) store.remove(slot);
    if (node.name.startsWith("taker")) return;
    while (store.count < (strategy.stock ?? STOCK)) {
      const drop = fresh(strategy.junkBytes);
      junk.add(shortIdLow(dropId(drop)));
      node.publish(drop);
      store.setHeat(store.lastSlot, node.throwie.custody.heatNow() + HEAT_CAP);
    }
  };

  const world = new World(
    {
      name: "siege",
      description: "",
      durationS,
      radio: { rateMbps: 1, rangeM: 80 },
      ...(siege.halfLifeS === undefined ? {} : { halfLifeS: siege.halfLifeS }),
      nodes,
      drops: [],
    },
    seed,
    observer,
  );
  const board = world.node("board")!;
  const authors = comings.map((_, i) => world.node(`author-${i}`)!);
  const old: Uint8Array[] = [];
  const before: { low: number; high: number }[] = [];

  // The store fills, and each of its Drops is carried twice to ten times, before any other node is switched on.
  for (const node of world.nodes) if (node !== board) world.kernel.at(1_000_000, () => node.crash());
  world.run(1.1);
  begun = true;
  const { store } = board.throwie!;
  for (let i = 0; i < capacity; i++) {
    const drop = fresh();
    old.push(drop);
    if (board.publish(drop) !== "stored") throw new Error("siege: the board did not store its Drop");
    // Others wrote the Drops of a board.
    store.markOwn(store.lastSlot, false, 0);
    for (let times = 2 + random.below(9); times > 0; times--) board.throwie!.custody.warm(store.lastSlot);
    const cooledUnits = (siege.cooledHalfLives ?? 0) * HEAT_UNITS_PER_HALF_LIFE;
    store.setHeat(store.lastSlot, store.heat(store.lastSlot) - cooledUnits);
  }
  board.throwie!.checkpoint();
  const slots = Array.from({ length: capacity }, (_, slot) => slot).sort((a, b) => store.heat(b) - store.heat(a));
  for (const slot of slots) before.push({ low: store.idLow(slot), high: store.idHigh(slot) });

  comings.forEach((atS, i) => {
    const author = authors[i]!;
    const reader = world.node(`reader-${i}`)!;
    world.kernel.at(micros(atS - 2), () => {
      author.start();
      const drop = fresh();
      if (author.publish(drop) !== "stored") throw new Error("siege: the author could not write");
      honest.set(shortIdLow(dropId(drop)), { stored: false, offeredOn: false, reader });
    });
    world.kernel.at(micros(atS + people!.stayS + 4), () => author.crash());
    // A reader has been here before. So only the Drops that came in since are new to it.
    world.kernel.at(micros(atS + people!.afterS - 2), () => {
      reader.start();
      for (const drop of old) reader.publish(drop, "wire");
    });
    world.kernel.at(micros(atS + people!.afterS + people!.stayS + 4), () => reader.crash());
  });
  for (const node of world.nodes) {
    if (strategy.trickleS !== undefined && node.name.startsWith("giver")) {
      trickle(node.station, micros(strategy.trickleS), world.kernel);
    }
    if (!node.name.startsWith("giver") && !node.name.startsWith("taker")) continue;
    const { onS, offS } = strategy.visits ?? { onS: durationS, offS: 0 };
    for (let atS = 2 + random.below(1_000) / 1_000; atS < durationS; atS += onS + offS) {
      world.kernel.at(micros(atS), () => {
        if (strategy.addresses === true) random.fill(node.station.address.subarray(2));
        if (node.throwie === undefined) node.start();
      });
      world.kernel.at(micros(atS + onS), () => node.crash());
    }
  }
  const { restartsEveryS } = strategy;
  if (restartsEveryS !== undefined) {
    for (let atS = restartsEveryS; atS < durationS; atS += restartsEveryS) {
      world.kernel.at(micros(atS), () => board.crash());
      world.kernel.at(micros(atS + 1), () => board.start());
    }
  }
  world.run(durationS);

  const after = board.throwie!.store;
  const gone = before.map(({ low, high }) => after.find(low, high) < 0);
  const half = gone.slice(0, Math.ceil(capacity / 2));
  const drops = [...honest.values()];
  return {
    junkOffered: junk.size,
    junkStored,
    displaced: gone.filter(Boolean).length,
    displacedOfHottestHalf: half.filter(Boolean).length,
    honest: drops.length,
    honestStored: drops.filter(({ stored }) => stored).length,
    honestOfferedOn: drops.filter(({ offeredOn }) => offeredOn).length,
  };
}

/**
 * Makes a radio seem slow. It keeps fragments back, repeats the last one instead, and asks for an answer. It does so
 * too while its node waits for room.
 */
function trickle(station: Station, everyUs: number, kernel: Kernel): void {
  const now = (): number => kernel.nowUs;
  const send = station.send.bind(station);
  const frame = new Frame();
  const sessions = new Map<number, { last: Uint8Array; newUs: number; sentUs: number; wantedUs: number }>();
  const repeat = (sessionId: number, last: Uint8Array): void => {
    const session = sessions.get(sessionId);
    if (session?.last !== last || now() - session.wantedUs > WAITING_US) return;
    if (now() - session.sentUs >= REPEATED_US) {
      session.sentUs = now();
      send(last, last.length, BROADCAST);
    }
    kernel.after(REPEATED_US, () => repeat(sessionId, last));
  };
  station.send = (bytes, lengthBytes, to) => {
    if (decodeFrame(bytes, lengthBytes, frame) !== undefined)
      throw new Error("siege: a giver sent bytes that are no frame");
    if (frame.type !== DROP) return send(bytes, lengthBytes, to);
    const { sessionId } = frame;
    let session = sessions.get(sessionId);
    if (session === undefined || now() - session.newUs >= everyUs) {
      const last = bytes.slice(0, lengthBytes);
      frame.poll = true;
      sealFrame(last, frame);
      session = { last, newUs: now(), sentUs: -Infinity, wantedUs: now() };
      sessions.set(sessionId, session);
      kernel.after(REPEATED_US, () => repeat(sessionId, last));
    }
    session.wantedUs = now();
    if (now() - session.sentUs < REPEATED_US) return true;
    session.sentUs = now();
    return send(session.last, session.last.length, to);
  };
}

function passing(atS: number, stayS: number): [number, number, number][] {
  return [
    [0, 0, 1_000],
    [atS, 0, 1_000],
    [atS + 0.5, 0, 40],
    [atS + stayS, 0, -40],
    [atS + stayS + 0.5, 0, -1_000],
  ];
}

function micros(seconds: number): number {
  return Math.floor(seconds * 1_000_000);
}
