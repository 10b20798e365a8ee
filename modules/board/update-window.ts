/**
 * The first moment of a life, in which a computer may update the board (docs/update.md).
 *
 * Only someone who is at the board can update it: the window opens when the power came or a computer reset the board,
 * and neither after a sleep nor after a crash. It opens before the node and the radio start, so an update has the
 * memory to itself, and a firmware that cannot start can still be replaced. A board with one app partition has no
 * window.
 */
import Timer from "timer";
import { Serial } from "../serial/serial.ts";
import type { NextImage } from "../update/ports.ts";
import { UpdateBoard } from "../update/update-board.ts";
import { NextImageOnBoard } from "./next-image.ts";
import { Partition } from "./partition.ts";
import type { Board } from "./ports.ts";

const SOON_MS = 1;
/** A third of the watchdog's 30 seconds. */
const IDLE_MS_MAX = 10_000;

export interface WindowOptions {
  board: Board;
  /** Of the build. A wrong setting must not keep an update away, so nothing here is checked. */
  config: Record<string, unknown>;
  firmware: string;
  /** Undefined on a board with one app partition. */
  next: NextImage | undefined;
}

/** Somebody gave the board power, or reset it. */
export function isAttended({ wakeCause }: Board): boolean {
  return wakeCause === "power" || wakeCause === "other";
}

/** Undefined on a board with one app partition. */
export function nextImage(): NextImage | undefined {
  let flash: Partition;
  try {
    // The SDK's name for whichever of the two app partitions does not run.
    flash = new Partition("nextota");
  } catch {
    return undefined;
  }
  return new NextImageOnBoard(flash);
}

/** Calls `start` when nobody updates the board, in this turn or a later one. */
export function offerUpdate(options: WindowOptions, start: () => void): void {
  const { board, next } = options;
  if (next !== undefined && isAttended(board)) listen(options, next, start);
  else start();
}

function listen({ board, config, firmware }: WindowOptions, next: NextImage, start: () => void): void {
  const line = new Serial({
    port: config.port === "usb" ? "usb" : "uart",
    baud: Number(config.baud),
    onReadable: (bytes, lengthBytes) => {
      update.receive(bytes, lengthBytes);
      Timer.schedule(timer, SOON_MS, SOON_MS);
    },
    onWritable: () => Timer.schedule(timer, SOON_MS, SOON_MS),
  });
  const update = new UpdateBoard({ line, clock: board, next, firmware });
  const timer = Timer.set(
    () => {
      board.feedWatchdog();
      const dueMs = update.turn();
      // The restart counts as one crash, and none was counted: the window opens only where the count began anew.
      if (update.state === "chosen") board.restart();
      if (update.state !== "over") {
        const intervalMs = Math.min(Math.max(dueMs - board.now(), SOON_MS), IDLE_MS_MAX);
        Timer.schedule(timer, intervalMs, intervalMs);
        return;
      }
      Timer.clear(timer);
      line.close();
      start();
    },
    SOON_MS,
    SOON_MS,
  );
}
