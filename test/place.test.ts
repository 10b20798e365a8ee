/** A place is understood in one way or refused, and each notation of a place names the same square. */
import test from "ava";
import { type GeoPlace, parsePlace, placeWords } from "../hosts/cli/place.ts";
import { plusCodeArea } from "../hosts/cli/plus-code.ts";

test("each notation of a place names the same square", (t) => {
  const notations = [
    "57.64911,10.40744",
    " 57.64911, 10.40744 ",
    "+57.64911,+10.40744",
    "57.64911,10.40744,7",
    "57,64911;10,40744",
    "57.64911; 10.40744; 7",
    "57.64911N 10.40744E",
    "57.64911°N, 10.40744°E",
    "57,64911° N, 10,40744° E",
    "10.40744 E, 57.64911 N",
    "n57.64911 e10.40744",
    "N 57,64911 E 10,40744",
    "N57.64911;E10.40744;7",
    "57.64911N,10.40744E,7",
    `57°38'56.8"N 10°24'26.8"E`,
    "57° 38.9466′ N 10° 24.4464′ E",
    "57º38’56,8”N 10º24’26,8”E",
    "57°38'56.8'',10°24'26.8''",
    "9F9GJCX4+JX",
    "9f9gjcx4+jx,7",
    "geo:57.64911,10.40744",
    "GEO:57.64911,10.40744,35;crs=WGS84;u=20?z=17",
    "geo:0,0?q=57.64911,10.40744(The%20spit)",
  ];
  for (const notation of notations) t.is(parsePlace(notation).cell, "u4pruyd", notation);
});

test("south, west and minus are the same, and minus has many characters", (t) => {
  const cell = parsePlace("-33.8568,-70.6153").cell;
  for (const notation of [
    "33.8568S 70.6153W",
    "70.6153W, 33.8568S",
    "S33.8568 W70.6153",
    "\u221233.8568,\u221270.6153",
    "-33,8568;-70,6153",
    `33°51'24.48"S 70°36'55.08"W`,
    "geo:-33.8568,-70.6153",
  ]) {
    t.is(parsePlace(notation).cell, cell, notation);
  }
  t.true(parsePlace("-0°30',10.0").latitude === -0.5);
});

test("a pole, the antimeridian and zero have one spelling each", (t) => {
  const same = (...notations: string[]): void => {
    const [first, ...others] = notations.map((notation) => parsePlace(notation));
    for (const other of others) t.deepEqual(other, first);
  };
  same("10.0,180.0", "10.0,-180.0", "10N 180E", "10N 180W", "geo:10,180");
  same("90.0,0.0", "90.0,120.5", "90N 33W", "geo:90,-22.43;crs=WGS84");
  same("-90.0,0.0", "90S 120E");
  same("0,0", "-0,-0", "0S 0W", "-0.0,0.0");
  t.is(parsePlace("-0,-0").latitude, 0);
  t.notThrows(() => parsePlace("89.9999,179.9999,12"));
});

test("what can be read in several ways is refused", (t) => {
  for (const text of ["48,8,9", "48,8,9,1", "48.8,9,1", "48,9.1,7", "-48,8,-9", "48, 8, 9", "N48 E9,7", "geo:48,8,9"]) {
    t.throws(() => parsePlace(text), { instanceOf: RangeError, message: /several ways/ }, text);
  }
  t.throws(() => parsePlace("48.8N 9.1O"), { message: /letter O/ });
  t.throws(() => parsePlace("CX4+JX"), { message: /short plus code/ });
  t.throws(() => parsePlace("JCX4+JX Skagen"), { message: /short plus code/ });
  t.throws(() => parsePlace("geo:57.6,10.4?q=Skagen"), { message: /one point/ });
  t.throws(() => parsePlace("geo:57.6,10.4?q=48.8,9.1"), { message: /one point/ });
  t.throws(() => parsePlace("geo:57.6,10.4;crs=nad27"), { message: /WGS 84/ });
  t.throws(() => parsePlace("48N 9S"), { message: /no latitude or no longitude/ });
});

test("what is not a place is refused, with the forms that are", (t) => {
  for (const text of [
    ...["", " ", "51", "51,", ",51", "51,,10", "51;10;7;1", "a,b", "48.8 9.1", "48,8 9,1", "1,2,3,4,5"],
    ...["NaN,1", "Infinity,1", "0x10,1", "1e1,2", "1,2e0", "1_0,2", ".5,1", "5.,1", "1..2,3", "--1,2", "+-1,2", "٤٨,٩"],
    ...[
      "-48.8S 9.1E",
      "48.8,9.1,7°,",
      "4e1N",
      "geo:1e1,2",
      "geo:48.8",
      "geo:48.8,9.1,2,3",
      "geo: 48.8,9.1",
      "geo:48,8;9,1",
    ],
    ...["8FVC2345+G", "8FVC2300+G6", "8FVC2345G6", "8FVC2345+G6+", "ZFVC2345+G6"],
  ]) {
    t.throws(() => parsePlace(text), { instanceOf: RangeError, message: /LATITUDE,LONGITUDE/ }, text);
  }
});

