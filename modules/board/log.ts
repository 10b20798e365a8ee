/**
 * The board's log: one line of ASCII for each event, for a person who watches the serial port (docs/firmware.md, "The
 * log").
 *
 * The log counts the Drops of a contact and prints the counts when the contact closes. One line for each Drop would
 * take longer than the Drop. So lines are built once for each contact, not for each frame.
 */
import type { CloseReason, NodeEvents } from "../throwie/events.ts";
import type { MacAddress } from "../throwie/ports.ts";
import type { Board } from "./ports.ts";

const HEX = "0123456789abcdef";

function addressText(address: MacAddress): string {
  let text = "";
  for (const byte of address) text += `${text === "" ? "" : ":"}${HEX[byte >>> 4]}${HEX[byte & 15]}`;
  return text;
}

export class Log implements NodeEvents {
  readonly #board: Board;
  /** Said at the end of the first line, and empty from then on. */
  #firmware: string;
  #sent = 0;
  #stored = 0;
  #verified = 0;
  #lost = 0;

  /** The first line of a life ends with `firmware`, whatever the line is about: nobody may be there for the second. */
  constructor(board: Board, firmware: string) {
    this.#board = board;
    this.#firmware = `; firmware ${firmware}`;
  }

  say(text: string): void {
    this.#board.log(`${this.#board.now()} ms: ${text}${this.#firmware}`);
    this.#firmware = "";
  }

  contactOpened(peer: MacAddress): void {
    this.say(`contact with ${addressText(peer)}`);
  }

  reconciled(peer: MacAddress, offered: number): void {
    this.say(`${addressText(peer)} lacks ${offered} Drops`);
  }

  dropSent(): void {
    this.#sent++;
  }

  dropStored(): void {
    this.#stored++;
  }

  dropVerified(): void {
    this.#verified++;
  }

  dropLost(): void {
    this.#lost++;
  }

  /** Nobody writes messages at a board. */
  dropGaveWay(): void {}

  contactClosed(peer: MacAddress, _sessionId: number, reason: CloseReason): void {
    this.say(
      `${addressText(peer)} ${reason}: ${this.#sent} Drops sent, ${this.#stored} stored, ${this.#verified} verified, ${this.#lost} lost since the last contact`,
    );
    this.#sent = this.#stored = this.#verified = this.#lost = 0;
  }
}
