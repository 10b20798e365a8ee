/** Opens the radio that `--radio` or `--air` names. */

import type { MacAddress, RadioHandlers } from "../../modules/throwie/ports.ts";
import type { HostRadio } from "../radio/host-radio.ts";
import { type DongleNews, SerialRadio } from "../radio/serial-radio.ts";
import { parseAirAddress, UdpRadio } from "../radio/udp-radio.ts";

export interface RadioOptions {
  /** The path of a serial port with a dongle. */
  radio?: string;
  /** The `ip:port` of a simulated air on this machine, for development. */
  air?: string;
}

export type RadioNews = DongleNews | { event: "air-silent"; air: string };

/** Longer than several beacon intervals: an air that runs has answered a beacon by then. */
const AIR_SILENT_MS = 5_000;

/**
 * Returns a function that opens the radio which the options name. A dongle has an address of its own and ignores the
 * given one. Throws a RangeError that says which option to give, before anything is opened.
 */
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
