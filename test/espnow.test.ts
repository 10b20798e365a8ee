/**
 * A race or an overrun in the radio's C would show on a board as a rare crash without a trace. So these tests
 * compile the plain C of modules/espnow with the machine's own compiler. They run ring, tasks and sender under
 * AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer. Each canary is the same code with one thing broken,
 * and a test must catch it.
 *
 * The last tests cover the air of firmware that runs on a desk, which the firmware shares with Node.
 *
 * `SEED=n npx ava build/test/espnow.test.js` replays a run.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { encodeFrameDatagram } from "../hosts/radio/air-datagram.ts";
import { AIR_GROUP, AIR_PORT_BASE, MulticastRadio } from "../hosts/radio/multicast-radio.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import { SeededRandom } from "../sim/random.ts";

const SOURCES = "modules/espnow";
const PLAIN = ["radio.c", "sender.c", "pacing.c", "peer-table.c", "esp-error.c", "frame-ring.c"];
const WARNINGS = ["-std=gnu17", "-Wall", "-Wextra", "-Werror"];
const seed = Number(process.env.SEED ?? 1 + (Date.now() % 1_000_000));
console.log(`espnow: SEED=${seed}`);

const folder = mkdtempSync(join(tmpdir(), "throwie-espnow-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

type Sanitizer = "address,undefined" | "thread";
interface Canary {
  file: string;
  from: string;
  to: string;
}

/** Compiles test/espnow/<program>.c with the radio's plain C. A canary changes one place of that C. */
function compile(program: string, sanitizer: Sanitizer, canary?: Canary): string {
  const built = mkdtempSync(join(folder, `${program}-`));
  const sources = PLAIN.map((name) => {
    if (name !== canary?.file) return join(SOURCES, name);
    const whole = readFileSync(join(SOURCES, name), "utf8");
    if (whole.split(canary.from).length !== 2)
      throw new Error(`canary: ${name} must contain "${canary.from}" exactly once`);
    writeFileSync(join(built, name), whole.replace(canary.from, canary.to));
    return join(built, name);
  });
  const sanitize = [`-fsanitize=${sanitizer}`, "-fno-sanitize-recover=all", "-O1", "-g", "-pthread"];
  const output = join(built, program);
  execFileSync("cc", [
    ...WARNINGS,
    ...sanitize,
    `-I${SOURCES}`,
    ...["-o", output, `test/espnow/${program}.c`, ...sources],
  ]);
  return output;
}

