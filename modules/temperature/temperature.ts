/**
 * Temperature: how much a Drop was physically moved lately (docs/temperature.md).
 *
 * A full store must choose which Drop dies. A Drop's heat is evidence that people carry the Drop. One movement adds 1
 * to the heat: one transmission in which this node itself took part. Each half-life halves the heat. But a store that
 * kept heats would have to multiply all of them down all the time, and write the results to flash.
 *
 * So a store keeps a key instead, which does not change while the Drop lies still:
 *
 *   key = log2(heat) + time        both in units of 1/65,536 half-life, a signed 32-bit integer
 *
 * Cooling takes one unit from log2(heat) for each unit of time, so the sum stays the same. Hence the invariant: all
 * Drops cool at one rate, and their order is the order of their keys, which cooling never changes. The coldest Drop is
 * a minimum over integers, and a store need not touch a Drop that nobody moves.
 *
 * Time here (`now`) is heat time: `heatTime` of the milliseconds since some start, which the caller carries across
 * restarts. All values are integers. Every product is below 2^53 and thus exact in a double, so that XS and V8 agree in
 * each bit. The functions exp, log and pow are not used, because they differ between engines.
 *
 * Bounds: `raise` adds at most one movement and ends at HEAT_CAP. A stranger's claim gives a Drop at most the heat of a
 * fresh Drop. No function here lowers a key. This file refuses to know the length of a half-life (except in
 * `heatTime`), to read a clock, and to know which peer moved a Drop.
 */

/** The unit of heat time, and of the logarithm of heat: so many units are one half-life. */
export const HEAT_UNITS_PER_HALF_LIFE = 65536;
/** A week. A Drop that nobody carried for two months is then as cold as a Drop that came by wire. */
export const HALF_LIFE_MS_DEFAULT = 604_800_000;
/** 4.3 years. `heatTime` multiplies a remainder below this value by 2^16, and the product must stay below 2^53. */
export const HALF_LIFE_MS_MAX = 2 ** 37;
/**
 * The hottest that a Drop gets: 2^8 = 256 movements. So no effort makes a Drop outlive a Drop that was moved once at
 * the same moment by more than 8 half-lives.
 */
export const HEAT_CAP = 8 * HEAT_UNITS_PER_HALF_LIFE;
/** Heat 2^-8 is the coldest heat that a claim can say. A Drop that was not carried starts with this heat. */
export const HEAT_RANGE = 8 * HEAT_UNITS_PER_HALF_LIFE;
/** At a later time a key at the cap would need more than 32 bits. 32,759 half-lives: 627 years, if one is a week. */
export const HEAT_TIME_MAX = 2 ** 31 - 1 - HEAT_CAP;
/** One step of the claim byte: 1/16 half-life. 256 steps are HEAT_RANGE + HEAT_CAP. */
export const CLAIM_STEP = 4096;
/** The hottest that the claim byte can say. */
export const CLAIM_MAX = 255;

/** The key, at heat time `now`, of a Drop that a person has just written here: heat 1, as after one movement. */
export function freshKey(now: number): number {
  return now;
}

/** The key, at heat time `now`, of a Drop that came by wire, so that nobody carried it. */
export function coldKey(now: number): number {
  return now - HEAT_RANGE;
}

/**
 * The key after one more movement: the key of heat + 1. It is at most HEAT_CAP above `now`, and never below `key`
 * (docs/temperature.md, "Arithmetic").
 */
export function raise(key: number, now: number): number {
  const logHeat = key - now;
  if (logHeat >= HEAT_CAP) return key;
  // log2(2^a + 1) is max(a, 0) + log2(1 + 2^-|a|). The second term is at most 1 and falls to 0 in both directions.
  const raised = logHeat >= 0 ? key + logOfOnePlus(logHeat) : now + logOfOnePlus(-logHeat);
  return Math.min(raised, now + HEAT_CAP);
}

/**
 * The claim byte that goes with a Drop: whole steps of CLAIM_STEP above `coldKey`, 0 .. 255, rounded down. 128 means
 * heat 1 (docs/temperature.md, "The claim byte").
 */
export function claim(key: number, now: number): number {
  const steps = Math.floor((key - coldKey(now)) / CLAIM_STEP);
  return Math.max(0, Math.min(CLAIM_MAX, steps));
}

