/** A station that is no node. It hears the first node of a world, and opens contacts with it as a test likes. */
import { FRAME_HEADER_BYTES, FRAME_SIZE_BYTES_V1, frameType, sealFrame } from "../modules/glacier/frame.ts";
import { BEACON, OPEN } from "../modules/glacier/frame-type.ts";
import { digest } from "../modules/glacier/message.ts";
import { sameAddress } from "../modules/throwie/ports.ts";
import { Fixed } from "../sim/mobility.ts";
import type { World } from "../sim/world.ts";
import { type HeaderFields, headerOf } from "./frames.ts";

/** A station at `x` metres that opens contacts with the first node. */
export function stranger(world: World, x: number) {
  const station = world.medium.add(new Fixed(x, 0));
  const heard: Uint8Array[] = [];
  const firstNode = world.nodes[0]!.station.address;
  station.handlers.onFrame = (bytes, lengthBytes, from) => {
    if (sameAddress(from, firstNode)) heard.push(bytes.slice(0, lengthBytes));
  };
  const out = new Uint8Array(FRAME_SIZE_BYTES_V1);
  const send = (header: HeaderFields, payload: Uint8Array): void => {
    out.set(payload, FRAME_HEADER_BYTES);
    station.send(out, sealFrame(out, headerOf({ ...header, payloadBytes: payload.length })), firstNode);
    world.run(world.nowS + 0.01);
  };
  /** Sends an OPEN as message `sequence` of a session. The OPEN answers the first beacon that the station heard. */
  const open = (sessionId: number, sequence = 0, summaries = TWO_PARTS): void => {
    const { name, payload } = openingFor(heard.find((frame) => frameType(frame) === BEACON)!, summaries);
    send({ type: OPEN, sessionId, sequence, shortIdLow: name[0], shortIdHigh: name[1] }, payload);
  };
  return { open, send, address: station.address };
}

/** Summaries of two parts of the space, both different. A reconciliation must follow. */
const TWO_PARTS = "0304050102030405060708050102030405060708";
/** An empty list. Nothing remains to be reconciled after it. */
export const NOTHING_LISTED = "0200";

/** The only fragment of an OPEN that answers the beacon, and the name of its message. */
export function openingFor(beacon: Uint8Array, summaries = TWO_PARTS): { name: [number, number]; payload: Uint8Array } {
  const nonce = beacon.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 2);
  const body = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, ...nonce, 0, ...Buffer.from(summaries, "hex"));
  const name = new Uint32Array(2);
  digest(body, 0, body.length, name);
  return { name: [name[0]!, name[1]!], payload: Uint8Array.of(body.length, 0, 0, ...body) };
}
