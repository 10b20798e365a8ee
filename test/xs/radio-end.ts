/** The firmware's radio on XS, over the shipped C, and a probe that hears of it what a node would: test/espnow/radio-end.c runs it. */
import "./linked-natives.ts";
import { EspNow } from "../../modules/espnow/espnow.ts";
import { RadioProbe } from "../radio-probe.ts";

/** No other test is on it. */
const CHANNEL = 9;

const probe = new RadioProbe();
probe.radio = new EspNow({
  ...{ channel: CHANNEL, rate: "1M" },
  onFrame: (bytes, lengthBytes, from) => probe.onFrame(bytes, lengthBytes, from),
  onRoom: () => probe.onRoom(),
});

Object.assign(globalThis, { obey: (order: string): string => JSON.stringify(probe.obey(JSON.parse(order))) });
