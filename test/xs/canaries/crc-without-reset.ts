/** A broken `crc`: its state is never set back. */
import { CRC16 as Sound } from "../natives/crc.ts";

export class CRC16 extends Sound {
  override reset(): void {}
}
