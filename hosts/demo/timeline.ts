/**
 * The output of the demo: the way of one message, from events of the two towns and from the logs of the two gateways.
 *
 * Each line gives the town, its own clock, and the event. A hop is one transfer of the message from one node to
 * another. Heat is printed as the number of movements that have not cooled yet.
 */
import { HEAT_UNITS_PER_HALF_LIFE } from "../../modules/temperature/temperature.ts";
import type { MacAddress } from "../../modules/throwie/ports.ts";
import { sameAddress } from "../../modules/throwie/ports.ts";
import type { SimNode, SimObserver } from "../../sim/node.ts";
import type { GatewayWatcher } from "./gateway-process.ts";
import { COMPRESSION, type Town } from "./town.ts";

/** Each town's gateway, by the name of its place. */
const GATEWAY_OF: Record<string, string> = { west: "library", east: "bookshop" };

interface Entry {
  town: string;
  atS: number;
  what: string;
}

interface Account {
  frames: number;
  bytes: number;
}

export class Timeline implements GatewayWatcher {
  /** The last step of the message, as a sentence. */
  lastStep = "Nothing had happened yet";
  readonly #json: boolean;
  readonly #entries: Entry[] = [];
  readonly #towns = new Map<string, Town>();
  readonly #hops = new Map<string, number>();
  readonly #arrivals = new Map<string, number>();
  /** How often each event happened that must not happen twice, even when a gateway is killed. */
  readonly #once = new Map<string, number>();
  readonly #contacts = new Map<string, Account>();
  #dropId = "";
  #beganMs = 0;
  #lastMs = 0;

  constructor(json: boolean) {
    this.#json = json;
  }

