/**
 * Plus codes, also called Open Location Codes (the specification of Google, 2014, CC BY 4.0).
 *
 * Each of the first five pairs of digits divides latitude and longitude by 20, beginning at 20 degrees. Each digit
 * after the tenth divides an area into five rows and four columns. A `+` stands after the eighth digit. Zeros before
 * the `+` fill up a code of a larger area.
 *
 * Refuses, by undefined, everything that is not a whole code. A short code, like 9G8F+6X, needs a town to be found in.
 */

/** The area of a code, in degrees. */
export interface PlusCodeArea {
  /** The middle of the area. */
  latitude: number;
  longitude: number;
  heightDegrees: number;
  widthDegrees: number;
}

const DIGITS = "23456789CFGHJMPQRVWX";
const PAIR_DIGITS = 10;
const ROWS = 5;
const COLUMNS = 4;
/** What one degree is divided into, so that the arithmetic is exact: five pairs, and five digits of the grid. */
const LATITUDE_UNITS = 8_000 * ROWS ** 5;
const LONGITUDE_UNITS = 8_000 * COLUMNS ** 5;
const WHOLE_CODE = /^(?=.{8}\+)(?:[2-9CFGHJMPQRVWX]{2})+0*\+(?:[2-9CFGHJMPQRVWX]{2,7})?$/;

/** The area of a whole code in upper or lower case. */
export function plusCodeArea(text: string): PlusCodeArea | undefined {
  const code = text.toUpperCase();
  if (!WHOLE_CODE.test(code) || (code.includes("0") && !code.endsWith("+"))) return undefined;
  const digits = Array.from(code.replace(/[0+]/g, ""), (digit) => DIGITS.indexOf(digit));
  let south = 0;
  let west = 0;
  let height = 400 * LATITUDE_UNITS;
  let width = 400 * LONGITUDE_UNITS;
  for (let i = 0; i < digits.length; ) {
    if (i < PAIR_DIGITS) {
      height /= DIGITS.length;
      width /= DIGITS.length;
      south += digits[i++]! * height;
      west += digits[i++]! * width;
    } else {
      height /= ROWS;
      width /= COLUMNS;
      south += Math.floor(digits[i]! / COLUMNS) * height;
      west += (digits[i++]! % COLUMNS) * width;
    }
  }
  const latitude = (south + height / 2) / LATITUDE_UNITS - 90;
  const longitude = (west + width / 2) / LONGITUDE_UNITS - 180;
  if (latitude > 90 || longitude > 180) return undefined;
  return { latitude, longitude, heightDegrees: height / LATITUDE_UNITS, widthDegrees: width / LONGITUDE_UNITS };
}

/** Whether the text is a code without its first digits, with or without the name of a town. */
export function isShortPlusCode(text: string): boolean {
  return /^[2-9CFGHJMPQRVWX]{2,6}\+[2-9CFGHJMPQRVWX]{2,}(?:[\s,].*)?$/i.test(text);
}
