/**
 * Tests of contacts need a small simulated world. These functions build one, write Drops in it, and read its stores.
 */
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import type { SimNode, SimObserver } from "../sim/node.ts";
import type { SeededRandom } from "../sim/random.ts";
import type { NodeScenario, RadioScenario, Scenario } from "../sim/scenario.ts";
import type { Station } from "../sim/station.ts";
import { World } from "../sim/world.ts";

export const seed = Number(process.env.SEED ?? 1);

const DROP_SIZE_BYTES = 2_048;

export interface WorldOptions {
  radio?: Partial<RadioScenario>;
  /** The test's own seed if not given. */
  seed?: number;
  observer?: SimObserver;
  /** Other fields of the scenario. */
  scenario?: Partial<Scenario>;
}

/** A world whose nodes have all just been switched on. */
export function worldOf(nodes: NodeScenario[], options: WorldOptions = {}): World {
  const scenario = { name: "test", description: "", durationS: 3_600, drops: [], nodes, ...options.scenario };
  const radio = { rateMbps: 1, rangeM: 80, ...options.radio } as const;
  const world = new World({ ...scenario, radio }, options.seed ?? seed, options.observer);
  world.run(1.5);
  return world;
}

/** As quick as the air: for tests of what the link does, not of what a processor can do. */
export const INSTANT = { processor: "none" } as const;

export const board = (name: string, x: number, more: Partial<NodeScenario> = {}): NodeScenario => ({
  name,
  role: "throwie",
  at: [x, 0],
  ...more,
});

export function write(node: SimNode, random: SeededRandom, count: number, sizeBytes = DROP_SIZE_BYTES): Uint8Array[] {
  return Array.from({ length: count }, () => {
    const drop = new Uint8Array(sizeBytes);
    random.fill(drop);
    if (node.publish(drop) !== "stored") throw new Error(`${node.name} did not store the Drop`);
    return drop;
  });
}

/** Runs until the node is awake. A board with a wake cycle starts in its own time. */
export function untilAwake(world: World, node: SimNode): void {
  while (node.throwie === undefined) world.run(world.nowS + 0.1);
}

export const nameOf = (drop: Uint8Array): string => Buffer.from(dropId(drop)).toString("hex").slice(0, 16);
export const namesOf = (drops: Uint8Array[]): string[] => drops.map(nameOf).sort();

/** The name of the Drop in this slot. Throws if the bytes on flash do not have the ShortId of the slot. */
export function nameInSlot({ throwie }: SimNode, slot: number): string {
  const { store } = throwie!;
  const drop = new Uint8Array(store.lengthBytes(slot));
  store.read(slot, 0, drop, 0, drop.length);
  const id = dropId(drop);
  if (shortIdLow(id) !== store.idLow(slot) || shortIdHigh(id) !== store.idHigh(slot))
    throw new Error(`a false Drop: the bytes in slot ${slot} have another ShortId`);
  return nameOf(drop);
}

/** The names of the Drops that a node holds, sorted. Throws if the bytes of a Drop do not have its ShortId. */
export function holdings(node: SimNode): string[] {
  const { store } = node.throwie!;
  const all: string[] = [];
  for (let slot = 0; slot < store.capacity; slot++) if (store.occupied(slot)) all.push(nameInSlot(node, slot));
  return all.sort();
}

export const sessionOf = (frame: Uint8Array): number => frame[2]! | (frame[3]! << 8);

type Listener = (frame: Uint8Array, pass: (frame: Uint8Array) => void, from: MacAddress) => void;

/** From now on `listen` gets each frame that the station hears. The node gets the frames that `listen` passes on. */
export function overhear(station: Station, listen: Listener): void {
  const { handlers } = station;
  station.handlers = {
    ...handlers,
    onFrame(bytes, lengthBytes, from) {
      const pass = (frame: Uint8Array): void => handlers.onFrame(frame, frame.length, from);
      listen(bytes.subarray(0, lengthBytes), pass, from);
    },
  };
}