function run(program: string, words: (string | number)[], input = "") {
  const options = { input, encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  const result = spawnSync(program, words.map(String), options);
  // ThreadSanitizer of older compilers finds no place for its shadow memory if the kernel randomizes addresses widely.
  if (!/unexpected memory mapping/.test(result.stderr)) return result;
  return spawnSync("setarch", ["-R", program, ...words.map(String)], options);
}

for (const [program, sanitizer, count] of [
  ["ring-model", "address,undefined", 1_000_000],
  ["ring-tasks", "address,undefined", 2_000_000],
  ["ring-tasks", "thread", 1_000_000],
  ["radio-tasks", "address,undefined", 50_000],
  ["radio-tasks", "thread", 50_000],
  ["radio-news", "address,undefined", 1],
] as const) {
  test.serial(`${program} passes under -fsanitize=${sanitizer}`, (t) => {
    const { status, stdout, stderr } = run(compile(program, sanitizer), [seed, count]);
    t.is(status, 0, stderr);
    t.regex(stdout, /\d+ (passed|frames)/);
    t.log(stdout.trim());
  });
}

const HEAD_PUBLISHED = "atomic_store_explicit(&ring->head, at, memory_order_release)";
const TAIL_PUBLISHED = "atomic_store_explicit(&ring->tail, at, memory_order_release)";
const COLLECTED = `  atomic_exchange(&radio->posted, 0);
  radio->received_end = frame_ring_end(&radio->received);`;
for (const [name, program, sanitizer, count, canary, expected] of [
  [
    "the producer publishes a record without order",
    ...["ring-tasks", "thread", 100_000],
    { file: "frame-ring.c", from: HEAD_PUBLISHED, to: HEAD_PUBLISHED.replace("release", "relaxed") },
    /data race/,
  ],
  [
    "the consumer publishes free room without order",
    ...["ring-tasks", "thread", 100_000],
    { file: "frame-ring.c", from: TAIL_PUBLISHED, to: TAIL_PUBLISHED.replace("release", "relaxed") },
    /data race/,
  ],
  [
    "the ring takes a frame of any length",
    ...["ring-model", "address,undefined", 100_000],
    { file: "frame-ring.c", from: "length < 1 || length > FRAME_BYTES_MAX || ", to: "" },
    /AddressSanitizer|check failed/,
  ],
  [
    "a record runs past the end of the ring",
    ...["ring-model", "address,undefined", 100_000],
    {
      file: "frame-ring.c",
      from: `const uint32_t first = count < ring->size - at ? count : ring->size - at;
  memcpy(ring->bytes + at`,
      to: `const uint32_t first = count;
  memcpy(ring->bytes + at`,
    },
    /AddressSanitizer: heap-buffer-overflow/,
  ],
  [
    "the node lowers the flag after it has looked at the ring",
    ...["radio-tasks", "address,undefined", 50_000],
    {
      file: "radio.c",
      from: COLLECTED,
      to: `${COLLECTED.split("\n")[1]}
  extern int usleep(unsigned int);
  usleep(20);
${COLLECTED.split("\n")[0]}`,
    },
    /frames wait, but no message is under way/,
  ],
  [
    "a message that could not be posted waits for the next frame",
    ...["radio-news", "address,undefined", 1],
    { file: "radio.c", from: "atomic_store(&radio->owed, 1)", to: "" },
    /could not be posted is forgotten/,
  ],
  [
    "the node is not told of a radio that cannot be started",
    ...["radio-news", "address,undefined", 1],
    { file: "pacing.c", from: "pacing->restarts_failed >= RESTARTS_FAILED_MAX", to: "!pacing" },
    /the node is not told that the radio is lost/,
  ],
] as [string, string, Sanitizer, number, Canary, RegExp][]) {
  test.serial(`canary: ${name}`, (t) => {
    const { status, stderr } = run(compile(program, sanitizer, canary), [seed, count]);
    t.not(status, 0, "the program did not notice the fault");
    t.regex(stderr, expected);
  });
}

test.serial("the peer table holds the 20 addresses that were used last", (t) => {
  const random = new SeededRandom(seed, "peers");
  const uses = Array.from({ length: 20_000 }, (_, i) =>
    // Every 200 uses the count of addresses changes between fewer and more than fit. Everyone's address is among them.
    random.below(8) === 0 ? "ffffffffffff" : `0200000000${(random.below(i % 400 < 200 ? 15 : 30) + 16).toString(16)}`,
  );
  let latest: string[] = [];
  const expected = uses.map((address) => {
    const known = latest.includes(address);
    const retired = !known && latest.length === 20 ? `retire ${latest.pop()} ` : "";
    latest = [address, ...latest.filter((other) => other !== address)];
    return known ? "known" : `${retired}add`;
  });
  const { status, stdout, stderr } = run(compile("peers", "address,undefined"), [], uses.join("\n"));
  t.is(status, 0, stderr);
  t.deepEqual(stdout.trim().split("\n"), expected);
  for (const answer of ["known", "add", "retire"]) t.true(expected.some((line) => line.startsWith(answer)));
});

const NO_MEMORY = 0x3067;
const INTERNAL = 0x306a;
const ARGUMENT = 0x3066;
const EXISTS = 0x306b;

const senderScript = compile("sender-script", "address,undefined");
function script(lines: string): string[] {
  const { status, stdout, stderr } = run(senderScript, [], lines);
  if (status !== 0) throw new Error(stderr);
  return stdout.trim().split("\n");
}

test.serial("the sender has one frame in flight until the send callback, and two in its queue", (t) => {
  t.deepEqual(
    script("step 0 offer 1 226 offer 2 1470 offer 3 9 step 10 step 20 complete 1 step 21 offer 3 9 counters"),
    [
      "wait for wake",
      "taken",
      "taken",
      "full",
      "add 1, transmit 226 to 1, wait 1000",
      "wait 990",
      "add 2, transmit 1470 to 2, wait 1000",
      "taken",
      "sent 2, delivered 1, failed 0, no memory 0, refused 0, abandoned 0, restarts 0, queued 2, error 0",
    ],
  );
});

test.serial("the sender counts a frame that nobody acknowledged, and sends the next", (t) => {
  t.deepEqual(script("offer 1 5 step 0 complete 0 offer 1 6 step 3 complete 1 step 4 counters").slice(-3), [
    "transmit 6 to 1, wait 1000",
    "wait for wake",
    "sent 2, delivered 1, failed 1, no memory 0, refused 0, abandoned 0, restarts 0, queued 0, error 0",
  ]);
});

test.serial("the sender repeats a frame every 5 ms if the driver has no buffers, and restarts after 200 times", (t) => {
  const steps = Array.from({ length: 202 }, (_, i) => `step ${5 * i}`).join(" ");
  const lines = script(
    `answer transmit ${NO_MEMORY} offer 1 7 ${steps} answer transmit 0 offer 2 8 step 1010 counters`,
  );
  t.deepEqual(lines.slice(0, 3), ["taken", "add 1, transmit 7 to 1, wait 5", "transmit 7 to 1, wait 5"]);
  t.is(lines.filter((line) => line.startsWith("transmit 7")).length, 200);
  t.deepEqual(lines.slice(-4), [
    "wait for wake",
    "taken",
    "add 2, transmit 8 to 2, wait 1000",
    "sent 1, delivered 0, failed 0, no memory 201, refused 0, abandoned 1, restarts 1, queued 1, error 0x3067",
  ]);
  t.true(lines.some((line) => line.includes("transmit 7 to 1, restart, ")));
});

test.serial(
  "the sender restarts after a second without callback, repeats a failed restart, accepts a late callback",
  (t) => {
    t.deepEqual(
      script(`offer 1 7 step 0 answer restart ${INTERNAL} step 1000 step 1900 offer 2 8 answer restart 0 step 2000
      complete 1 complete 0 offer 3 9 step 2001 step 2002 counters`),
      [
        "taken",
        "add 1, transmit 7 to 1, wait 1000",
        "restart, wait 1000",
        "wait 100",
        "taken",
        "restart, add 2, transmit 8 to 2, wait 1000",
        "taken",
        "add 3, transmit 9 to 3, wait 1000",
        "wait 999",
        "sent 3, delivered 1, failed 1, no memory 0, refused 0, abandoned 1, restarts 2, queued 1, error 0x306a",
      ],
    );
  },
);

test.serial("the sender measures time correctly when the clock wraps", (t) => {
  const lines = script(`offer 1 7 step ${2 ** 32 - 500} step ${2 ** 32 - 1} step 499 step 500`);
  t.deepEqual(lines.slice(1), ["add 1, transmit 7 to 1, wait 1000", "wait 501", "wait 1", "restart, wait for wake"]);
});

test.serial("the sender drops a refused frame, restarts a broken radio, and tries neither frame again", (t) => {
  t.deepEqual(script(`answer transmit ${ARGUMENT} offer 1 7 offer 1 8 step 0 counters`), [
    ...["taken", "taken", "add 1, transmit 7 to 1, transmit 8 to 1, wait for wake"],
    "sent 0, delivered 0, failed 0, no memory 0, refused 2, abandoned 0, restarts 0, queued 0, error 0x3066",
  ]);
  t.deepEqual(script(`answer transmit ${INTERNAL} offer 1 7 step 0 answer transmit 0 offer 1 8 step 1 counters`), [
    ...["taken", "add 1, transmit 7 to 1, restart, wait for wake", "taken", "add 1, transmit 8 to 1, wait 1000"],
    "sent 1, delivered 0, failed 0, no memory 0, refused 0, abandoned 1, restarts 1, queued 1, error 0x306a",
  ]);
});

test.serial("the sender's list of peers stays equal to the driver's when add or remove fails", (t) => {
  const twenty = Array.from({ length: 20 }, (_, i) => `offer ${i + 1} 5 step ${i} complete 1 step ${i}`).join(" ");
  const lines = script(`${twenty} offer 21 5 answer remove ${NO_MEMORY} step 100 answer remove 0 answer add ${NO_MEMORY}
    step 105 answer add ${EXISTS} step 110 complete 1 offer 1 5 answer add 0 step 111`);
  t.deepEqual(lines.slice(60), [
    "taken",
    "remove 1, wait 5",
    "remove 1, add 21, wait 5",
    "add 21, transmit 5 to 21, wait 1000",
    "taken",
    "remove 2, add 1, transmit 5 to 1, wait 1000",
  ]);
});

test.serial("every error code has its own name, and a meaning and a kind", (t) => {
  const lines = run(compile("errors", "address,undefined"), []).stdout.trim().split("\n");
  const rows = lines.map((line) => /^(-?\d+) ([0-3]) ([A-Z0-9_]+|an error without a name): (.{8,})$/.exec(line));
  t.true(rows.length > 50 && rows.every((row) => row !== null));
  t.is(new Set(rows.map((row) => row![1])).size, rows.length);
  t.is(new Set(rows.map((row) => row![3])).size, rows.length);
  t.is(rows.at(-1)![3], "an error without a name");

  const { IDF_PATH } = process.env;
  if (IDF_PATH === undefined) {
    t.log("not compared with ESP-IDF's headers: IDF_PATH is not set");
    return;
  }
  const headers = ["esp_wifi/include/esp_now.h", "esp_wifi/include/esp_wifi.h", "esp_common/include/esp_err.h"].map(
    (path) => readFileSync(join(IDF_PATH, "components", path), "utf8"),
  );
  const defined = headers.flatMap((text) => [...text.matchAll(/^#define (ESP_\w+)/gm)].map((match) => match[1]!));
  // A code that only a comment names and no header defines (ESP_ERR_WIFI_NO_MEM) cannot be returned.
  const named = new Set(headers[0]!.concat(headers[1]!).match(/\bESP_(ERR_[A-Z0-9_]+|FAIL|OK)\b/g));
  const returned = [...named].filter((name) => defined.includes(name) && !name.endsWith("_BASE"));
  t.true(returned.length > 40);
  for (const name of returned)
    t.true(
      rows.some((row) => row![3] === name),
      `ESP-IDF's headers name ${name}, and esp-error.h does not`,
    );
});

test.serial("the firmware on Linux and Node share one air: the same group, port and datagram", (t) => {
  const code = readFileSync(join(SOURCES, "espnow-lin.c"), "utf8");
  t.is(/AIR_GROUP "(.+)"/.exec(code)?.[1], AIR_GROUP);
  t.is(Number(/AIR_PORT_BASE (\d+)/.exec(code)?.[1]), AIR_PORT_BASE);
  const datagram = encodeFrameDatagram({ from: address(1), to: address(2), frame: Uint8Array.of(9) });
  t.is(datagram[0], Number(/KIND_FRAME (\d+)/.exec(code)?.[1]));
  t.is(datagram.length, 1 + 2 * 6 + 1);
});

function address(last: number): MacAddress {
  return Uint8Array.of(2, 0, 0, 0, 0, last);
}

const EVERYONE = new Uint8Array(6).fill(0xff);
const CHANNEL = 11;

interface Heard {
  bytes: number[];
  from: number;
}

async function openRadio(last: number) {
  const heard: Heard[] = [];
  let rooms = 0;
  const waiting: (() => void)[] = [];
  const tell = () => {
    for (const wake of waiting.splice(0)) wake();
  };
  const radio = await MulticastRadio.open(CHANNEL, address(last), {
    onFrame(bytes, lengthBytes, from) {
      heard.push({ bytes: [...bytes.subarray(0, lengthBytes)], from: from[5]! });
      tell();
    },
    onRoom() {
      rooms++;
      tell();
    },
  });
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { radio, heard, until, rooms: () => rooms };
}

test.serial(
  "radios of one machine receive the frames addressed to them, and nothing that is not a frame",
  async (t) => {
    const [a, b, c] = [await openRadio(1), await openRadio(2), await openRadio(3)];
    const stranger = createSocket("udp4");
    try {
      stranger.bind(0, "127.0.0.1");
      await new Promise((resolve) => stranger.once("listening", resolve));
      stranger.setMulticastInterface("127.0.0.1");
      for (const bytes of [[], [1], [2], [9, ...new Array(20).fill(0)], [1, ...new Array(12).fill(0xff)]]) {
        stranger.send(Uint8Array.from(bytes), AIR_PORT_BASE + CHANNEL, AIR_GROUP);
      }
      t.true(a.radio.send(Uint8Array.of(1, 2, 3, 4), 3, EVERYONE));
      await b.until(() => b.heard.length === 1);
      t.true(b.radio.send(new Uint8Array(1_470).fill(7), 1_470, address(1)));
      t.false(b.radio.full);
      t.true(b.radio.send(Uint8Array.of(8), 1, EVERYONE));
      t.true(b.radio.full, "two frames fill the radio's queue");
      t.false(b.radio.send(Uint8Array.of(9), 1, EVERYONE));
      await a.until(() => a.heard.length === 2);
      await b.until(() => b.rooms() === 2);
      t.false(b.radio.full);
      await c.until(() => c.heard.length === 2);
      t.deepEqual(b.heard, [{ bytes: [1, 2, 3], from: 1 }]);
      t.deepEqual(
        a.heard.map(({ bytes, from }) => [bytes.length, bytes[0], from]),
        [
          [1_470, 7, 2],
          [1, 8, 2],
        ],
      );
      t.deepEqual(c.heard, [
        { bytes: [1, 2, 3], from: 1 },
        { bytes: [8], from: 2 },
      ]);
    } finally {
      for (const { radio } of [a, b, c]) radio.close();
      stranger.close();
    }
  },
);

test.serial("a channel that boards do not have is refused", async (t) => {
  const handlers = { onFrame() {}, onRoom() {} };
  for (const channel of [0, 12, 1.5, Number.NaN]) {
    await t.throwsAsync(MulticastRadio.open(channel, address(1), handlers), { instanceOf: RangeError });
  }
});
