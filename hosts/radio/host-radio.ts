/** What every way of a host to the air has in common, besides the node's Radio port. */
import type { MacAddress, Radio } from "../../modules/throwie/ports.ts";

export interface HostRadio extends Radio {
  close(): void;
}

/** Called by the radio, never from inside `send`. */
export interface RadioHandlers {
  /** The frame is only valid during the call. */
  onFrame(frame: Uint8Array, from: MacAddress): void;
  /** A place in the send queue came free. */
  onRoom(): void;
}
