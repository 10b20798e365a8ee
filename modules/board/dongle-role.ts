/**
 * A board as a radio for a computer: `role=dongle` (docs/dongle.md). This file connects the parts. A dongle stores
 * nothing and never sleeps.
 */
import type { Dongle } from "../dongle/dongle.ts";
import { wireDongle } from "../dongle/wire-dongle.ts";
import { EspNow } from "../espnow/espnow.ts";
import { Serial } from "../serial/serial.ts";
import { headroom } from "./headroom.ts";
import { Loop, type Task } from "./loop.ts";
import type { Board } from "./ports.ts";
import type { Settings } from "./settings.ts";
import type { Trial } from "./trial.ts";

export interface DongleFirmware {
  /** As the dongle tells it to a host that asks. */
  firmware: string;
  trial: Trial | undefined;
}

export function startDongle(
  board: Board,
  { channel, rate, port, baud }: Settings,
  { firmware, trial }: DongleFirmware,
): void {
  wireDongle({
    clock: board,
    firmware,
    headroom,
    openRadio: (handlers) => new EspNow({ channel, rate, ...handlers }),
    openLine: (handlers) => new Serial({ port, baud, ...handlers }),
    startLoop: (dongle) => new Loop(board, trial === undefined ? dongle : provingItself(dongle, trial)),
  });
}

/** By a host's HELLO the radio is open and the line is heard. A line takes bytes also when nobody can read them. */
function provingItself(dongle: Dongle, trial: Trial): Task {
  return {
    turn() {
      const dueMs = dongle.turn();
      if (dongle.counters.sessions > 0) trial.passed();
      return dueMs;
    },
  };
}
