/**
 * The native part of `serialport` works only in the main thread of a process, and tests run in worker threads. So this
 * program runs the serial radios of the radio contract in a process of its own. radio-contract.test.ts sends the
 * orders.
 *
 * It opens three serial radios with their probes (radio-probe.ts). Each radio uses a pseudo-terminal (pty.c) with a
 * dongle's TypeScript at the far end. The dongles' radios are stations of the simulator's medium, whose time follows
 * the real time.
 *
 * Arguments: the program that makes a terminal, and a folder for the terminals' names.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { SerialRadio } from "../hosts/radio/serial-radio.ts";
import type { Dongle } from "../modules/dongle/dongle.ts";
import { type LineHandlers, wireDongle } from "../modules/dongle/wire-dongle.ts";
import { Kernel } from "../sim/kernel.ts";
import { Fixed } from "../sim/mobility.ts";
import { Medium } from "../sim/radio.ts";
import { SeededRandom } from "../sim/random.ts";
import { type Order, RadioProbe, type Report } from "./radio-probe.ts";

const TICK_MS = 1;
const DRIVER_BYTES = 4_096;

const [ptyProgram = "", folder = ""] = process.argv.slice(2);
const clock = { now: () => Math.floor(performance.now()) };
const kernel = new Kernel();
const medium = new Medium(kernel, new SeededRandom(1, "radio"), { rateMbps: 1, rangeM: 50 });
const dongles: (Dongle | undefined)[] = [];

function startDongle(index: number, terminal: ChildProcess): void {
  let lineHandlers: LineHandlers | undefined;
  terminal.stdout!.on("data", (bytes: Buffer) => lineHandlers?.onReadable(bytes, bytes.length));
  wireDongle({
    clock,
    openRadio(handlers) {
      const station = medium.add(new Fixed(10 * index, 0));
      station.handlers = handlers;
      return Object.assign(station, { rssiDbm: -60 });
    },
    openLine(handlers) {
      lineHandlers = handlers;
      return {
        write(bytes, offset, lengthBytes) {
          const input = terminal.stdin!;
          const taken = Math.min(lengthBytes, DRIVER_BYTES - input.writableLength);
          if (taken > 0) input.write(bytes.slice(offset, offset + taken), () => handlers.onWritable());
          return Math.max(0, taken);
        },
      };
    },
    startLoop(dongle) {
      dongles[index] = dongle;
      return { wake: () => setImmediate(() => dongle.turn()) };
    },
  });
}

async function openEnd(index: number): Promise<RadioProbe> {
  const port = join(folder, `end-${index}`);
  const terminal = spawn(ptyProgram, [port], { stdio: "pipe" });
  await once(terminal.stderr, "data");
  startDongle(index, terminal);
  const probe = new RadioProbe();
  probe.radio = await SerialRadio.open(port, probe);
  return probe;
}

setInterval(() => {
  kernel.run(Math.floor(performance.now() * 1_000));
  // The ends open at the same time, so a later dongle may be there before an earlier one.
  for (const dongle of dongles) dongle?.turn();
}, TICK_MS);

const opened = Promise.all([0, 1, 2].map(openEnd));
process.on("message", async ({ end, order }: { end: number; order: Order }) => {
  const report: Report = (await opened)[end]!.obey(order);
  process.send!({ end, report });
});
process.on("disconnect", () => process.exit(0));
