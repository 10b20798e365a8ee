/**
 * The simulator's radio under the contract of radio-contract.ts; and canaries: stations that break one rule each, which
 * that very rule must catch.
 */
import test from "ava";
import type { HostRadio } from "../hosts/radio/host-radio.ts";
import type { MacAddress, RadioHandlers } from "../modules/throwie/ports.ts";
import { Kernel } from "../sim/kernel.ts";
import { Fixed } from "../sim/mobility.ts";
import { Medium } from "../sim/radio.ts";
import { SeededRandom } from "../sim/random.ts";
import type { Station } from "../sim/station.ts";
import { endOf, hold, RADIO_RULES, type RadioSubject, radioContract, three } from "./radio-contract.ts";

const EVERYONE: MacAddress = new Uint8Array(6).fill(0xff);
const FRAME_BYTES = 250;

/** Changes one thing about a station. */
type Flaw = (station: Station & HostRadio, medium: Medium) => void;

async function stations(flaw: Flaw = () => {}): Promise<RadioSubject> {
  const kernel = new Kernel();
  const medium = new Medium(kernel, new SeededRandom(1, "radio"), { rateMbps: 1, rangeM: 50 });
  const ends = await three((index) =>
    endOf((handlers) => {
      const station = Object.assign(medium.add(new Fixed(10 * index, 0)), { close: () => medium.powerOff(station) });
      station.handlers = handlers;
      flaw(station, medium);
      return station;
    }),
  );
  return { ends, pass: async (ms) => kernel.run(kernel.nowUs + 1_000 * ms), end() {} };
}

radioContract(test, "simulator", { open: stations });

/** Another value for one of the station's properties. */
function stating(name: keyof HostRadio, value: (station: Station) => unknown): Flaw {
  return (station) => Object.defineProperty(station, name, { get: () => value(station) });
}

/** Another `send`, which is given the right one. */
function sending(change: (send: Station["send"], station: Station, medium: Medium) => Station["send"]): Flaw {
  return (station, medium) => {
    station.send = change(station.send.bind(station), station, medium);
  };
}

/** Between the station and its probe. */
function handing(change: (probe: RadioHandlers, station: Station) => Partial<RadioHandlers>): Flaw {
  return (station) => {
    const probe = station.handlers;
    station.handlers = {
      onFrame: (bytes, lengthBytes, from) => probe.onFrame(bytes, lengthBytes, from),
      onRoom: () => probe.onRoom(),
      ...change(probe, station),
    };
  };
}