test("numbers out of range are refused by name", (t) => {
  for (const text of ["90.1,0.0", "-91,0", "91N 0E", "geo:100,0"]) {
    t.throws(() => parsePlace(text), { instanceOf: RangeError, message: /latitude must be between/ }, text);
  }
  for (const text of ["0,180.1", "0,-181", "0N 200E", "geo:0,999"]) {
    t.throws(() => parsePlace(text), { instanceOf: RangeError, message: /longitude must be between/ }, text);
  }
  for (const text of ["1.0,2.0,0", "1.0,2.0,13", "1.0,2.0,7.5", "1.0,2.0,-1", "1;2;", "1N 2E;x", "9F9GJCX4+JX,99"]) {
    t.throws(
      () => parsePlace(text),
      { instanceOf: RangeError, message: /precision .*whole number from 1 to 12/ },
      text,
    );
  }
  for (const text of [`48°60'N 9°0'E`, `48°0'60"N 9°0'E`, `48.5°30'N 9°0'E`, `48°1.5'2"N 9°0'E`]) {
    t.throws(() => parsePlace(text), { instanceOf: RangeError, message: /is not an angle/ }, text);
  }
});

test("a plus code of an area that is larger than the square is refused, unless the precision is lower", (t) => {
  for (const text of ["9F9GJCX4+", "9F9G0000+", "9F9GJCX4+JX,9"]) {
    t.throws(() => parsePlace(text), { instanceOf: RangeError, message: /larger than a square/ }, text);
  }
  t.is(parsePlace("9F9GJCX4+,6").precision, 6);
});

test("plus codes decode as the vectors of their specification say", (t) => {
  const vectors: [code: string, south: number, west: number, north: number, east: number][] = [
    ["7FG49Q00+", 20.35, 2.75, 20.4, 2.8],
    ["7FG49QCJ+2V", 20.37, 2.782125, 20.370125, 2.78225],
    ["7FG49QCJ+2VX", 20.3701, 2.78221875, 20.370125, 2.78225],
    ["7FG49QCJ+2VXGJ", 20.370113, 2.782234375, 20.370114, 2.78223632813],
    ["4VCPPQGP+Q9", -41.273125, 174.785875, -41.273, 174.786],
    ["22222222+22", -90, -180, -89.999875, -179.999875],
    ["CFX3X2X2+X2", 89.999875, 1, 90, 1.000125],
    ["84000000+", 30, -140, 50, -120],
    ["849VGJQF+VX7QR3J", 37.53966912, -122.3750698242, 37.53966916, -122.3750697021],
  ];
  for (const [code, south, west, north, east] of vectors) {
    const area = plusCodeArea(code)!;
    const expected = [(south + north) / 2, (west + east) / 2, north - south, east - west];
    const got = [area.latitude, area.longitude, area.heightDegrees, area.widthDegrees];
    got.forEach((value, i) => {
      t.true(Math.abs(value - expected[i]!) < 1e-9, `${code}: ${got} and ${expected}`);
    });
  }
  for (const code of ["G+", "+", "8FWC2345+G", "8FWC2_45+G6", "8FWC2345+G6+", "8FWC2345G6+", "8FWC2300+G6", "45+G6"]) {
    t.is(plusCodeArea(code), undefined, code);
  }
});

test("the place that was understood is said back, with the size of its square there", (t) => {
  const place = (text: string): GeoPlace => parsePlace(text);
  t.is(
    placeWords(place("57.64911,10.40744")),
    "Place: latitude 57.64911, longitude 10.40744. Its square u4pruyd is about 81.7 m wide and 153 m high.",
  );
  t.regex(placeWords(place("0,0")), /about 153 m wide and 153 m high/);
  t.regex(placeWords(place("0.0,0.0,4")), /about 39 km wide and 20 km high/);
  t.regex(placeWords(place("0.0,0.0,12")), /about 37 mm wide and 19 mm high/);
  t.regex(placeWords(place("90.0,0.0,12")), /^Place: latitude 90, the north pole\. .* is less than a millimetre wide/);
  t.regex(placeWords(place("-90,77")), /^Place: latitude -90, the south pole\./);
  t.regex(placeWords(place("-33.8568,151.2153")), /latitude -33.8568, longitude 151.2153/);
  t.regex(placeWords(place(`48°0'20"N 9°0'0"E`)), /latitude 48.005556, longitude 9\./);
});
