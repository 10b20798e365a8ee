/**
 * What a board says on its line after an update: whether the new firmware works, or the board went back.
 *
 * A Throwie and a Mule say so in their log. A dongle logs nothing; it tells its firmware to a host that greets it, so
 * the board is also greeted as a dongle is. Sans-I/O.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DongleHost } from "../../modules/dongle/dongle-host.ts";
import type { Line } from "../../modules/dongle/line-end.ts";
import type { Clock } from "../../modules/throwie/ports.ts";
import { type BoardLine, now } from "./board-line.ts";
import type { BuildManifest } from "./build-manifest.ts";

export type Proof = "unknown" | "works" | "back";

/** For a board that went back without its Drops of before. */
export const NEWER_STORE =
  'If its log says "store: newer", only a newer firmware reads its Drops, and they are whole: see docs/update.md.';

const TURN_MS = 5;
const CONSOLE_BAUD = 115_200;
/** A line of a board's log is shorter. */
const TEXT_CHARACTERS_MAX = 1_000;

export interface NewFirmwareOptions {
  line: Line;
  clock: Clock;
  /** What the new image calls itself: version and hash. */
  firmware: string;
  /** What the firmware before called itself; empty when nobody knows. */
  before: string;
}

class NewFirmware {
  state: Proof = "unknown";
  readonly #firmware: string;
  readonly #before: string;
  readonly #dongle: DongleHost;
  #text = "";

  constructor({ line, clock, firmware, before }: NewFirmwareOptions) {
    this.#firmware = firmware;
    this.#before = before;
    let seed = clock.now();
    const random = { fill: (bytes: Uint8Array) => void bytes.fill(++seed) };
    this.#dongle = new DongleHost({ line, clock, random, onFrame: () => {} });
    this.#dongle.begin();
  }

  receive(bytes: Uint8Array): void {
    this.#dongle.receive(bytes, bytes.length);
    this.#text = (this.#text + Buffer.from(bytes).toString("latin1")).slice(-TEXT_CHARACTERS_MAX);
    const works = / ms: the first beacon is out: (\S+)/.exec(this.#text)?.[1];
    const said = [...this.#text.matchAll(/; firmware (\S+) /g)].at(-1)?.[1];
    if (works === this.#firmware) this.state = "works";
    else if (this.#isOld(said) || this.#isOld(works)) this.state = "back";
  }

  turn(): void {
    this.#dongle.turn();
    const told = this.#dongle.firmware.split(" ")[0]!;
    if (told === this.#firmware) this.state = "works";
    else if (this.#isOld(told)) this.state = "back";
  }

  /** An update to the same build cannot be told from its going back by a name. */
  #isOld(firmware: string | undefined): boolean {
    return this.#before !== "" && firmware === this.#before && firmware !== this.#firmware;
  }
}

export interface ProofOptions {
  manifest: Pick<BuildManifest, "firmware" | "settings">;
  before: string;
  patienceMs: number;
}

/** Resolves as soon as the board has said which it is, and with "unknown" when it has not said so in this time. */
export async function waitForProof(line: BoardLine, { manifest, before, patienceMs }: ProofOptions): Promise<Proof> {
  const { firmware, settings } = manifest;
  // A dongle's UART has the speed of its line, and the UART of every other board that of ESP-IDF's console.
  if (settings.port === "uart")
    await line.changeSpeed(settings.role === "dongle" ? Number(settings.baud) : CONSOLE_BAUD);
  const watch = new NewFirmware({ line, clock: { now }, firmware, before });
  line.onBytes = (bytes) => watch.receive(bytes);
  for (const endMs = now() + patienceMs; now() < endMs && watch.state === "unknown"; await sleep(TURN_MS)) {
    await line.keepOpen();
    watch.turn();
  }
  return watch.state;
}