/** Each flaw, and how the title of the rule begins that it breaks. */
const FLAWS: [rule: string, what: string, flaw: Flaw][] = [
  ["its address", "the address has five bytes", stating("address", () => new Uint8Array(5))],
  ["its address", "all have one address", stating("address", () => Uint8Array.of(2, 0, 0, 0, 0, 1))],
  ["frame size", "no frame size is stated", stating("frameSizeBytesMax", () => 0)],
  ["frame size", "the largest frame is one byte too small for a node", stating("frameSizeBytesMax", () => 225)],
  ["frame size", "no receive queue is stated", stating("receiveQueueFrames", () => 0)],
  [
    "a frame of one byte",
    "the last byte of the largest frame is lost",
    sending((send) => (frame, lengthBytes, to) => send(frame, Math.min(lengthBytes, FRAME_BYTES - 1), to)),
  ],
  [
    "a frame of one byte",
    "the sender's address is the receiver's",
    handing((probe, { address }) => ({ onFrame: (bytes, lengthBytes) => probe.onFrame(bytes, lengthBytes, address) })),
  ],
  [
    "an empty frame",
    "a frame that is too long is refused as if the radio were full",
    sending((send) => (frame, lengthBytes, to) => lengthBytes <= FRAME_BYTES && send(frame, lengthBytes, to)),
  ],
  [
    "an empty frame",
    "an empty frame is sent",
    sending(
      (send, station, medium) => (frame, lengthBytes, to) =>
        lengthBytes > 0 ? send(frame, lengthBytes, to) : medium.enqueue(station, new Uint8Array(0), to),
    ),
  ],
  [
    "an empty frame",
    "what the buffer lacks is not sent",
    sending((send) => (frame, lengthBytes, to) => send(frame, Math.min(lengthBytes, frame.length), to)),
  ],
  [
    "send copies",
    "the caller's buffer is queued",
    sending((_send, station, medium) => (frame, lengthBytes, to) => {
      return medium.enqueue(station, frame.subarray(0, lengthBytes), to);
    }),
  ],
  [
    "send refuses",
    "send refuses though there is room",
    sending((send) => {
      let times = 0;
      return (frame, lengthBytes, to) => times++ % 2 === 1 && send(frame, lengthBytes, to);
    }),
  ],
  [
    "send refuses",
    "send says that it took what it did not take",
    sending((send) => (frame, lengthBytes, to) => send(frame, lengthBytes, to) || true),
  ],
  [
    "send refuses",
    "what send refuses is sent later",
    (station, medium) => {
      const late: [Uint8Array, MacAddress][] = [];
      const send = station.send.bind(station);
      sending(() => (frame, lengthBytes, to) => {
        const taken = send(frame, lengthBytes, to);
        if (!taken) late.push([frame.slice(0, lengthBytes), to]);
        return taken;
      })(station, medium);
      handing((probe) => ({
        onRoom() {
          const [frame, to] = late.shift() ?? [];
          if (frame !== undefined) send(frame, frame.length, to!);
          probe.onRoom();
        },
      }))(station, medium);
    },
  ],
  ["a full radio", "onRoom is never called", handing(() => ({ onRoom() {} }))],
  [
    "a full radio",
    "a radio that was full stays full",
    (station, medium) => {
      let wasFull = false;
      stating("full", ({ outbound }) => {
        wasFull ||= outbound.length >= 2;
        return wasFull;
      })(station, medium);
    },
  ],
  [
    "no handler",
    "onRoom is called inside send",
    sending((send, station) => (frame, lengthBytes, to) => {
      const taken = send(frame, lengthBytes, to);
      if (taken) station.handlers.onRoom();
      return taken;
    }),
  ],
  [
    "no handler",
    "onFrame is called inside send",
    sending((send, station) => (frame, lengthBytes, to) => {
      station.handlers.onFrame(frame, lengthBytes, to);
      return send(frame, lengthBytes, to);
    }),
  ],
  [
    "a frame for one",
    "every frame goes to everyone",
    sending((send) => (frame, lengthBytes) => send(frame, lengthBytes, EVERYONE)),
  ],
  [
    "a frame for everyone",
    "its sender hears it",
    handing((probe, { address }) => ({ onRoom: () => probe.onFrame(new Uint8Array(1), 1, address) })),
  ],
  [
    "a frame for everyone",
    "only one radio hears it",
    sending((send, { index }, { stations: all }) => (frame, lengthBytes) => {
      return send(frame, lengthBytes, all[(index + 1) % all.length]!.address);
    }),
  ],
  [
    "frames of one sender",
    "every two frames change places",
    handing((probe) => {
      let held: Uint8Array | undefined;
      return {
        onFrame(bytes, lengthBytes, from) {
          const before = held;
          held = before === undefined ? bytes.slice(0, lengthBytes) : undefined;
          if (before === undefined) return;
          probe.onFrame(bytes, lengthBytes, from);
          probe.onFrame(before, before.length, from);
        },
      };
    }),
  ],
  [
    "a frame stays",
    "one buffer is for what comes and for what goes",
    (station, medium) => {
      const buffer = new Uint8Array(FRAME_BYTES);
      sending((send) => (frame, lengthBytes, to) => {
        buffer.set(frame.subarray(0, lengthBytes));
        return send(buffer, lengthBytes, to);
      })(station, medium);
      handing((probe) => ({
        onFrame(bytes, lengthBytes, from) {
          buffer.set(bytes);
          probe.onFrame(buffer, lengthBytes, from);
        },
      }))(station, medium);
    },
  ],
  ["a closed radio", "it has room", stating("full", ({ outbound }) => outbound.length >= 2)],
  [
    "a closed radio",
    "it tells of room",
    (station, medium) => {
      station.close = () => {
        medium.powerOff(station);
        station.handlers.onRoom();
      };
    },
  ],
  [
    "a closed radio",
    "it goes on hearing",
    (station) => {
      station.close = () => {
        Object.defineProperty(station, "full", { value: true });
        station.send = () => false;
      };
    },
  ],
  [
    "a closed radio",
    "it may be closed once only",
    (station, medium) => {
      station.close = () => {
        if (!station.powered) throw new Error("closed already");
        medium.powerOff(station);
      };
    },
  ],
];

for (const [beginning, what, flaw] of FLAWS) {
  test(`canary: ${what}`, async (t) => {
    const [rule, ...others] = RADIO_RULES.filter(({ title }) => title.startsWith(beginning));
    t.deepEqual(others, []);
    await t.throwsAsync(
      hold(rule!, () => stations(flaw)),
      { name: "AssertionError" },
    );
  });
}

test("each rule has a canary", (t) => {
  const without = RADIO_RULES.filter(({ title }) => !FLAWS.some(([beginning]) => title.startsWith(beginning)));
  t.deepEqual(without, []);
});
