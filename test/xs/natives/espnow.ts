/** Stands for modules/espnow/espnow.ts. */
import type { MacAddress } from "../../../modules/throwie/ports.ts";
import type { RadioHandlers } from "../desk.ts";

export class EspNow {
  readonly #radio: ReturnType<typeof globalThis.desk.openRadio>;
  readonly address: MacAddress;
  readonly maxPayload: number;
  readonly receiveQueueFrames: number;

  constructor(handlers: RadioHandlers) {
    this.#radio = globalThis.desk.openRadio(handlers);
    this.address = this.#radio.address;
    this.maxPayload = this.#radio.maxPayload;
    this.receiveQueueFrames = this.#radio.receiveQueueFrames;
  }

  get full(): boolean {
    return this.#radio.full;
  }

  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    return this.#radio.send(frame, lengthBytes, to);
  }

  close(): void {
    this.#radio.close();
  }
}
