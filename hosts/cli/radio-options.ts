/** From `--radio` or `--air` to a radio. */

import type { MacAddress } from "../../modules/throwie/ports.ts";
import type { HostRadio, RadioHandlers } from "../radio/host-radio.ts";
import { type DongleNews, SerialRadio } from "../radio/serial-radio.ts";
import { parseAirAddress, UdpRadio } from "../radio/udp-radio.ts";

export interface RadioOptions {
  /** A serial port with a dongle. */
  radio?: string;
  /** A development air on this machine. */
  air?: string;
}

export type RadioNews = DongleNews | { event: "air-silent"; air: string };

/** Several beacons: an air that is there has answered one by then. */
const AIR_SILENT_MS = 5_000;

/** What opens the radio that the options name; a dongle has an address of its own. Throws a RangeError that says what to give, before anything is opened. */
export function radioOf(
  { radio, air }: RadioOptions,
  tell: (news: RadioNews) => void,
): (handlers: RadioHandlers, address: MacAddress) => Promise<HostRadio> {
  if (radio !== undefined && air !== undefined)
    throw new RangeError("Give a dongle (--radio) or an air (--air), not both.");
  if (radio !== undefined) return (handlers) => SerialRadio.open(radio, handlers, tell);
  if (air === undefined) throw new RangeError("Say which radio to use: --radio PORT for a dongle, or --air IP:PORT.");
  const airAddress = parseAirAddress(air);
  return async (handlers, address) => {
    const opened = await UdpRadio.open(airAddress, address, handlers);
    setTimeout(() => {
      if (!opened.answered) tell({ event: "air-silent", air });
    }, AIR_SILENT_MS).unref();
    return opened;
  };
}
