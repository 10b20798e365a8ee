/**
 * The native part of `serialport` works only in the main thread of a process, and tests run in worker threads. So this
 * program stands for the computer with a dongle, in a process of its own. It sends and receives numbered frames, or it
 * is a node. test/serial-radio.test.ts sends it orders as messages, and it answers each order with a report.
 */
import process from "node:process";
import { HostNode } from "../hosts/node/host-node.ts";
import { type DongleNews, SerialRadio } from "../hosts/radio/serial-radio.ts";
import { dropId } from "../modules/drop/drop.ts";
import type { RadioHandlers } from "../modules/throwie/ports.ts";
import { Arrivals, FRAME_BYTES, frameOf } from "./dongle-world.ts";

export type HostOrder =
  | { order: "open"; port: string }
  /** Starts a node with its store in a file, and publishes twenty Drops. */
  | { order: "node"; port: string; store: string }
  /** Sends this number of further frames, each as soon as there is room. */
  | { order: "send"; frames: number }
  | { order: "close" | "report" };

export interface HostReport {
  /** The error message of the last order that failed. */
  refusal: string | undefined;
  address: number[];
  frameSizeBytesMax: number;
  full: boolean;
  outstanding: number;
  counters: SerialRadio["counters"] | undefined;
  made: number;
  wanted: number;
  arrived: number;
  faults: string[];
  news: DongleNews[];
  held: number;
  /** The number of different verified Drops in the store. */
  verified: number;
}

const ADDRESS = Uint8Array.of(2, 0, 0, 0, 0, 9);
const arrived = new Arrivals("up", (number) => frameOf(number, 1, FRAME_BYTES, FRAME_BYTES));
const news: DongleNews[] = [];
let radio: SerialRadio | undefined;
let node: HostNode | undefined;
let refusal: string | undefined;
let made = 0;
let wanted = 0;

function send(): void {
  while (radio !== undefined && made < wanted && !radio.full) {
    const frame = frameOf(made + 1, 0, FRAME_BYTES, FRAME_BYTES);
    if (radio.send(frame, frame.length, ADDRESS)) made++;
  }
}

async function open(port: string, handlers: RadioHandlers): Promise<SerialRadio> {
  radio = await SerialRadio.open(port, handlers, (told) => news.push(told));
  return radio;
}

async function obey(order: HostOrder): Promise<void> {
  switch (order.order) {
    case "open":
      refusal = undefined;
      await open(order.port, {
        onFrame: (bytes, lengthBytes) => arrived.take(bytes.subarray(0, lengthBytes)),
        onRoom: send,
      });
      return;
    case "node":
      node = await HostNode.open({ storePath: order.store, openRadio: (handlers) => open(order.port, handlers) });
      for (let i = 0; i < 20; i++) {
        node.publish(
          Uint8Array.from({ length: 300 + 80 * i }, (_, at) => i * 7 + at),
          "wire",
        );
      }
      return;
    case "send":
      wanted += order.frames;
      return send();
    case "close":
      if (node === undefined) radio?.close();
      else node.close();
      node = undefined;
      return;
    case "report":
      return;
  }
}

function report(): HostReport {
  const drops = node === undefined ? [] : [...node.drops()];
  return {
    refusal,
    address: [...(radio?.address ?? [])],
    frameSizeBytesMax: radio?.frameSizeBytesMax ?? 0,
    full: radio?.full ?? true,
    outstanding: radio?.outstanding ?? 0,
    counters: radio?.counters,
    made,
    wanted,
    arrived: arrived.count,
    faults: arrived.faults,
    news,
    held: node?.held ?? 0,
    verified: new Set(drops.map((drop) => Buffer.from(dropId(drop)).toString("hex"))).size,
  };
}

process.on("message", async ({ id, order }: { id: number; order: HostOrder }) => {
  try {
    await obey(order);
  } catch (error) {
    refusal = (error as Error).message;
  }
  process.send!({ id, report: report() });
});
process.on("disconnect", () => process.exit(0));
