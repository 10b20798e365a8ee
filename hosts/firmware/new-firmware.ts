/**
 * What a board says on its line after an update: whether the new firmware stays, or the board went back.
 *
 * A Throwie and a Mule say so in their log. A dongle logs nothing; it tells its firmware to a host that greets it, so
 * the board is also greeted as a dongle is. Sans-I/O.
 */
import { DongleHost } from "../../modules/dongle/dongle-host.ts";
import type { Line } from "../../modules/dongle/line-end.ts";
import type { Clock } from "../../modules/throwie/ports.ts";

/** A line of a board's log is shorter. */
const TEXT_CHARACTERS_MAX = 1_000;

export interface NewFirmwareOptions {
  line: Line;
  clock: Clock;
  /** What the new image calls itself: version and hash. */
  firmware: string;
  /** What the board said of the firmware before. */
  before: string;
}

export class NewFirmware {
  state: "unknown" | "stays" | "back" = "unknown";
  readonly #firmware: string;
  readonly #before: string;
  readonly #dongle: DongleHost;
  #text = "";

  constructor({ line, clock, firmware, before }: NewFirmwareOptions) {
    this.#firmware = firmware;
    this.#before = before.split(" ")[0]!;
    let seed = clock.now();
    const random = { fill: (bytes: Uint8Array) => void bytes.fill(++seed) };
    this.#dongle = new DongleHost({ line, clock, random, onFrame: () => {} });
    this.#dongle.begin();
  }

  receive(bytes: Uint8Array): void {
    this.#dongle.receive(bytes, bytes.length);
    this.#text = (this.#text + Buffer.from(bytes).toString("latin1")).slice(-TEXT_CHARACTERS_MAX);
    const stays = / ms: this firmware works, and stays: (\S+)/.exec(this.#text)?.[1];
    const said = [...this.#text.matchAll(/; firmware (\S+) /g)].at(-1)?.[1];
    if (stays === this.#firmware) this.state = "stays";
    else if (this.#isOld(said) || this.#isOld(stays)) this.state = "back";
  }

  turn(): void {
    this.#dongle.turn();
    const told = this.#dongle.firmware.split(" ")[0]!;
    if (told === this.#firmware) this.state = "stays";
    else if (this.#isOld(told)) this.state = "back";
  }

  /** An update to the same build cannot be told from its going back by a name. */
  #isOld(firmware: string | undefined): boolean {
    return firmware === this.#before && firmware !== this.#firmware;
  }
}
