/**
 * The ports of a node: what a node asks of the machine on which it runs (docs/embedding.md).
 *
 * The node must run unchanged on a board, on a Linux host and in the simulator. So it reaches the air, the time and
 * chance only through these interfaces, and each of the three machines brings its own implementations. The consumer
 * owns a port, so the ports stand here. The port for the flash stands beside the store (modules/store/flash.ts).
 */

/** The address of a radio: six bytes. An address of all ones means every node in range. */
export type MacAddress = Uint8Array;
/** The size of a MAC address. */
export const ADDRESS_BYTES = 6;

/** Whether two addresses are equal in all six bytes. The last differ soonest: the first three name the maker. */
export function sameAddress(a: MacAddress, b: MacAddress): boolean {
  let i = ADDRESS_BYTES - 1;
  while (i >= 0 && a[i] === b[i]) i--;
  return i < 0;
}

/**
 * A radio that sends and receives datagrams (docs/protocol.md, "Frames"). A frame arrives with all its bytes or not at
 * all. A disturbed air may lose, repeat and re-order frames, and change their bits. test/radio-contract.ts tests the
 * rules of this interface, for every radio. Of `receiveQueueFrames` it tests only that this is a positive whole number.
 */
export interface Radio {
  /** This radio's own address. */
  readonly address: MacAddress;
  /**
   * Largest frame in bytes, sent or received: 250 for ESP-NOW v1, 1,470 for v2. At least FRAME_SIZE_BYTES_V1
   * (modules/glacier/frame.ts), which is 226, because a node builds frames of that size.
   */
  readonly frameSizeBytesMax: number;
  /**
   * Received frames that can wait for the node, at least 1. The node asks its peers to have no more frames in flight.
   */
  readonly receiveQueueFrames: number;
  /** Whether `send` would refuse a frame now. The node asks before it builds a frame. A closed radio is full. */
  readonly full: boolean;
  /**
   * Queue `frame[0 .. lengthBytes)`. The radio copies these bytes before this call returns. False when the radio is
   * full, and only then: the radio took nothing, and calls `onRoom` when it has room.
   *
   * True promises transmission, not reception. Only the radio with the address `to` gives the frame to its node. If all
   * bytes of `to` are ones, every radio in range does so, but never the sender. On an undisturbed air the frames of one
   * sender arrive in the order in which they were sent.
   *
   * Throws a RangeError, and takes nothing, if `lengthBytes` is not 1 to `frameSizeBytesMax` or if the buffer is
   * shorter than that. Both are bugs of the caller.
   */
  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean;
}

/** The handlers that a radio calls: one at a time, never from inside `send`, and none after the radio was closed. */
export interface RadioHandlers {
  /**
   * The radio with the address `from` sent the frame `bytes[0 .. lengthBytes)`. Both buffers belong to the radio, which
   * uses them again. They do not change during the call. A handler may only read them, and only during the call.
   * `bytes` may be longer than the frame.
   */
  onFrame(bytes: Uint8Array, lengthBytes: number, from: MacAddress): void;
  /** A place in the send queue became free. The radio calls this at least once after it was full. */
  onRoom(): void;
}

/** Throws the RangeError that `Radio.send` must throw for a length out of range. */
export function checkFrame(radio: Radio, frame: Uint8Array, lengthBytes: number): void {
  if (!(lengthBytes >= 1 && lengthBytes <= radio.frameSizeBytesMax && lengthBytes <= frame.length)) {
    throw new RangeError("radio: a frame is 1 to frameSizeBytesMax bytes, all of them in its buffer");
  }
}

/** The node's clock. The node takes the time from no other source. */
export interface Clock {
  /** Whole milliseconds since boot, monotonic across deep sleep. */
  now(): number;
}

/** The node's source of chance, for nonces, salts and the phase of its beacons. */
export interface Random {
  /** Fill all of `bytes` with unpredictable bits. */
  fill(bytes: Uint8Array): void;
}
