/**
 * A dongle with its radio and its line, which need handlers to be opened and are needed to make it: for main.ts.
 *
 * What a radio hears or a line brings before the dongle is there is dropped; nobody has been greeted yet.
 */
import type { Clock, MacAddress, Radio } from "../throwie/ports.ts";
import { Dongle } from "./dongle.ts";
import type { Line } from "./line-end.ts";

export interface DongleParts {
  clock: Clock;
  /** Something happened: `turn` is to be called soon. */
  wake(): void;
  openRadio(handlers: {
    onFrame(bytes: Uint8Array, lengthBytes: number, from: MacAddress, rssiDbm: number): void;
    onRoom(): void;
  }): Radio;
  openLine(handlers: { onReadable(bytes: Uint8Array, lengthBytes: number): void; onWritable(): void }): Line;
}

export function startDongle({ clock, wake, openRadio, openLine }: DongleParts): Dongle {
  let dongle: Dongle | undefined;
  const radio = openRadio({
    onFrame(bytes, lengthBytes, from, rssiDbm) {
      dongle?.heard(bytes, lengthBytes, from, rssiDbm);
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
  return dongle;
}
