/**
 * A place, as a person writes it (docs/messages.md, "Places").
 *
 * | notation                       | example                          | precision                      |
 * |--------------------------------|----------------------------------|--------------------------------|
 * | decimal degrees                | 57.64911,10.40744                | after a comma                  |
 * | decimal commas                 | 57,64911;10,40744                | after a semicolon              |
 * | degrees with N, S, E, W        | 57°38'56.8"N 10°24'26.8"E        | after a semicolon              |
 * | plus code                      | 9F9GJCX4+J4                      | after a comma                  |
 * | geo: link (RFC 5870)           | geo:57.64911,10.40744            | none; a third number is height |
 *
 * A place is read in one way or not at all. What a person may have meant in another way is refused with a sentence: a
 * place that is understood wrongly is the key of other people. The caller says back what was understood.
 *
 * Each pole is one point, whatever its longitude, and 180 degrees west is 180 degrees east. So each of these has one
 * spelling here: longitude 0 at a pole, and -180.
 */
import { geohash } from "../../modules/drop/geohash.ts";
import { isShortPlusCode, plusCodeArea } from "./plus-code.ts";

export interface GeoPlace {
  /** In degrees. */
  latitude: number;
  longitude: number;
  /** Characters of the geohash. */
  precision: number;
  /** The geohash: the name of the square. Everyone in the square has the same key. */
  cell: string;
  /** The size of the square at this latitude. */
  widthMetres: number;
  heightMetres: number;
}

/** A cell of about 150 metres: a square or a courtyard. */
const PRECISION_DEFAULT = 7;
const METRES_PER_DEGREE = 111_195;

/** Throws a RangeError, with a sentence for the person, when the text is not one place. */
export function parsePlace(text: string): GeoPlace {
  const plain = text
    .trim()
    .replace(/[\u2212\u2012\u2013]/g, "-")
    .replace(/[\u00ba\u02da]/g, "°")
    .replace(/[\u2032\u2019\u00b4]/g, "'")
    .replace(/[\u2033\u201d]/g, '"')
    .replace(/''/g, '"')
    .replace(/\s+/g, " ");
  const place = ofGeoLink(plain) ?? ofPlusCode(plain) ?? ofLetters(plain) ?? ofSemicolons(plain) ?? ofCommas(plain);
  if (place === undefined) {
    throw new RangeError(
      `${text || "An empty text"} is not a place: give LATITUDE,LONGITUDE in degrees, like 57.649,10.407, ` +
        "or 57.649N 10.407E, a whole plus code, or a geo: link.",
    );
  }
  return place;
}

/** What was understood, for the person to check. */
export function placeWords({ latitude, longitude, cell, widthMetres, heightMetres }: GeoPlace): string {
  const pole = latitude === 90 ? "the north pole" : latitude === -90 ? "the south pole" : undefined;
  return (
    `Place: latitude ${rounded(latitude)}, ${pole ?? `longitude ${rounded(longitude)}`}. ` +
    `Its square ${cell} is ${aboutWords(widthMetres)} wide and ${lengthWords(heightMetres)} high.`
  );
}

function ofGeoLink(text: string): GeoPlace | undefined {
  if (!/^geo:/i.test(text)) return undefined;
  const parts =
    /^geo:(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)(,-?\d+(?:\.\d+)?)?((?:;[a-z][\w-]*(?:=[^;?]*)?)*)(?:\?(.*))?$/i.exec(
      text,
    );
  if (parts === null) return undefined;
  const [, latitude = "", longitude = "", height = "", parameters = "", query = ""] = parts;
  // A person may have written geo:48,8,9 with a decimal comma.
  if (height !== "" && ![latitude, longitude, height].some((part) => part.includes("."))) throw ambiguous(text);
  if (!/^(?!.*;crs=(?!wgs84(?:;|$)))/i.test(parameters)) {
    throw new RangeError(`${text} is not in the coordinates of GPS (WGS 84): give a place in these.`);
  }
  const asked = new URLSearchParams(query).get("q");
  if (asked === null) return placeAt(Number(latitude), Number(longitude));
  // Android's form: the point that the link marks is in the question, and may have a label.
  const [, markLatitude, markLongitude] = /^(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)(?:\(.*\))?$/.exec(asked) ?? [];
  const isMarkOnly = Number(latitude) === 0 && Number(longitude) === 0;
  const isMarkHere = Number(latitude) === Number(markLatitude) && Number(longitude) === Number(markLongitude);
  if (markLatitude === undefined || !(isMarkOnly || isMarkHere)) {
    throw new RangeError(`${text} names a point and asks for another: give the coordinates of one point.`);
  }
  return placeAt(Number(markLatitude), Number(markLongitude));
}

