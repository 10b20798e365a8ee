/**
 * CRC-16/ARC by the SDK's native code: a board's `modules/glacier/crc16` (manifest.json), at a seventieth of the
 * instructions.
 *
 * The native code takes whole buffers only, and a view a frame would be garbage a frame. Zeros before a message leave a
 * CRC whose initial value is 0 as it is, so a frame is copied to where it ends at the end of a fixed view, with zeros
 * before it. Two views, because most frames have ESP-NOW v1 bodies, a sixth of v2's.
 */
import { CRC16 } from "crc";

const POLYNOMIAL = 0x8005;
const BODY_BYTES_V1 = 250;
const BODY_BYTES_V2 = 1_470;

class Native {
  readonly crc = new CRC16(POLYNOMIAL, 0, true, true, 0);
  /** What follows a frame in its buffer is copied with it, beyond the view. */
  readonly scratch = new Uint8Array(2 * BODY_BYTES_V2);
  readonly viewV1 = this.scratch.subarray(0, BODY_BYTES_V1);
  readonly viewV2 = this.scratch.subarray(0, BODY_BYTES_V2);
}

/** Made when first needed: this module is preloaded, and the build machine has neither the board's code nor its memory. */
let native: Native | undefined;

/** CRC of `lengthBytes` bytes from the start of `bytes`, a radio's buffer of at most 1,470. */
export function crc16(bytes: Uint8Array, lengthBytes: number): number {
  native ??= new Native();
  const { crc, scratch } = native;
  const view = lengthBytes <= BODY_BYTES_V1 ? native.viewV1 : native.viewV2;
  const start = view.length - lengthBytes;
  scratch.fill(0, 0, start);
  scratch.set(bytes, start);
  crc.reset();
  return crc.checksum(view);
}
