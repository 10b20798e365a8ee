/**
 * Connects a dongle to its radio, its line and its loop. Frames and bytes go to the dongle, and each event causes a
 * turn soon.
 *
 * The radio and the line need handlers when they are opened, and the dongle needs radio and line when it is made.
 * Frames and bytes that arrive before the dongle exists are dropped, because no session exists yet. The loop takes its
 * first turn itself.
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
  /** As the dongle tells it to a host that asks. */
  firmware?: string;
  /** Asked anew for each host that asks. */
  headroom?: () => string;
  openRadio(handlers: RadioHandlers): DongleRadio;
  openLine(handlers: LineHandlers): Line;
  /** Calls the dongle's `turn` when it is due, and soon after each `wake`. */
  startLoop(dongle: Dongle): { wake(): void };
}

export function wireDongle({ openRadio, openLine, startLoop, ...known }: DongleParts): void {
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
  dongle = new Dongle({ radio, line, ...known });
  loop = startLoop(dongle);
}
