/**
 * A board as a radio for a computer: `role=dongle` (docs/dongle.md). Wiring only; it keeps nothing and never sleeps.
 */
import { Dongle } from "../dongle/dongle.ts";
import { EspNow } from "../espnow/espnow.ts";
import { Serial } from "../serial/serial.ts";
import { Loop } from "./loop.ts";
import type { Board } from "./ports.ts";
import type { Settings } from "./settings.ts";

export function startDongle(board: Board, { channel, rate, port, baud }: Settings): void {
  const wake = (): void => loop.wake();
  const line = new Serial({
    port,
    baud,
    onReadable(bytes, lengthBytes) {
      dongle.receive(bytes, lengthBytes);
      wake();
    },
    onWritable: wake,
  });
  const radio = new EspNow({
    channel,
    rate,
    onFrame(bytes, lengthBytes, from, rssiDbm) {
      dongle.heard(bytes, lengthBytes, from, rssiDbm);
      wake();
    },
    onRoom: wake,
  });
  const dongle = new Dongle({ radio, line, clock: board });
  const loop = new Loop(board, dongle);
}
