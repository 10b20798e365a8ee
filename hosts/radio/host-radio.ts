/** What every way of a host to the air has in common, besides the node's Radio port. */
import type { Radio } from "../../modules/throwie/ports.ts";

export interface HostRadio extends Radio {
  close(): void;
}