function ofPlusCode(text: string): GeoPlace | undefined {
  if (isShortPlusCode(text)) {
    throw new RangeError(`${text} is a short plus code: give the whole code, with eight characters before the +.`);
  }
  const [code = "", precisionText, ...more] = text.split(/ ?[,;] ?/);
  const area = plusCodeArea(code);
  if (area === undefined || more.length > 0) return undefined;
  const place = placeAt(area.latitude, area.longitude, precisionOf(precisionText));
  const heightMetres = area.heightDegrees * METRES_PER_DEGREE;
  if (heightMetres > place.heightMetres) {
    throw new RangeError(
      `${code} is an area of ${lengthWords(heightMetres)}, larger than a square of ` +
        `${lengthWords(place.heightMetres)}: give a longer code, or a lower precision.`,
    );
  }
  return place;
}

/** Degrees, then minutes and seconds after the degree sign, without the sign or the letter. */
const ANGLE = String.raw`\d{1,3}(?:[.,]\d+)?(?: ?°(?: ?\d{1,2}(?:[.,]\d+)? ?'(?: ?\d{1,2}(?:[.,]\d+)? ?")?)?)?`;
const BETWEEN = "(?: ?[,;] ?| )";
const LETTERS_AFTER = new RegExp(`^(${ANGLE}) ?([NSEWO])${BETWEEN}(${ANGLE}) ?([NSEWO])(?: ?[,;] ?([^ ]+))?$`, "i");
const LETTERS_BEFORE = new RegExp(`^([NSEWO]) ?(${ANGLE})${BETWEEN}([NSEWO]) ?(${ANGLE})(?: ?; ?([^ ]+))?$`, "i");

function ofLetters(text: string): GeoPlace | undefined {
  const after = LETTERS_AFTER.exec(text);
  const before = LETTERS_BEFORE.exec(text);
  const [angle1, letter1, angle2, letter2, precision] =
    after !== null ? after.slice(1) : [before?.[2], before?.[1], before?.[4], before?.[3], before?.[5]];
  if (angle1 === undefined || angle2 === undefined) return undefined;
  const letters = `${letter1}${letter2}`.toUpperCase();
  if (letters.includes("O")) {
    throw new RangeError(`${text}: the letter O is east in one language and west in another; write E or W.`);
  }
  // N48 E9,7 may be 9.7 degrees east, or 9 degrees east and the precision 7.
  if (before !== null && angle2.includes(",") && !angle1.includes(",")) throw ambiguous(text);
  const degrees1 = degreesOf(angle1) * (/[SW]/.test(letters[0]!) ? -1 : 1);
  const degrees2 = degreesOf(angle2) * (/[SW]/.test(letters[1]!) ? -1 : 1);
  if (/^[NS][EW]$/.test(letters)) return placeAt(degrees1, degrees2, precisionOf(precision));
  if (/^[EW][NS]$/.test(letters)) return placeAt(degrees2, degrees1, precisionOf(precision));
  throw new RangeError(`${text} has no latitude or no longitude: give one of N and S, and one of E and W.`);
}

const SIGNED_ANGLE = new RegExp(`^([+-]?) ?(${ANGLE})$`);

