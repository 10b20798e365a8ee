/** Runs a dongle on XS, with and without its computer. test/dongle.test.ts checks what arrives and counts bytecodes. */
import { Dongle } from "../../modules/dongle/dongle.ts";
import { DongleHost } from "../../modules/dongle/dongle-host.ts";
import { LineEnd } from "../../modules/dongle/line-end.ts";
import { SeededRandom } from "../../sim/random.ts";

const FRAME_BYTES = 226;
const WINDOW_FRAMES = 32;
/** Fewer frames than a window holds. */
const FRAMES = 10;

/** A line that records the bytes written to it until a test reads them. */
class Recorder {
  readonly bytes = new Uint8Array(8192);
  lengthBytes = 0;

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    for (let i = 0; i < lengthBytes; i++) this.bytes[this.lengthBytes++] = bytes[offset + i]!;
    return lengthBytes;
  }
}

const random = new SeededRandom(1, "dongle");
const frame = new Uint8Array(FRAME_BYTES);
random.fill(frame);
const address = Uint8Array.of(2, 0, 0, 0, 0, 1);
let now = 0;
const clock = { now: () => now };
let sent = 0;
let arrived = 0;
const radio = {
  address,
  frameSizeBytesMax: 250,
  receiveQueueFrames: 32,
  rssiDbm: -60,
  full: false,
  send(): boolean {
    sent++;
    return true;
  },
};

/** Sends frames both ways between a dongle and its host. Returns how many arrived: "<at the radio> <at the host>". */
function carry(frames: number): string {
  const toDongle = new Recorder();
  const toHost = new Recorder();
  const dongle = new Dongle({ radio, clock, line: toHost });
  const onFrame = (): void => {
    arrived++;
  };
  const host = new DongleHost({ clock, random, line: toDongle, onFrame });
  const exchange = (): void => {
    now += 3;
    host.turn();
    dongle.receive(toDongle.bytes, toDongle.lengthBytes);
    toDongle.lengthBytes = 0;
    dongle.turn();
    host.receive(toHost.bytes, toHost.lengthBytes);
    toHost.lengthBytes = 0;
  };
  sent = 0;
  arrived = 0;
  host.begin();
  for (let i = 0; i < 10; i++) exchange();
  for (let i = 0; i < frames; i++) {
    dongle.heard(frame, FRAME_BYTES, address);
    host.send(frame, FRAME_BYTES, address);
    exchange();
  }
  return `${sent} ${arrived}`;
}

/** A line that takes all bytes. Its `LineEnd`, of which `Dongle` is made, is measured here without any other work. */
const line = { write: (_bytes: Uint8Array, _offset: number, lengthBytes: number): number => lengthBytes };
const owner = {
  waiting: 0,
  take: () => true,
  greeted() {},
  strange() {},
  astray() {},
  greeting: () => 0,
  noted() {},
  note: () => 0,
};
const options = { owner, windowFrames: WINDOW_FRAMES, ringBytes: 16_384 };
const end = new LineEnd({ ...options, line });
/** The bytes that the other end wrote, which `obey` reads. */
const said = new Recorder();
const other = new LineEnd({ ...options, line: said });
other.open(1, WINDOW_FRAMES);
for (let i = 0; i < FRAMES; i++) {
  other.offer(address, 0, frame, FRAME_BYTES);
  other.flush(now);
}

/** Sends FRAMES received frames up to the computer, in a new session. */
function hear(): void {
  end.open(1, WINDOW_FRAMES);
  for (let i = 0; i < FRAMES; i++) {
    end.offer(address, -60, frame, FRAME_BYTES);
    end.flush(now);
  }
}

/** Receives FRAMES frames from the computer, in a new session. */
function obey(): void {
  end.open(1, WINDOW_FRAMES);
  const before = end.counters.taken;
  end.receive(said.bytes, said.lengthBytes);
  if (end.counters.taken - before !== FRAMES) throw new Error("dongle: the line end did not take all frames");
}

Object.assign(globalThis, { carry, hear, obey });
