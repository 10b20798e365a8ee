/** Nodes in a small simulated world: how tests of contacts build one, write Drops in it, and look into its stores. */
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
  /** The test's own seed unless said. */
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
    if (node.publish(drop) !== "stored") throw new Error("not stored");
    return drop;
  });
}

export const nameOf = (drop: Uint8Array): string => Buffer.from(dropId(drop)).toString("hex").slice(0, 16);
export const namesOf = (drops: Uint8Array[]): string[] => drops.map(nameOf).sort();

/** The name of the Drop in this slot; throws if its bytes on flash are not what its ShortId says. */
export function nameInSlot({ throwie }: SimNode, slot: number): string {
  const { store } = throwie!;
  const drop = new Uint8Array(store.lengthBytes(slot));
  store.read(slot, 0, drop, 0, drop.length);
  const id = dropId(drop);
  if (shortIdLow(id) !== store.idLow(slot) || shortIdHigh(id) !== store.idHigh(slot)) throw new Error("a false Drop");
  return nameOf(drop);
}

/** The Drops that a node holds, by name, sorted; throws if one is not what its ShortId says. */
export function holdings(node: SimNode): string[] {
  const { store } = node.throwie!;
  const all: string[] = [];
  for (let slot = 0; slot < store.capacity; slot++) if (store.occupied(slot)) all.push(nameInSlot(node, slot));
  return all.sort();
}

export const typeOf = (frame: Uint8Array): number => (frame[1]! >>> 4) & 7;
export const sessionOf = (frame: Uint8Array): number => frame[2]! | (frame[3]! << 8);

type Listener = (frame: Uint8Array, pass: (frame: Uint8Array) => void, from: MacAddress) => void;

/** From now on `listen` gets each frame that the station hears; the node gets what `listen` passes on. */
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
