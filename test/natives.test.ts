/**
 * Tests of the firmware replace its C by TypeScript (test/xs/natives/). Such a test proves something only if the
 * replacement behaves like the C. So these tests compare names, bounds and refusals with the C sources, and run the
 * shipped classes of radio and line over the replacement to check the contract that those classes promise.
 */
import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import { Desk } from "./xs/desk.ts";
import { FUNCTIONS } from "./xs/natives/native.ts";

// These imports must come after the desk, because the desk defines the XS functions that Node lacks.
const { EspNow } = await import("../modules/espnow/espnow.ts");
const { Serial } = await import("../modules/serial/serial.ts");
const { copy } = await import("../modules/board/copy.ts");
const { crc32 } = await import("../modules/board/crc32.ts");

const FOLDERS = ["modules/board", "modules/espnow", "modules/serial"];
/** C functions without a replacement: test/xs/natives/board.ts and flash.ts replace the whole module above them. */
const NOT_REPLACED = /^xs_(board|memory|flash)|_destructor$/;

function texts(ending: RegExp): string {
  return FOLDERS.flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
    .filter((path) => ending.test(path))
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
}

function names(text: string, pattern: RegExp): string[] {
  const found = new Set([...text.matchAll(pattern)].map((match) => match[1]!));
  return [...found].filter((name) => !NOT_REPLACED.test(name)).sort();
}

test("TypeScript, C and the tests' natives name the same functions", (t) => {
  const known = Object.keys(FUNCTIONS).sort();
  t.true(known.length > 10);
  t.deepEqual(names(texts(/\.ts$/), /\bnative\("(\w+)"\)/g), known);
  t.deepEqual(names(texts(/\.c$/), /^void (xs_\w+)\(xsMachine \*the\)/gm), known);
});

test("the tests' natives have the bounds and the refusals of the C", (t) => {
  const c = texts(/\.[ch]$/);
  const replacements = ["bytes", "espnow", "serial"]
    .map((name) => readFileSync(`test/xs/natives/${name}.ts`, "utf8"))
    .join("\n");
  const sentences = [...replacements.matchAll(/Error\("([^"]+)"\)|"((?:serial: )?outside the buffer)"/g)].map(
    (match) => match[1] ?? match[2]!,
  );
  t.true(sentences.length >= 8);
  for (const sentence of sentences) t.true(c.includes(`"${sentence}"`), `the C does not refuse with "${sentence}"`);
  for (const bound of [
    "FRAME_BYTES_MAX 1470",
    "RECEIVED_RING_BYTES (24 * 1024)",
    "RECORD_HEADER_BYTES (2 + ADDRESS_BYTES + 1)",
  ])
    t.true(c.includes(`#define ${bound}\n`), `the C does not define ${bound}`);
  for (const bound of ["SEND_QUEUE_FRAMES 2", "RECEIVE_BYTES 9216", "SEND_BYTES 4096"])
    t.true(c.includes(`#define ${bound}\n`), `the C does not define ${bound}`);
});

