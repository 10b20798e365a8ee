/** What all radios of a host have in common, besides the node's Radio port. */
import type { Radio } from "../../modules/throwie/ports.ts";

export interface HostRadio extends Radio {
  close(): void;
}