  begin({ text, drop, id, isolated }: { text: string; drop: Uint8Array; id: Uint8Array; isolated: boolean }): void {
    this.#dropId = Buffer.from(id).toString("hex");
    this.#beganMs = performance.now();
    this.#lastMs = this.#beganMs;
    this.#say("Two towns, two gateways, one message.");
    this.#say(
      isolated
        ? "Network: a namespace of its own with nothing but loopback."
        : "Network: loopback addresses, but no namespace of its own: UPnP discovery can leave this machine.",
    );
    this.#say(`Sealed: ${text.length} characters become a Drop of ${drop.length} bytes, ${this.#dropId.slice(0, 16)}.`);
    this.#say("");
  }

  watch(town: Town): void {
    this.#towns.set(town.world.scenario.name, town);
  }

  end(
    reader: string,
    read: string,
    { passphrase, wrongPassphrase }: { passphrase: string; wrongPassphrase: string },
  ): void {
    const seconds = (performance.now() - this.#beganMs) / 1_000;
    const arrivals = this.#arrivals.get(reader) ?? 0;
    for (const [what, count] of this.#once) if (count > 1) throw new Error(`${what} ${count} times.`);
    const hops = this.#hops.get(reader) ?? 0;
    if (arrivals !== 1) throw new Error(`the message arrived ${arrivals} times.`);
    let frames = 0;
    let bytesOnAir = 0;
    for (const { world } of this.#towns.values()) {
      frames += world.medium.counters.frames;
      bytesOnAir += world.medium.counters.bytesOnAir;
    }
    if (this.#json) {
      const { length } = this.#entries;
      const report = {
        message: read,
        dropId: this.#dropId,
        reader,
        arrivals,
        hops,
        seconds,
        frames,
        bytesOnAir,
        length,
      };
      console.log(JSON.stringify({ ...report, timeline: this.#entries }));
      return;
    }
    this.#say("");
    this.#say(`With "${wrongPassphrase}" the Drop does not open.`);
    this.#say(`With "${passphrase}" ${reader} reads:`);
    this.#say("");
    this.#say(`    ${read}`);
    this.#say("");
    this.#say(
      `Arrived once, ${hops} hops, ${frames.toLocaleString("en")} frames and ${bytesOnAir.toLocaleString("en")} bytes on both airs, ${seconds.toFixed(1)} s.`,
    );
  }

  /** The observer of a town's nodes. */
  observer(town: string, shortId: { low: number; high: number }): SimObserver {
    const isMessage = (node: SimNode, slot: number): boolean => {
      const { store } = node.throwie!;
      return store.idLow(slot) === shortId.low && store.idHigh(slot) === shortId.high;
    };
    return {
      contactOpened: (node, peer) => {
        this.#contacts.set(`${node.name} ${peer}`, this.#air(town));
      },
      contactClosed: (node, peer, _session, reason) => {
        const before = this.#contacts.get(`${node.name} ${peer}`);
        const other = this.#nameOf(town, peer);
        // Both ends report a contact between two simulated nodes. One line is enough.
        if (before === undefined || (other !== GATEWAY_OF[town] && other < node.name)) return;
        const after = this.#air(town);
        const cost = `${after.frames - before.frames} frames, ${(after.bytes - before.bytes).toLocaleString("en")} bytes on air`;
        this.#tell(town, `${node.name} and ${other}: contact over (${reason}), ${cost}`);
      },
      dropStored: (node, slot, peer) => {
        if (!isMessage(node, slot)) return;
        const from = peer === undefined ? undefined : this.#nameOf(town, peer);
        const hops = from === undefined ? 0 : (this.#hops.get(from) ?? 0) + 1;
        this.#hops.set(node.name, hops);
        this.#arrivals.set(node.name, (this.#arrivals.get(node.name) ?? 0) + 1);
        const { throwie } = node;
        const movements = 2 ** ((throwie!.store.heat(slot) - throwie!.custody.heatNow()) / HEAT_UNITS_PER_HALF_LIFE);
        const how = from === undefined ? "writes the message" : `has the message from ${from}`;
        this.#step(town, `${node.name} ${how} (hop ${hops}, heat ${movements.toFixed(2)})`);
      },
    };
  }

  /** Says on standard error what the demo waits for, when the timeline had no new line for so long. */
  sayIfSilent(silenceMs: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastMs < silenceMs) return;
    this.#lastMs = nowMs;
    const realS = (nowMs - this.#beganMs) / 1_000;
    const townS = Math.min(...[...this.#towns.values()].map(({ world }) => world.nowS));
    console.error(
      `Still going after ${realS.toFixed(0)} s. The towns have lived ${townS.toFixed(0)} s; an idle machine gives them ` +
        `${COMPRESSION} s in each second. ${this.lastStep}.`,
    );
  }

  gatewayStarted(name: string, processId: number): void {
    this.#tell(townOf(name), `the ${name}'s gateway starts, process ${processId}`);
  }

  gatewayEnded(name: string, how: string): void {
    this.#tell(townOf(name), `the ${name}'s gateway ended (${how}); starting it again`);
  }

  gatewaySaid(name: string, line: Record<string, unknown>): void {
    const town = townOf(name);
    const other = name === "library" ? "bookshop" : "library";
    if (line.drop !== undefined && line.drop !== this.#dropId) return;
    switch (line.event) {
      case "peer-up":
        this.#tell(town, `the ${name} and the ${other} are connected by QUIC`);
        break;
      case "posted":
        this.#count(`the ${name} posted the message`);
        this.#hops.set(name, this.#hopsInto(town) + 1);
        this.#step(
          town,
          `the ${name} heard the message on the air, and signed a post of it (hop ${this.#hops.get(name)})`,
        );
        break;
      case "pushed":
        this.#step(town, `the ${name} pushed the post to the ${other}: ${line.outcome}`);
        break;
      case "received":
        this.#count(`the ${name} received the post`);
        this.#hops.set(name, (this.#hops.get(other) ?? 0) + 1);
        this.#step(town, `the ${name} has the post by QUIC (hop ${this.#hops.get(name)})`);
        break;
      case "to-air":
        if (line.outcome === "stored") this.#count(`the ${name} put the message on its air`);
        this.#step(town, `the ${name} puts the message on its air, cold: nobody carried the message here`);
        break;
    }
  }

  #count(what: string): void {
    this.#once.set(what, (this.#once.get(what) ?? 0) + 1);
  }

  #hopsInto(town: string): number {
    let most = 0;
    for (const node of this.#towns.get(town)!.world.nodes) most = Math.max(most, this.#hops.get(node.name) ?? 0);
    return most;
  }

  #air(town: string): Account {
    const { counters } = this.#towns.get(town)!.world.medium;
    return { frames: counters.frames, bytes: counters.bytesOnAir };
  }

  #nameOf(town: string, address: MacAddress): string {
    const { nodes } = this.#towns.get(town)!.world;
    return nodes.find((node) => sameAddress(node.station.address, address))?.name ?? GATEWAY_OF[town]!;
  }

  #step(town: string, what: string): void {
    this.lastStep = `In the ${town}, ${what}`;
    this.#tell(town, what);
  }

  #tell(town: string, what: string): void {
    this.#lastMs = performance.now();
    const atS = this.#towns.get(town)?.world.nowS ?? 0;
    this.#entries.push({ town, atS, what });
    const clock = new Date(atS * 1_000).toISOString().slice(11, 19);
    this.#say(`${town}  ${clock}  ${what}`);
  }

  #say(line: string): void {
    if (!this.#json) console.log(line);
  }
}

function townOf(gateway: string): string {
  return gateway === GATEWAY_OF.west ? "west" : "east";
}
