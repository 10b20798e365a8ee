/**
 * `throwie mule`: carry Drops through the town with a laptop and a dongle, until a signal stops it.
 *
 * The store is the file that `throwie write` and `throwie read` use too. While the Mule runs, it alone writes to the
 * file, and `throwie write` gives it the Drop (hosts/control).
 */
import { randomBytes } from "node:crypto";
import process from "node:process";
import { ADDRESS_BYTES, type MacAddress } from "../../modules/throwie/ports.ts";
import { countOf } from "../machine/count-of.ts";
import { harmlessJson, harmlessLine } from "../machine/harmless.ts";
import { LogLines } from "../machine/log-lines.ts";
import { aborted, stopRequests } from "../machine/stop.ts";
import { HostNode, radioAddress } from "../node/host-node.ts";
import { openControl, refuseCarried } from "./carry.ts";
import { type RadioNews, type RadioOptions, radioOf } from "./radio-options.ts";

export async function mule(options: RadioOptions & { store: string; json?: boolean }): Promise<void> {
  const say = (event: string, words: string, details: object): void => {
    const at = new Date().toISOString();
    lines.write(
      `${options.json ? harmlessJson({ at, event, ...details }) : harmlessLine(`${at.slice(11, 19)}  ${words}`)}\n`,
    );
  };
  const lines = new LogLines(1, (count) =>
    say("log-dropped", `${countOf(count, "line")} could not be printed`, { lines: count }),
  );
  const tell = (news: RadioNews): void => say(news.event, wordsOf(news), news);
  const openRadio = radioOf(options, tell);
  const address = radioAddress(randomBytes(ADDRESS_BYTES));
  const taken = new Map<string, number>();
  const given = new Map<string, number>();
  const count = (counts: Map<string, number>, peer: MacAddress | undefined): void => {
    if (peer !== undefined) counts.set(nameOf(peer), (counts.get(nameOf(peer)) ?? 0) + 1);
  };
  const stop = stopRequests();
  const node = await HostNode.open({
    storePath: options.store,
    signal: stop,
    whileHeld: () => refuseCarried(options.store, stop),
    openRadio: (handlers) => openRadio(handlers, address),
    events: {
      contactOpened: (peer) => say("met", `met ${nameOf(peer)}`, { peer: nameOf(peer) }),
      dropStored: (_slot, peer) => count(taken, peer),
      dropSent: (_slot, peer) => count(given, peer),
      contactClosed: (peer, _session, reason) => {
        const name = nameOf(peer);
        const details = { peer: name, taken: taken.get(name) ?? 0, given: given.get(name) ?? 0, reason };
        taken.delete(name);
        given.delete(name);
        say("parted", `parted from ${name}: received ${details.taken}, sent ${details.given} (${reason})`, details);
      },
    },
  });
  const control = await openControl(options.store, node, "mule");
  say("carrying", `carrying ${countOf(node.held, "Drop")} from ${options.store}`, {
    held: node.held,
    store: options.store,
  });
  if (!control.serves) {
    const words = "no other command can write to this store meanwhile: set XDG_RUNTIME_DIR to a folder of your own";
    say("no-socket", words, { store: options.store });
  }
  await aborted(stop);
  control.close();
  node.close();
  say("stopped", `stopped; the store holds ${countOf(node.held, "Drop")}`, { held: node.held });
  await lines.close();
  process.exit(0);
}

function nameOf(address: MacAddress): string {
  return [...address].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function wordsOf(news: RadioNews): string {
  switch (news.event) {
    case "dongle-found":
      return `the dongle ${news.address} answers on ${news.port}`;
    case "dongle-firmware":
      return `its firmware is ${news.firmware}`;
    case "dongle-lost":
      return `${news.reason} Searching for it again.`;
    case "air-silent":
      return `the air ${news.air} does not answer; start the simulated town that it belongs to, or give another --air`;
  }
}
