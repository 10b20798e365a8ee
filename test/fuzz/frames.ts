/**
 * A mutated frame nearly always has a wrong checksum, so the fuzz would test little else. Checksum, magic and version
 * keep out accidents, not attackers. So this file gives most mutated Glacier frames the right ones.
 */
import { crc16 } from "../../modules/glacier/crc16.ts";
import { FRAME_HEADER_BYTES, FRAME_MAGIC, FRAME_TRAILER_BYTES, FRAME_VERSION } from "../../modules/glacier/frame.ts";
import type { SeededRandom } from "../../sim/random.ts";
import type { Input } from "./input.ts";

export function mendFrames({ packets }: Input, random: SeededRandom): void {
  for (const packet of packets) {
    const end = packet.length - FRAME_TRAILER_BYTES;
    if (end < FRAME_HEADER_BYTES || random.below(8) === 0) continue;
    packet[0] = FRAME_MAGIC;
    packet[1] = (packet[1]! & 0xf0) | FRAME_VERSION;
    const crc = crc16(packet, end);
    packet[end] = crc;
    packet[end + 1] = crc >>> 8;
  }
}