/** C that asks the SDK for the bytes of an array of words, which the SDK answers with "invalid buffer". */
function wordsAsBytes(ts: string, c: Record<string, string>): string[] {
  const words = /\((?:[^()]|\([^()]*\))*\b(?:Int16|Uint16|Int32|Uint32|Float32|Float64)Array\b(?:[^()]|\([^()]*\))*\)/;
  const takers = [
    ...ts.matchAll(/^(?:export function| {2}(?:private )?)\s*\w+(\([\s\S]*?\)): [^{;]*\{[^}]*?native\("(\w+)"\)/gm),
  ]
    .filter(([, parameters]) => words.test(parameters!))
    .map(([, , name]) => name!);
  return Object.entries(c)
    .filter(([, text]) => takers.some((name) => text.includes(`void ${name}(`)))
    .filter(([, text]) => /xsmcGetBuffer\w+\(xsArg/.test(text))
    .map(([path]) => path);
}

test("C takes an array of words by its buffer, because the SDK gives the bytes of no such array", (t) => {
  const c = Object.fromEntries(
    FOLDERS.flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
      .filter((path) => path.endsWith(".c"))
      .map((path) => [path, readFileSync(path, "utf8")]),
  );
  t.deepEqual(wordsAsBytes(texts(/\.ts$/), c), []);
  const path = "modules/board/mixing-binding.c";
  const canary = c[path]!.replace("xsmcGetBufferWritable(xsVar(0)", "xsmcGetBufferWritable(xsArg(index)");
  t.deepEqual(wordsAsBytes(texts(/\.ts$/), { ...c, [path]: canary }), [path]);
});

const nothing = { onFrame() {}, onRoom() {}, onReadable() {}, onWritable() {} };
const address = Uint8Array.of(2, 0, 0, 0, 0, 9);

function onNewDesk(): Desk {
  globalThis.desk = new Desk();
  return globalThis.desk;
}

test.serial("the radio refuses unknown channels and rates, and a second radio while one is open", (t) => {
  onNewDesk();
  for (const channel of [0, 12, 1.5, Number.NaN])
    t.throws(() => new EspNow({ channel, rate: "1M", ...nothing }), {
      instanceOf: RangeError,
      message: /is not 1 to 11/,
    });
  t.throws(() => new EspNow({ channel: 1, rate: "3M" as never, ...nothing }), {
    instanceOf: RangeError,
    message: /is none of 1M/,
  });
  const first = new EspNow({ channel: 1, rate: "1M", ...nothing });
  t.throws(() => new EspNow({ channel: 1, rate: "1M", ...nothing }), { message: /is open already/ });
  first.close();
  first.close();
  t.true(first.full);
  t.false(first.send(address, 6, address));
  t.notThrows(() => new EspNow({ channel: 11, rate: "LR500K", ...nothing }));
});

test.serial("a radio that was closed opens again, and hears and sends as before", (t) => {
  const desk = onNewDesk();
  const heard: number[] = [];
  const onFrame = (_bytes: Uint8Array, lengthBytes: number): unknown => heard.push(lengthBytes);
  const radio = new EspNow({ channel: 1, rate: "1M", ...nothing, onFrame });
  const { frameSizeBytesMax } = radio;
  for (let nap = 1; nap <= 3; nap++) {
    radio.close();
    t.true(radio.full, "a closed radio is full");
    t.is(radio.open(), frameSizeBytesMax);
    t.throws(() => radio.open(), { message: /is open already/ });
    t.true(radio.send(new Uint8Array(nap), nap, address));
    desk.handlers!.onFrame(new Uint8Array(nap), nap, address);
    t.is(heard.length, nap);
  }
  radio.close();
});

test.serial("the radio queues two frames, calls onRoom, counts frames, and copies each frame that it receives", (t) => {
  const desk = onNewDesk();
  let rooms = 0;
  const heard: number[][] = [];
  const radio = new EspNow({
    channel: 1,
    rate: "1M",
    onFrame(bytes, lengthBytes, from) {
      heard.push([lengthBytes, ...bytes.subarray(0, lengthBytes), ...from, radio.rssiDbm]);
    },
    onRoom: () => rooms++,
  });
  t.deepEqual([...radio.address], [2, 0, 0, 0, 0, 1]);
  t.deepEqual([radio.frameSizeBytesMax, radio.receiveQueueFrames], [250, 94]);
  t.throws(() => radio.send(new Uint8Array(251), 251, address), { instanceOf: RangeError });
  t.throws(() => radio.send(address, 7, address), { instanceOf: RangeError });
  t.throws(() => radio.send(address, 6, new Uint8Array(5)), { instanceOf: RangeError });
  t.deepEqual(
    [1, 2, 3].map(() => radio.send(address, 6, address)),
    [true, true, false],
  );
  t.true(radio.full);
  globalThis.boot = () => {};
  desk.run(200);
  t.deepEqual([rooms, radio.full], [2, false]);
  const { sent, delivered, receiveQueueFull } = radio.counters;
  t.deepEqual({ sent, delivered, receiveQueueFull }, { sent: 2, delivered: 2, receiveQueueFull: 0 });
  heard.length = 0;
  desk.rssiDbm = -61;
  desk.handlers!.onFrame(Uint8Array.of(7, 8, 9), 2, address);
  t.deepEqual(heard, [[2, 7, 8, ...address, -61]]);
});

test.serial("the line refuses a second line and speed 0, takes as many bytes as fit, and reads in pieces", (t) => {
  const desk = onNewDesk();
  const read: number[] = [];
  const options = { port: "usb", baud: 921_600, ...nothing } as const;
  t.throws(() => new Serial({ ...options, baud: 0 }), { instanceOf: RangeError });
  const line = new Serial({ ...options, onReadable: (_bytes, lengthBytes) => read.push(lengthBytes) });
  t.throws(() => new Serial(options), { message: /is open already/ });
  desk.line!.bring(new Uint8Array(9_300));
  t.deepEqual(read, Array(9_216 / 512).fill(512), "the bytes beyond the receive buffer are lost");
  t.throws(() => line.write(new Uint8Array(8), 4, 5), { instanceOf: RangeError });
  t.deepEqual(
    [3_000, 3_000, 1].map((lengthBytes) => line.write(new Uint8Array(3_000), 0, lengthBytes)),
    [3_000, 1_096, 0],
  );
  line.close();
  t.is(line.write(new Uint8Array(1), 0, 1), 0);
  t.notThrows(() => new Serial(options));
});

test("a board's CRC and copy refuse a range outside the buffer", (t) => {
  t.is(crc32(Buffer.from("-123456789"), 1, 9) >>> 0, 0xcbf43926);
  const to = new Uint8Array(4);
  copy(Uint8Array.of(1, 2, 3), 1, to, 2, 2);
  t.deepEqual([...to], [0, 0, 2, 3]);
  t.throws(() => crc32(to, 1, 4), { instanceOf: RangeError });
  t.throws(() => copy(to, 0, to, 1, 4), { instanceOf: RangeError });
});
