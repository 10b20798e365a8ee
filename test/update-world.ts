/** One update in simulated time: a host, a line that may be bad, and a board's end over a chip (update-chip.ts). */
import { NextImageOnBoard } from "../modules/board/next-image.ts";
import { encodeLine, lineBytesMax, MESSAGE_AT } from "../modules/dongle/framing.ts";
import { writeBoard } from "../modules/update/message.ts";
import { UpdateBoard } from "../modules/update/update-board.ts";
import { UpdateHost } from "../modules/update/update-host.ts";
import { SeededRandom } from "../sim/random.ts";
import { firmwareImage } from "./firmware-image.ts";
import { Chip, PowerCut } from "./update-chip.ts";

export const SMALL = 6_000;
const OLD = firmwareImage({ segments: [700, 900], fill: 1 });
/** 92 bytes a millisecond are 921,600 bits a second. */
const LINE_BYTES_PER_MS = 92;
const LIMIT_MS = 120_000;

export interface Play {
  /** A chip from an earlier play. */
  chip?: Chip;
  cutAt?: number;
  wornFrom?: number;
  /** The board's firmware has not proved itself. */
  onTrial?: boolean;
  imageChip?: number;
  /** What the host says of the image, where that is not true. */
  announcedChip?: number;
  sizeBytes?: number;
  fill?: number;
  /** What becomes of the image on its way. */
  change?: (image: Uint8Array) => Uint8Array;
  boardVersion?: number;
  /** The line carries so many bytes to the board, and none afterwards. */
  cutLineAfter?: number;
  /** Of a million bytes, so many are lost, as many damaged and as many added. */
  noise?: number;
  seed?: number;
}

export interface Played {
  chip: Chip;
  host: UpdateHost;
  board: UpdateBoard;
  image: Uint8Array;
  /** The image that ran before. */
  before: Buffer;
  outside: string;
  cut: boolean;
  /** Erases and programs. */
  operations: number;
  /** When the board's end was over. */
  boardMs: number;
  /** What an update must never do. */
  faults: string[];
}

/** Bytes that a line carries, at its speed. */
class Wire {
  #bytes: number[] = [];

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    const taken = Math.min(lengthBytes, 4_096 - this.#bytes.length);
    this.#bytes.push(...bytes.subarray(offset, offset + taken));
    return taken;
  }

  carry(): number[] {
    return this.#bytes.splice(0, LINE_BYTES_PER_MS);
  }
}

export function play(play: Play = {}): Played {
  const { imageChip = 5, fill = 2, seed = 1, noise = 0, cutLineAfter = Number.POSITIVE_INFINITY } = play;
  const chip = play.chip ?? new Chip();
  if (play.chip === undefined) {
    chip.write(OLD);
    chip.boot();
  }
  Object.assign(globalThis, { native: (name: string) => chip.natives[name] });
  const sizeBytes = play.sizeBytes ?? 20_000;
  const image = firmwareImage({
    chip: imageChip,
    segments: [sizeBytes - firmwareImage({ segments: [0] }).length],
    fill,
  });
  const before = chip.imageIn(chip.running)!;
  const { outside } = chip;
  const startedAt = chip.operations;
  chip.cutAt = startedAt + (play.cutAt ?? Number.POSITIVE_INFINITY);
  chip.wornFrom = startedAt + (play.wornFrom ?? Number.POSITIVE_INFINITY);
  const random = new SeededRandom(seed, "update");
  let now = 0;
  const clock = { now: () => now };
  const down = new Wire();
  const up = new Wire();
  const next = new NextImageOnBoard(chip.nextFlash);
  if (play.onTrial) Object.assign(next, { trial: true });
  const board = new UpdateBoard({ line: up, clock, next, firmware: "0.1.0+old role=throwie" });
  const facts = { chip: play.announcedChip ?? imageChip, sizeBytes: image.length, digest: image.slice(-32) };
  const sent = play.change?.(image) ?? image;
  const host = new UpdateHost({ line: down, clock, session: 7_000 + seed, image: sent, facts });

  const disturbed = (bytes: number[]): Uint8Array =>
    Uint8Array.from(
      bytes.flatMap((byte) => {
        const chance = random.below(1_000_000);
        if (chance < noise) return [];
        if (chance < 2 * noise) return [byte ^ (1 << random.below(8))];
        return chance < 3 * noise ? [byte, random.below(256)] : [byte];
      }),
    );
  let carried = 0;
  let cut = false;
  let boardMs = 0;
  try {
    while (now < LIMIT_MS && host.state !== "done" && host.state !== "failed") {
      now++;
      host.turn();
      const bytes = down.carry().filter(() => carried++ < cutLineAfter);
      const arrived = disturbed(bytes);
      const over = board.state === "over" || board.state === "chosen";
      if (!over) {
        board.receive(arrived, arrived.length);
        board.turn();
        boardMs = now;
      }
      const answer = disturbed(up.carry());
      if (play.boardVersion !== undefined && answer.length > 0) {
        host.receive(...boardOfVersion(play.boardVersion, 7_000 + seed));
      } else host.receive(answer, answer.length);
    }
    // The board's end has a while of its own.
    for (let rest = 0; rest < 12_000 && board.state !== "over" && board.state !== "chosen"; rest++) {
      now++;
      board.turn();
    }
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
    cut = true;
  }
  chip.cutAt = chip.wornFrom = Number.POSITIVE_INFINITY;
  const faults: string[] = [];
  if (board.state === "chosen" && !chip.imageIn(1 - chip.running)?.equals(image)) faults.push("chose another image");
  if (host.state === "done" && board.state !== "chosen") faults.push("the host believes what is not so");
  return { chip, host, board, image, before, outside, cut, operations: chip.operations - startedAt, boardMs, faults };
}

/** What a board of another version answers. */
function boardOfVersion(version: number, session: number): [Uint8Array, number] {
  const bytes = new Uint8Array(lineBytesMax(300));
  const lengthBytes = writeBoard(bytes, MESSAGE_AT, session, { chip: 5, room: 1, trial: false, firmware: "" });
  bytes[MESSAGE_AT + 1] = version;
  const lineBytes = encodeLine(bytes, 0, lengthBytes);
  return [bytes.slice(0, lineBytes), lineBytes];
}
