/**
 * The real radios must keep the contract of radio-contract.ts: UDP, multicast, the serial dongle, and the ESP-NOW of
 * the firmware on Linux. radio-station.test.ts holds the radio of the simulator to the same rules.
 */
import { type ChildProcess, execFileSync, fork, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { build } from "esbuild";
import { SENT_DATAGRAM } from "../hosts/radio/air-datagram.ts";
import { MulticastRadio } from "../hosts/radio/multicast-radio.ts";
import { UdpRadio } from "../hosts/radio/udp-radio.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import { endOf, hold, RADIO_RULES, type RadioEnd, type RadioSubject, radioContract, three } from "./radio-contract.ts";
import type { Order, Report } from "./radio-probe.ts";
import { bundleForXs } from "./xs/machine.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-radios-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const NOBODY: MacAddress = new Uint8Array(6);

/** Returns a random address, because other programs may use the same air at the same time. */
function drawnAddress(): MacAddress {
  return Uint8Array.of(0x02, ...crypto.getRandomValues(new Uint8Array(5)));
}

// UDP, on an air that hands every datagram to every other radio and ignores the addresses

radioContract(test, "UDP", {
  async open() {
    const hub = createSocket("udp4");
    hub.bind(0, "127.0.0.1");
    await once(hub, "listening");
    const ports = new Set<number>();
    hub.on("message", (datagram, { port }) => {
      for (const other of ports) if (other !== port) hub.send(datagram, other, "127.0.0.1");
      ports.add(port);
      setTimeout(() => hub.send(SENT_DATAGRAM, port, "127.0.0.1", () => {}), 1);
    });
    const { port } = hub.address() as AddressInfo;
    const radios: UdpRadio[] = [];
    const ends = await three(() =>
      endOf(async (handlers) => {
        // An air learns of a radio when the radio has sent a datagram.
        let introduced: (() => void) | undefined;
        const radio = await UdpRadio.open({ host: "127.0.0.1", port }, drawnAddress(), {
          onFrame: (bytes, lengthBytes, from) => handlers.onFrame(bytes, lengthBytes, from),
          onRoom: () => (introduced ?? handlers.onRoom.bind(handlers))(),
        });
        radios.push(radio);
        await new Promise<void>((resolve) => {
          introduced = resolve;
          radio.send(Uint8Array.of(0), 1, NOBODY);
        });
        introduced = undefined;
        return radio;
      }),
    );
    return {
      ends,
      pass: (ms) => sleep(ms),
      end() {
        for (const radio of radios) radio.close();
        hub.close();
      },
    };
  },
});

// Multicast

const MULTICAST_CHANNEL = 10;

radioContract(test, "multicast", {
  async open() {
    const radios: MulticastRadio[] = [];
    const ends = await three(() =>
      endOf(async (handlers) => {
        const radio = await MulticastRadio.open(MULTICAST_CHANNEL, drawnAddress(), handlers);
        radios.push(radio);
        return radio;
      }),
    );
    return {
      ends,
      pass: (ms) => sleep(ms),
      end() {
        for (const radio of radios) radio.close();
      },
    };
  },
});

/** An end in another process. `write` sends an order to that process, and the reports come back in the same order. */
function farEnd(child: ChildProcess, write: (order: Order) => void): { end: RadioEnd; answered(report: Report): void } {
  const waiting: ((report: Report) => void)[] = [];
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the radio's process ended with ${code}`);
  });
  ended.catch(() => {});
  return {
    end(order) {
      write(order);
      return Promise.race([new Promise<Report>((resolve) => waiting.push(resolve)), ended]);
    },
    answered: (report) => waiting.shift()?.(report),
  };
}

// Serial

const ptyProgram = join(folder, "pty");

test.before(async () => {
  execFileSync("cc", ["-Wall", "-Wextra", "-Werror", "-O1", "-o", ptyProgram, "test/pty.c"]);
  await build({
    entryPoints: ["test/serial-ends.ts"],
    bundle: true,
    outdir: "build/test",
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "silent",
  });
});

radioContract(test, "serial", {
  async open() {
    const child = fork("build/test/serial-ends.js", [ptyProgram, mkdtempSync(join(folder, "serial-"))]);
    const ends = [0, 1, 2].map((end) => farEnd(child, (order) => child.send({ end, order })));
    child.on("message", ({ end, report }: { end: number; report: Report }) => ends[end]!.answered(report));
    return {
      ends: ends.map(({ end }) => end) as RadioSubject["ends"],
      pass: (ms) => sleep(ms),
      async end() {
        // A process that ended by itself has failed its rule already, and says so there.
        if (!child.connected) return;
        const over = once(child, "exit");
        child.disconnect();
        await over;
      },
    };
  },
});

// The firmware's ESP-NOW on Linux

