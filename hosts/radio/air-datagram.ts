/**
 * The datagrams of a development radio over UDP on this machine. They go to a simulated air (udp-radio.ts), or to the
 * other radios of a multicast group (multicast-radio.ts, and the firmware on Linux: modules/espnow/espnow-lin.c).
 *
 * | offset | size | field | meaning                                                                  |
 * |--------|------|-------|--------------------------------------------------------------------------|
 * | 0      | 1    | kind  | 1 FRAME, in either direction; 2 SENT, from the air: a frame has left     |
 * | 1      | 6    | from  | FRAME: the sending radio's address                                       |
 * | 7      | 6    | to    | FRAME: the receiver's address, all ones for every radio                  |
 * | 13     | n    | frame | FRAME: 1 to 1,470 bytes                                                  |
 *
 * SENT stands for ESP-NOW's send callback, so that the air paces a sender, not the socket. A datagram of any other form
 * is dropped.
 */
import { ADDRESS_BYTES, type MacAddress, sameAddress } from "../../modules/throwie/ports.ts";

const EVERYONE: MacAddress = new Uint8Array(ADDRESS_BYTES).fill(0xff);
const FRAME = 1;
const SENT = 2;
const FRAME_AT = 1 + 2 * ADDRESS_BYTES;
/** The size of an ESP-NOW v2 body. A radio that takes less drops longer frames. */
export const AIR_FRAME_BYTES_MAX = 1_470;

export const SENT_DATAGRAM: Uint8Array = Uint8Array.of(SENT);

export interface AirFrame {
  from: MacAddress;
  to: MacAddress;
  frame: Uint8Array;
}

export function encodeFrameDatagram({ from, to, frame }: AirFrame): Uint8Array {
  const datagram = new Uint8Array(FRAME_AT + frame.length);
  datagram[0] = FRAME;
  datagram.set(from, 1);
  datagram.set(to, 1 + ADDRESS_BYTES);
  datagram.set(frame, FRAME_AT);
  return datagram;
}

/** Whether the radio of this address hands the frame over: another radio sent it, to this one or to everyone. */
export function isFor({ from, to }: AirFrame, address: MacAddress): boolean {
  return !sameAddress(from, address) && (sameAddress(to, address) || sameAddress(to, EVERYONE));
}

/** Undefined when the datagram is neither a FRAME nor a SENT. */
export function decodeDatagram(datagram: Uint8Array): AirFrame | "sent" | undefined {
  if (datagram.length === 1 && datagram[0] === SENT) return "sent";
  const frameBytes = datagram.length - FRAME_AT;
  if (datagram[0] !== FRAME || frameBytes < 1 || frameBytes > AIR_FRAME_BYTES_MAX) return undefined;
  return {
    from: datagram.subarray(1, 1 + ADDRESS_BYTES),
    to: datagram.subarray(1 + ADDRESS_BYTES, FRAME_AT),
    frame: datagram.subarray(FRAME_AT),
  };
}
