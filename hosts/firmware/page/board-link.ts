/**
 * A board on a serial port of the browser: what its settings partition holds, and how parts are written.
 *
 * Writing is the `flash` function of ESP Web Tools, which finds the build for the chip, fetches its parts and writes
 * them in their order. Its install button is not used, because that erases the whole chip on a first install unless the
 * manifest asks first. Here nothing is ever erased but the sectors that are written.
 */
import { flash } from "esp-web-tools/dist/flash.js";
import { ESPLoader, Transport } from "esptool-js";
import { SETTINGS_PARTITION_BYTES, SETTINGS_SECTOR_BYTES, type SettingsWrite } from "../settings-writer.ts";

type Manifest = Parameters<typeof flash>[3];

/** What a release says of itself for this page; hosts/firmware/release.ts writes it. */
export interface ReleaseNote {
  version: string;
  /** Where the settings partition begins, by the chip's name. */
  settingsAt: Record<string, number>;
  /** The settings of the images, which hold where the partition says nothing. */
  defaults: Record<string, string>;
}

export interface WriteProgress {
  say(sentence: string): void;
  /** 0 to 100. */
  written(percentage: number): void;
}

/** The speed at which every chip's loader listens. */
const BAUD = 115_200;

/** Reads the settings partition. Throws an Error of one sentence when no board that the release knows answers. */
export async function readSettings(port: SerialPort, { settingsAt }: ReleaseNote): Promise<Uint8Array> {
  const transport = new Transport(port);
  try {
    const loader = new ESPLoader({ transport, baudrate: BAUD });
    await loader.main();
    const address = settingsAt[loader.chip.CHIP_NAME];
    if (address === undefined) {
      const known = Object.keys(settingsAt).join(", ");
      throw new Error(`The board is an ${loader.chip.CHIP_NAME}; there is firmware for ${known}.`);
    }
    const partition = await loader.readFlash(address, SETTINGS_PARTITION_BYTES);
    // As ESP Web Tools lets a board start again.
    await transport.setRTS(true);
    await loader.after();
    return partition;
  } finally {
    await transport.disconnect();
  }
}

/** The builds of a manifest, with the sectors of the settings before the other parts, or instead of them. */
export function withSettings(
  manifest: Manifest,
  { settingsAt }: ReleaseNote,
  { sector, order }: SettingsWrite,
  firmware: boolean,
): Manifest {
  const path = `data:application/octet-stream;base64,${btoa(String.fromCharCode(...sector))}`;
  const builds = manifest.builds.map((build) => ({
    ...build,
    parts: [
      ...order.map((number) => ({ path, offset: settingsAt[build.chipFamily]! + number * SETTINGS_SECTOR_BYTES })),
      ...(firmware ? build.parts : []),
    ],
  }));
  return { ...manifest, builds };
}

/** Writes the parts of the build for the chip. Throws an Error of one sentence when they are not all written. */
export async function writeParts(port: SerialPort, manifest: Manifest, progress: WriteProgress): Promise<void> {
  let finished = false;
  let fault = "The board stopped answering.";
  const onState: Parameters<typeof flash>[0] = (state) => {
    // Compared as text: the package exports its states as types only.
    const name: string = state.state;
    if (name === "error") fault = state.message;
    else if (name === "finished") finished = true;
    else progress.say(state.message);
    if (name === "writing")
      progress.written((state as unknown as { details: { percentage: number } }).details.percentage);
  };
  await flash(onState, port, location.href, manifest, false);
  if (!finished) throw new Error(fault);
}
