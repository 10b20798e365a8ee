/**
 * A board as a radio for a computer: `role=dongle` (docs/dongle.md). This file connects the parts. A dongle stores
 * nothing and never sleeps.
 */
import { wireDongle } from "../dongle/wire-dongle.ts";
import { EspNow } from "../espnow/espnow.ts";
import { Serial } from "../serial/serial.ts";
import { Loop } from "./loop.ts";
import type { Board } from "./ports.ts";
import type { Settings } from "./settings.ts";

export function startDongle(board: Board, { channel, rate, port, baud }: Settings, firmware: string): void {
  wireDongle({
    clock: board,
    firmware,
    openRadio: (handlers) => new EspNow({ channel, rate, ...handlers }),
    openLine: (handlers) => new Serial({ port, baud, ...handlers }),
    startLoop: (dongle) => new Loop(board, dongle),
  });
}
