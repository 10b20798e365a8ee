/** What all radios of a host have in common, besides the node's Radio port. */
import type { Radio } from "../../modules/throwie/ports.ts";

export interface HostRadio extends Radio {
  /** Idempotent. Frames that have not left are lost, and the radio is full from now on. */
  close(): void;
}