function ofSemicolons(text: string): GeoPlace | undefined {
  const [latitude, longitude, precision, ...more] = text.split(/ ?; ?/).map((part) => part.trim());
  const angles = [latitude, longitude].map((part) => SIGNED_ANGLE.exec(part ?? ""));
  if (more.length > 0 || angles.includes(null)) return undefined;
  const [south, east] = angles.map((angle) => degreesOf(angle![2]!) * (angle![1] === "-" ? -1 : 1));
  return placeAt(south!, east!, precisionOf(precision));
}

function ofCommas(text: string): GeoPlace | undefined {
  const parts = text.split(/ ?, ?/);
  if (parts.length > 4 || !parts.every((part) => SIGNED_ANGLE.test(part))) return undefined;
  // 48,8,9 may be 48.8 and 9, or 48 and 8.9, or 48 and 8 with the precision 9.
  const hasPrecision = parts.length === 3 && parts.slice(0, 2).every((part) => /[.°]/.test(part));
  if (parts.length === 4 || (parts.length === 3 && !hasPrecision)) throw ambiguous(text);
  return ofSemicolons(parts.join(";"));
}

function ambiguous(text: string): RangeError {
  return new RangeError(
    `${text} can be read in several ways: write decimal points, like 48.8,9.1, or semicolons, like 48,8;9,1.`,
  );
}

/** The degrees of an ANGLE. */
function degreesOf(angle: string): number {
  const [degrees = "", minutes = "0", seconds = "0"] = angle.match(/\d+(?:[.,]\d+)?/g) ?? [];
  const isFraction = (part: string): boolean => /[.,]/.test(part);
  const parts = [degrees, minutes, seconds].map((part) => Number(part.replace(",", ".")));
  const hasFractionBefore = (isFraction(degrees) && /'/.test(angle)) || (isFraction(minutes) && /"/.test(angle));
  if (hasFractionBefore || parts[1]! >= 60 || parts[2]! >= 60) {
    throw new RangeError(
      `${angle} is not an angle: minutes and seconds are below 60, and only the last number has a fraction.`,
    );
  }
  return parts[0]! + parts[1]! / 60 + parts[2]! / 3_600;
}

function precisionOf(text = String(PRECISION_DEFAULT)): number {
  if (!/^\d{1,2}$/.test(text)) throw new RangeError(`The precision is a whole number from 1 to 12, not "${text}".`);
  return Number(text);
}

function placeAt(latitude: number, longitude: number, precision = PRECISION_DEFAULT): GeoPlace {
  const east = Math.abs(latitude) === 90 ? 0 : longitude === 180 ? -180 : longitude;
  const cell = String.fromCharCode(...geohash(latitude, east, precision));
  const latitudeBits = Math.floor((5 * precision) / 2);
  const heightDegrees = 180 / 2 ** latitudeBits;
  const widthDegrees = 360 / 2 ** (5 * precision - latitudeBits);
  const south = Math.min(90 - heightDegrees, Math.floor((latitude + 90) / heightDegrees) * heightDegrees - 90);
  const middle = ((south + heightDegrees / 2) * Math.PI) / 180;
  return {
    // Adding zero makes minus zero zero.
    latitude: latitude + 0,
    longitude: east + 0,
    precision,
    cell,
    widthMetres: widthDegrees * METRES_PER_DEGREE * Math.cos(middle),
    heightMetres: heightDegrees * METRES_PER_DEGREE,
  };
}

/** A tenth of a metre is finer than any position that a person knows. */
function rounded(degrees: number): number {
  return Math.round(degrees * 1e6) / 1e6;
}

function aboutWords(metres: number): string {
  return metres < 0.001 ? "less than a millimetre" : `about ${lengthWords(metres)}`;
}

function lengthWords(metres: number): string {
  if (metres >= 1_000) return `${Number((metres / 1_000).toPrecision(2))} km`;
  return metres >= 1 ? `${Number(metres.toPrecision(3))} m` : `${Number((metres * 1_000).toPrecision(2))} mm`;
}
