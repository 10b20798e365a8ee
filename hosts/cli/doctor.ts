/**
 * `throwie doctor`: look whether a dongle is well. It asks a dongle for its firmware and for its headroom, and judges
 * the headroom. Without a port it lists the ports on which a dongle may be.
 *
 * Nothing is sent on the air, and nothing is written.
 */
import process from "node:process";
import { harmlessJson, harmlessLine } from "../machine/harmless.ts";
import { print } from "../machine/standard-streams.ts";
import { type DongleNews, SerialRadio, serialPorts } from "../radio/serial-radio.ts";

/** A dongle is built to keep this much free (docs/firmware.md, "Memory"). */
const FREE_BYTES_MIN = 32 * 1024;
/** An interrupt or a deeper call needs this much more than what was ever used. */
const STACK_BYTES_MIN = 256;

interface DoctorOptions {
  radio?: string;
  json?: boolean;
}

export async function doctor({ radio, json = false }: DoctorOptions): Promise<void> {
  if (radio === undefined) return listPorts(json);
  const found = { port: radio, address: "", firmware: "", headroom: "" };
  const learn = (news: DongleNews): void => {
    if (news.event === "dongle-found") found.address = news.address;
    if (news.event === "dongle-firmware") found.firmware = news.firmware;
  };
  const dongle = await SerialRadio.open(radio, { onFrame() {}, onRoom() {} }, learn);
  try {
    found.headroom = await dongle.headroom();
  } finally {
    dongle.close();
  }
  const faults = faultsOf(found.headroom);
  if (json) print(harmlessJson({ ...found, faults }));
  else {
    print(harmlessLine(`The dongle ${found.address} answers on ${radio}.`));
    print(harmlessLine(`Firmware: ${found.firmware || "older than this question"}`));
    print(harmlessLine(found.headroom || "Its firmware does not know what is left of its memory: build a newer one."));
    for (const fault of faults) print(fault);
  }
  if (faults.length > 0) process.exitCode = 1;
}

function listPorts(json: boolean): void {
  const ports = serialPorts();
  if (json) print(harmlessJson({ ports }));
  else if (ports.length === 0) print("This computer has no serial port: plug in a board with the dongle role.");
  else {
    print("Serial ports of this computer; name the dongle's with --radio:");
    for (const path of ports) print(harmlessLine(`  ${path}`));
  }
}

/** A sentence for each figure that is too low, of modules/board/headroom-esp32.c's text. */
export function faultsOf(headroom: string): string[] {
  const faults: string[] = [];
  const least = Number(/(\d+) at the least/.exec(headroom)?.[1] ?? Number.NaN);
  if (least < FREE_BYTES_MIN) {
    faults.push(`Its free memory fell to ${least} bytes; a dongle keeps ${FREE_BYTES_MIN}: build newer firmware.`);
  }
  const stacks = /unused stack:(.*)$/.exec(headroom)?.[1] ?? "";
  for (const [, task, unused] of stacks.matchAll(/ ([^\d ][^ ]*(?: [^\d ][^ ]*)*) (\d+)/g)) {
    if (Number(unused) < STACK_BYTES_MIN) {
      faults.push(
        `The stack of its task ${harmlessLine(task!)} has ${unused} bytes left: report this with the firmware.`,
      );
    }
  }
  return faults;
}