/**
 * The key, at heat time `now`, of a Drop whose sender sent this claim: never more than a fresh Drop's key
 * (docs/temperature.md, "The claim byte"). Throws an Error for a claim that is not a byte.
 */
export function keyOfClaim(claimed: number, now: number): number {
  if (!(claimed >= 0 && claimed <= CLAIM_MAX)) throw new Error("temperature: a claim is one byte");
  return Math.min(coldKey(now) + claimed * CLAIM_STEP, freshKey(now));
}

/**
 * Heat time of a number of whole milliseconds: exact, rounded down (docs/temperature.md, "Time"). Throws an Error when
 * the half-life is not 1 .. HALF_LIFE_MS_MAX whole milliseconds, when the time is not whole or is negative, or when the
 * result is more than HEAT_TIME_MAX.
 */
export function heatTime(elapsedMs: number, halfLifeMs: number): number {
  if (!(halfLifeMs >= 1 && halfLifeMs <= HALF_LIFE_MS_MAX && Math.floor(halfLifeMs) === halfLifeMs)) {
    throw new Error("temperature: a half-life is 1 to 2^37 whole milliseconds");
  }
  if (!(elapsedMs >= 0 && elapsedMs < 2 ** 53 && Math.floor(elapsedMs) === elapsedMs)) {
    throw new Error("temperature: elapsed time is whole milliseconds from 0 to 2^53 - 1");
  }
  // The remainder of two integers is exact. So both quotients are exact too, and no product passes 2^53.
  const remainderMs = elapsedMs % halfLifeMs;
  const halfLives = (elapsedMs - remainderMs) / halfLifeMs;
  const product = remainderMs * HEAT_UNITS_PER_HALF_LIFE;
  const time = halfLives * HEAT_UNITS_PER_HALF_LIFE + (product - (product % halfLifeMs)) / halfLifeMs;
  if (time > HEAT_TIME_MAX) throw new Error("temperature: heat time leaves 32 bits");
  return time;
}

const ONE_Q26 = 2 ** 26;
const ONE_Q25 = 2 ** 25;
const TWO_Q25 = 2 ** 26;
/** From this distance on, log2(1 + 2^-distance) is below 0.73 of a unit, so it is 0 when rounded down. */
const HALVINGS_MAX = 17;

/**
 * One factor for each bit of a fraction: 2^26 * 2^(-1/2), 2^26 * 2^(-1/4), ... 2^26 * 2^(-1/65536), rounded to nearest.
 */
export const FACTORS_Q26: readonly number[] = [
  47453133, 56431603, 61539100, 64263668, 65670859, 66385968, 66746437, 66927405, 67018073, 67063453, 67086155,
  67097508, 67103186, 67106025, 67107444, 67108154,
];

/** log2(1 + 2^-distance) in units of 1/65,536, rounded down, for a distance >= 0 in the same units. */
function logOfOnePlus(distance: number): number {
  // Both ends are treated apart: the loops below would need one more bit, or would have nothing to do.
  if (distance === 0) return HEAT_UNITS_PER_HALF_LIFE;
  const halvings = Math.floor(distance / HEAT_UNITS_PER_HALF_LIFE);
  if (halvings >= HALVINGS_MAX) return 0;

  // 2^-fraction, bit by bit: a product of factors below 1. A product of two is at most 2^26 * 2^26 = 2^52.
  let power = ONE_Q26;
  const fraction = distance % HEAT_UNITS_PER_HALF_LIFE;
  for (let bit = 0; bit < 16; bit++) {
    if ((fraction & (0x8000 >> bit)) !== 0) power = Math.floor((power * FACTORS_Q26[bit]!) / ONE_Q26);
  }

  // log2 of a number in 1 .. 2, bit by bit: squaring doubles the logarithm, and a square of 2 or more shows a 1 bit.
  // The number is below 2^26 in Q25, so its square is below 2^52.
  let number = ONE_Q25 + (power >>> (halvings + 1));
  let log = 0;
  for (let bit = 0; bit < 16; bit++) {
    number = Math.floor((number * number) / ONE_Q25);
    log <<= 1;
    if (number >= TWO_Q25) {
      log |= 1;
      number >>>= 1;
    }
  }
  return log;
}