const XSNAP = dirname(createRequire(join(process.cwd(), "package.json")).resolve("@agoric/xsnap/package.json"));
const XS_OBJECTS = join(XSNAP, "xsnap-native/xsnap/build/tmp/lin/release/xsnap-worker");
const glib = spawnSync("pkg-config", ["--cflags", "--libs", "glib-2.0"], { encoding: "utf8" });
const C_SOURCES = [
  ...["radio.c", "sender.c", "pacing.c", "peer-table.c", "esp-error.c", "frame-ring.c"],
  ...["espnow-binding.c", "espnow-lin.c"],
];
const radioBundle = join(folder, "radio-end.js");

/** The reason why the radio cannot be compiled here, or undefined when it can. */
function lacking(): string | undefined {
  if (process.platform !== "linux") return "the driver runs only on Linux";
  if (glib.status !== 0) return "pkg-config does not know glib-2.0: install GLib's headers";
  if (!existsSync(XS_OBJECTS)) return "@agoric/xsnap has no object files of XS: install it again with its build";
  return undefined;
}

/**
 * Compiles the shipped C with XS, under AddressSanitizer and UndefinedBehaviorSanitizer. For a canary, one place of the
 * C is changed. The xsmc.h of the SDK defines one name that the xsmc.h of xsnap lacks, so this function defines it.
 */
function compileRadio(canary?: Canary): string {
  const built = mkdtempSync(join(folder, "radio-"));
  const program = join(built, "radio-end");
  const sources = C_SOURCES.map((name) => {
    const path = `modules/espnow/${name}`;
    if (path !== canary?.path) return path;
    const whole = readFileSync(path, "utf8");
    if (whole.split(canary.from).length !== 2) throw new Error(`canary: ${path} does not hold "${canary.from}" once`);
    writeFileSync(join(built, name), whole.replace(canary.from, canary.to));
    return join(built, name);
  });
  const objects = readdirSync(XS_OBJECTS).filter((name) => name.endsWith(".o") && name !== "xsnap-worker.o");
  const includes = ["moddable/xs/includes", "moddable/xs/platforms", "xsnap-native/xsnap/sources"];
  execFileSync("cc", [
    ...["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-pthread", "-o", program],
    ...["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    ...["-DINCLUDE_XSPLATFORM", '-DXSPLATFORM="xsnapPlatform.h"', "-DmxDebug=1", "-DmxMetering=1", "-DmxSnapshot=1"],
    "-DxsmcToReference(slot)=fxToReference(the, &(slot))",
    ...["-Imodules/espnow", ...includes.flatMap((path) => ["-isystem", join(XSNAP, path)])],
    ...["test/espnow/radio-end.c", ...sources, ...objects.map((name) => join(XS_OBJECTS, name))],
    ...[...glib.stdout.trim().split(/\s+/), "-lm", "-ldl"],
  ]);
  return program;
}

let shipped = "";

test.before(async () => {
  if (lacking() !== undefined) return;
  shipped = compileRadio();
  writeFileSync(radioBundle, await bundleForXs("test/xs/radio-end.ts"));
});

async function espNow(program: string): Promise<RadioSubject> {
  const children: ChildProcess[] = [];
  const ends = await three(async () => {
    const address = Buffer.from(drawnAddress()).toString("hex");
    const child = spawn(program, [radioBundle], {
      // XS frees its memory only when the process ends.
      env: { ...process.env, THROWIE_RADIO_ADDRESS: address, ASAN_OPTIONS: "detect_leaks=0" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(child);
    const { end, answered } = farEnd(child, (order) => child.stdin!.write(`${JSON.stringify(order)}\n`));
    createInterface({ input: child.stdout! }).on("line", (line) => answered(JSON.parse(line)));
    return end;
  });
  return {
    ends,
    pass: (ms) => sleep(ms),
    async end() {
      await Promise.all(
        children.map(async (child) => {
          const over = once(child, "exit");
          child.stdin!.end();
          const [code] = await over;
          if (code !== 0) throw new Error(`the radio's process ended with ${code}`);
        }),
      );
    },
  };
}

radioContract(test, "ESP-NOW on Linux", { open: () => espNow(shipped), skip: lacking() });

interface Canary {
  path: string;
  from: string;
  to: string;
}

for (const [beginning, what, canary] of [
  [
    "a frame for one",
    "the contract finds a driver that takes frames for other addresses",
    {
      path: "modules/espnow/espnow-lin.c",
      from: "memcmp(to, everyone, ADDRESS_BYTES) == 0",
      to: "everyone[0] == 0xff",
    },
  ],
  [
    "a closed radio",
    "the contract finds a binding that does not check whether the radio is open",
    { path: "modules/espnow/espnow-binding.c", from: "!is_open(the) || sender_full", to: "sender_full" },
  ],
] as [string, string, Canary][]) {
  const reason = lacking();
  if (reason !== undefined) {
    test.skip(`canary: ${what} (skipped: ${reason})`, () => {});
    continue;
  }
  test.serial(`canary: ${what}`, async (t) => {
    const program = compileRadio(canary);
    const rule = RADIO_RULES.find(({ title }) => title.startsWith(beginning))!;
    await t.throwsAsync(
      hold(rule, () => espNow(program)),
      { name: "AssertionError" },
    );
  });
}
