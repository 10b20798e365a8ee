/**
 * CRC-16/ARC by the SDK's native code. On a board, the manifest puts this in place of `modules/glacier/crc16`; it takes
 * a seventieth of the instructions.
 *
 * The native code takes whole buffers only, and a view for each frame would be garbage for each frame. Zeros before a
 * message do not change a CRC with initial value 0. So a frame is copied to the end of a fixed view, with zeros before
 * it. There are two views, because most frames have the size of ESP-NOW v1, a sixth of the size of v2.
 */
import { CRC16 } from "crc";

const POLYNOMIAL = 0x8005;
const BODY_BYTES_V1 = 250;
const BODY_BYTES_V2 = 1_470;

class Native {
  readonly crc = new CRC16(POLYNOMIAL, 0, true, true, 0);
  /**
   * Twice the largest frame: the copy also takes the bytes that follow a frame in its buffer, and they land after the
   * view.
   */
  readonly scratch = new Uint8Array(2 * BODY_BYTES_V2);
  readonly viewV1 = this.scratch.subarray(0, BODY_BYTES_V1);
  readonly viewV2 = this.scratch.subarray(0, BODY_BYTES_V2);
}

/** Made at first use: this module is preloaded, and the build machine has neither the board's code nor its memory. */
let native: Native | undefined;

/** The CRC of the first `lengthBytes` bytes of `bytes`, a buffer of a radio with at most 1,470 bytes. */
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
