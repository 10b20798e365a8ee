/** Somebody who is no node: it hears the first node of a world, and opens contacts with it as it likes. */
import { BEACON, FRAME_HEADER_BYTES, FRAME_SIZE_BYTES_V1, OPEN, sealFrame } from "../modules/glacier/frame.ts";
import { digest } from "../modules/glacier/message.ts";
import { Fixed } from "../sim/mobility.ts";
import { sameAddress } from "../sim/station.ts";
import type { World } from "../sim/world.ts";
import { typeOf } from "./contact-world.ts";

/** A station at `x` metres that opens contacts with the first node. */
export function stranger(world: World, x: number) {
  const station = world.medium.add(new Fixed(x, 0));
  const heard: Uint8Array[] = [];
  const victim = world.nodes[0]!.station.address;
  station.receive = (frame, from) => {
    if (sameAddress(from, victim)) heard.push(frame.slice());
  };
  const out = new Uint8Array(FRAME_SIZE_BYTES_V1);
  /** Send an OPEN as message `sequence` of a session; it answers the first beacon that was heard. */
  const open = (sessionId: number, sequence = 0): void => {
    const { low, high, payload } = openingFor(heard.find((frame) => typeOf(frame) === BEACON)!);
    out.set(payload, FRAME_HEADER_BYTES);
    station.send(out, sealFrame(out, OPEN, sessionId, sequence, 0, low, high, payload.length), victim);
  };
  return { open };
}

/** An OPEN that answers the beacon, and splits the space into two that differ. */
export function openingFor(beacon: Uint8Array): { low: number; high: number; payload: Uint8Array } {
  const nonce = beacon.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 2);
  const summaries = Buffer.from("0302050102030405060708050102030405060708", "hex");
  const body = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, ...nonce, 0, ...summaries);
  const name = new Uint32Array(2);
  digest(body, 0, body.length, name);
  return { low: name[0]!, high: name[1]!, payload: Uint8Array.of(body.length, 0, 0, ...body) };
}
