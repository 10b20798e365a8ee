/** `throwie journal`: print which Drops of a store died lately, the latest first, and why each one died. */
import { CAUSE_NAMES } from "../../modules/store/causes.ts";
import { HALF_LIFE_MS_DEFAULT, HEAT_UNITS_PER_HALF_LIFE } from "../../modules/temperature/temperature.ts";
import { countOf } from "../machine/count-of.ts";
import { harmlessJson } from "../machine/harmless.ts";
import { print } from "../machine/standard-streams.ts";
import { damagedDrops } from "../store/damaged-drops.ts";
import { openStoredDrops } from "../store/drop-store.ts";
import { shortIdText } from "../store/short-id.ts";
import { recoverHint, tellDamage } from "./damage.ts";

const HOUR_MS = 3_600_000;

export async function journal(options: { store: string; json?: boolean }): Promise<void> {
  const opened = await openStoredDrops(options.store);
  const { store } = opened;
  const report = tellDamage(options.store, opened, damagedDrops(opened), recoverHint(options.store));
  const deaths = opened.deaths
    .sort((a, b) => b.time - a.time)
    .map(({ low, high, lengthBytes, cause, time, age, heatKey }) => ({
      shortId: shortIdText(low, high),
      lengthBytes,
      cause: CAUSE_NAMES[cause]!,
      hoursAgo: hours(Math.max(0, store.epoch - time)),
      ageHours: age === undefined ? undefined : hours(age),
      heat: Number(2 ** ((heatKey - time) / HEAT_UNITS_PER_HALF_LIFE)).toPrecision(3),
    }));
  const { room, count, capacity, retiredSectors } = store;
  if (options.json) {
    const sums = { capacity, room, held: count, retiredSectors };
    print(harmlessJson({ store: options.store, ...sums, deaths, ...report }));
    return;
  }
  for (const { shortId, cause, hoursAgo, ageHours, heat } of deaths) {
    const age = ageHours === undefined ? "never checked" : `checked ${ageHours} h before`;
    print(`${shortId}  ${cause.padEnd(14)}  ${hoursAgo} h ago, ${age}, heat ${heat}`);
  }
  const sums = `${countOf(count, "Drop")} held, room for ${room}, ${countOf(retiredSectors, "sector")} retired`;
  print(`${countOf(deaths.length, "death")} on record; ${sums}.`);
}

/** Heat time counts half-lives, so the hours are right only for a store that was awake all the time. */
function hours(heatTime: number): number {
  return Math.round(((heatTime * HALF_LIFE_MS_DEFAULT) / HEAT_UNITS_PER_HALF_LIFE / HOUR_MS) * 10) / 10;
}
