/**
 * Geohash cells: a place as a short word (G. Niemeyer, 2008, public domain; docs/protocol.md, "Keys").
 *
 * Longitude and latitude are halved alternately, longitude first. Each halving gives one bit: 1 for the upper half,
 * which includes its lower edge. Five bits make one character of the alphabet below. So the word of a cell is a prefix
 * of the words of all cells within it.
 *
 * | precision | cell on the equator, about | | precision | cell on the equator, about |
 * |-----------|----------------------------|-|-----------|----------------------------|
 * | 4         | 39 km x 20 km              | | 7         | 153 m x 153 m              |
 * | 5         | 4.9 km x 4.9 km            | | 8         | 38 m x 19 m                |
 * | 6         | 1.2 km x 0.6 km            | | 9         | 4.8 m x 4.8 m              |
 *
 * Invariant: the result is the same on every engine and in every language with IEEE 754 doubles. Each midpoint is 45
 * times an integer divided by a power of two. A midpoint has at most 36 significant bits, so it is exact. Only the
 * caller's input is rounded.
 *
 * The function does not wrap around: longitude 180 lies in the easternmost cell, not in the cell of -180, as in the
 * published algorithm. Two points on either side of an edge share no cell, however near they are. A program that looks
 * for a place must try the neighbouring cells too.
 */

/** One character is a cell of 45 by 45 degrees. */
export const GEOHASH_PRECISION_MIN = 1;
/**
 * Twelve characters are 60 bits: a cell of about 37 by 19 millimetres, finer than any position a person can measure.
 */
export const GEOHASH_PRECISION_MAX = 12;

/** Digits and lower case letters without a, i, l, o. */
const ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";
const BITS_PER_CHARACTER = 5;

/**
 * The cell of a point in degrees, as `precision` bytes of ASCII. Throws a RangeError, with a sentence for the person
 * who typed the place, when the latitude is outside -90..90, the longitude outside -180..180 or the precision outside
 * 1..12.
 */
export function geohash(latitude: number, longitude: number, precision: number): Uint8Array {
  // Each condition is written so that NaN fails it.
  if (!(latitude >= -90 && latitude <= 90)) {
    throw new RangeError(`The latitude must be between -90 and 90 degrees, not ${latitude}.`);
  }
  if (!(longitude >= -180 && longitude <= 180)) {
    throw new RangeError(`The longitude must be between -180 and 180 degrees, not ${longitude}.`);
  }
  if (!(precision >= GEOHASH_PRECISION_MIN && precision <= GEOHASH_PRECISION_MAX && precision === precision >>> 0)) {
    throw new RangeError(`The precision must be a whole number from 1 to 12, not ${precision}.`);
  }
  const cell = new Uint8Array(precision);
  let south = -90;
  let north = 90;
  let west = -180;
  let east = 180;
  for (let bit = 0, value = 0; bit < precision * BITS_PER_CHARACTER; bit++) {
    let upper = 0;
    if ((bit & 1) === 0) {
      const middle = (west + east) / 2;
      if (longitude >= middle) {
        upper = 1;
        west = middle;
      } else {
        east = middle;
      }
    } else {
      const middle = (south + north) / 2;
      if (latitude >= middle) {
        upper = 1;
        south = middle;
      } else {
        north = middle;
      }
    }
    value = (value << 1) | upper;
    if ((bit + 1) % BITS_PER_CHARACTER === 0) {
      cell[(bit + 1) / BITS_PER_CHARACTER - 1] = ALPHABET.charCodeAt(value);
      value = 0;
    }
  }
  return cell;
}
