/**
 * Which firmware this is: the version, the build's hash and the settings in the image (docs/firmware.md, "Which
 * firmware is this"). `npm run firmware` puts version and hash into `config`.
 *
 * Never throws, because a board with a wrong setting must say which firmware it has.
 */
import { SETTING_KEYS } from "./settings.ts";

export function firmwareText(config: Record<string, unknown>): string {
  let text = `${config.firmware ?? "of unknown build"}`;
  for (const key of SETTING_KEYS) {
    const value = `${config[key] ?? ""}`;
    if (value !== "") text += ` ${key}=${value}`;
  }
  return text;
}
