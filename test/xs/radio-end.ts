/**
 * The firmware's radio on XS, over the shipped C, with a probe that records what a node would hear from the radio.
 * test/espnow/radio-end.c runs this file.
 */
import "./linked-natives.ts";
import { EspNow } from "../../modules/espnow/espnow.ts";
import { RadioProbe } from "../radio-probe.ts";

/** No other test uses this channel. */
const CHANNEL = 9;

const probe = new RadioProbe();
probe.radio = new EspNow({
  ...{ channel: CHANNEL, rate: "1M" },
  onFrame: (bytes, lengthBytes, from) => probe.onFrame(bytes, lengthBytes, from),
  onRoom: () => probe.onRoom(),
});

Object.assign(globalThis, { obey: (order: string): string => JSON.stringify(probe.obey(JSON.parse(order))) });
