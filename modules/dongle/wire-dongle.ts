/**
 * A dongle among its parts: what the radio hears and the line brings goes to it, and whatever happens has it turned soon.
 *
 * Radio and line want handlers to be opened, and are needed to make the dongle: what they hear or bring before it is there is
 * dropped, for nobody has been greeted yet. A loop's first turn is its own to take.
 */
import type { Clock, RadioHandlers } from "../throwie/ports.ts";
import { Dongle, type DongleRadio } from "./dongle.ts";
import type { Line } from "./line-end.ts";

export interface LineHandlers {
  onReadable(bytes: Uint8Array, lengthBytes: number): void;
  onWritable(): void;
}

export interface DongleParts {
  clock: Clock;
  openRadio(handlers: RadioHandlers): DongleRadio;
  openLine(handlers: LineHandlers): Line;
  /** Calls the dongle's `turn` when it is due, and soon after each `wake`. */
  startLoop(dongle: Dongle): { wake(): void };
}

export function wireDongle({ clock, openRadio, openLine, startLoop }: DongleParts): void {
  let dongle: Dongle | undefined;
  let loop: { wake(): void } | undefined;
  const wake = (): void => loop?.wake();
  const radio = openRadio({
    onFrame(bytes, lengthBytes, from) {
      dongle?.heard(bytes, lengthBytes, from);
      wake();
    },
    onRoom: wake,
  });
  const line = openLine({
    onReadable(bytes, lengthBytes) {
      dongle?.receive(bytes, lengthBytes);
      wake();
    },
    onWritable: wake,
  });
  dongle = new Dongle({ radio, line, clock });
  loop = startLoop(dongle);
}
