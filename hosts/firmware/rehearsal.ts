/**
 * `npm run firmware:lin`: rehearses the firmware as the SDK builds it, without a board.
 *
 * A Mule in this process gives the firmware 50 Drops over the multicast air. Half way the board's power is cut. The
 * board starts again and receives the rest. Then its flash file is emptied, so that XS has an uncaught error. In the
 * end this program reads the flash and checks every Drop's hash.
 *
 * Prints what happened in plain words. Exit code 0: every Drop is there, whole. Otherwise the last line says what was
 * missing and where the board's folder is.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { dropId, shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import { ADDRESS_BYTES } from "../../modules/throwie/ports.ts";
import { HostNode, radioAddress } from "../node/host-node.ts";
import { leaveMessage } from "../node/message.ts";
import { MulticastRadio } from "../radio/multicast-radio.ts";
import { dropAt, openStoredDrops } from "../store/drop-store.ts";
import { buildForDesk } from "./build.ts";
import { compileDesk, Desk } from "./desk.ts";

/** The default channel in manifest.json. */
const CHANNEL = 1;
const DROPS = 50;
const DROP_BYTES_MAX = 2_048;
const CUT_AFTER = 20;
/** When nothing happens for this time, the rehearsal failed. A hundred times what a step takes on an idle machine. */
const PATIENCE_MS = 300_000;

class Mule {
  /** The number of Drops that the board reported as kept. A Drop that the board overheard is not among them. */
  sent = 0;
  /** The number of contacts that ended because neither side had more to send. */
  done = 0;
  readonly drops: Uint8Array[] = [];
  #node!: HostNode;
  #onProgress: () => void = () => {};

  static async open(storePath: string): Promise<Mule> {
    const mule = new Mule();
    const address = radioAddress(randomBytes(ADDRESS_BYTES));
    mule.#node = await HostNode.open({
      storePath,
      openRadio: (handlers) => MulticastRadio.open(CHANNEL, address, handlers),
      events: {
        dropSent: () => {
          mule.sent++;
          mule.#onProgress();
        },
        contactClosed: (_peer, _sessionId, reason) => {
          if (reason === "done") mule.done++;
          mule.#onProgress();
        },
      },
    });
    return mule;
  }

  write(count: number): void {
    for (let i = 0; i < count; i++) {
      const drop = Uint8Array.from(randomBytes(Math.ceil((DROP_BYTES_MAX * (i + 1)) / count)));
      leaveMessage(this.#node, drop, "of the rehearsal's Mule");
      this.drops.push(drop);
    }
  }

  /** Resolves when the progress is made. Rejects when nothing happens for PATIENCE_MS. */
  async until(reached: () => boolean): Promise<void> {
    while (!reached()) {
      await this.patience(
        new Promise<void>((resolve) => {
          this.#onProgress = resolve;
        }),
      );
    }
  }

  async patience(event: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`Nothing happened for ${PATIENCE_MS / 1_000} seconds; ${this.sent} Drops were sent.`)),
        PATIENCE_MS,
      );
    });
    await Promise.race([event, tooLong]).finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#node.close();
  }
}

/** How many of the Mule's Drops are whole in the board's flash. */
async function keptOf(flashPath: string, drops: Uint8Array[]): Promise<number> {
  const { store } = await openStoredDrops(flashPath);
  let kept = 0;
  for (const drop of drops) {
    const id = dropId(drop);
    const slot = store.find(shortIdLow(id), shortIdHigh(id));
    if (slot >= 0 && Buffer.from(dropId(dropAt(store, slot))).equals(id)) kept++;
  }
  return kept;
}

export async function rehearse(instrumented: boolean): Promise<void> {
  const firmware = buildForDesk([], instrumented);
  const program = compileDesk(process.env.MODDABLE!);
  const folder = mkdtempSync(join(tmpdir(), "throwie-board-"));
  const flash = join(folder, "board", "drops");
  let image: Uint8Array | undefined;
  let told: () => void;
  const crashTold = new Promise<void>((resolve) => {
    told = resolve;
  });
  const desk = new Desk({
    program,
    firmware,
    folder: join(folder, "board"),
    onLine(line) {
      console.log(`  board: ${line}`);
      if (line.includes("crash 1 of this board")) told();
    },
    onRestart() {
      if (image !== undefined) writeFileSync(flash, image);
    },
    onEnd(sentence) {
      console.error(`The rehearsal failed: ${sentence}.`);
      process.exit(1);
    },
  });
  const mule = await Mule.open(join(folder, "mule"));
  /** Resolves when a contact is done and the board's flash holds `count` of the Mule's Drops, whole. */
  const contactWith = async (count: number): Promise<void> => {
    for (let kept = -1; kept < count; kept = await keptOf(flash, mule.drops)) {
      const { done } = mule;
      await mule.until(() => mule.done > done);
    }
  };
  try {
    mule.write(DROPS);
    console.log(`A Mule with ${DROPS} Drops is on the air. The board gets power.`);
    desk.start();
    await mule.until(() => mule.sent >= CUT_AFTER);
    await desk.cut();
    const before = await keptOf(flash, mule.drops);
    const sent = mule.sent;
    console.log(`The board's power was cut after ${sent} Drops. Its flash holds ${before} of the Drops, whole.`);
    if (before < sent) throw new Error(`The board had reported that it keeps ${sent}.`);

    desk.start();
    await contactWith(DROPS);
    console.log(`The board started again, met the Mule, and received the ${DROPS - before} Drops that it lacked.`);

    image = readFileSync(flash);
    truncateSync(flash);
    mule.write(1);
    console.log("The board's flash was emptied while the board runs. The Mule has one more Drop.");
    await mule.patience(crashTold);
    console.log("The board recorded the crash, restarted with its flash as before, and reported the crash.");

    await contactWith(DROPS + 1);
    await desk.cut();
    console.log(`All ${await keptOf(flash, mule.drops)} Drops are in the board's flash, and each has the right hash.`);
  } catch (error) {
    await desk.cut();
    throw new Error(
      `The rehearsal failed: ${(error as Error).message} The board's folder is ${join(folder, "board")}.`,
    );
  } finally {
    mule.close();
  }
  rmSync(folder, { recursive: true });
}
