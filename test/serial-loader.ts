/**
 * A chip that waits for its loader's commands at the other end of a browser's serial port, as far as esptool-js talks
 * to it: an ESP32-C3 whose stub reads flash and takes compressed flash. It runs in the page, so it stands for the port
 * and for the board. It cannot show what a real chip, cable or driver does.
 */

/** What the page's `navigator.serial` answers, and what the test asks afterwards. */
export interface SerialLoader {
  /** 4 MB. */
  flash: Uint8Array;
  /** The address and the size of each part that was written, in order. */
  parts: [address: number, sizeBytes: number][];
  /** How often the page asked for a port. */
  asked: number;
  /** The erase of the whole chip. */
  erased: boolean;
}

declare global {
  var serialLoader: SerialLoader;
}

/** Runs in the page, before the page's own code; so it uses nothing from outside of itself. */
export function plugInLoader(): void {
  const loader: SerialLoader = {
    ...{ flash: new Uint8Array(4 * 1024 * 1024).fill(0x5a), parts: [], asked: 0, erased: false },
  };
  const MAGIC: [register: number, value: number] = [0x40001000, 0x1b31506f];
  const FLASH_ID: [register: number, value: number] = [0x60002058, 0x1640ef];
  const OK = [0, 0];
  let out: ReadableStreamDefaultController<Uint8Array> | undefined;
  let input: number[] = [];
  let compressed: number[] = [];
  let begun = { address: 0, sizeBytes: 0 };

  const u32 = (bytes: ArrayLike<number>, at: number): number =>
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  const send = (packet: ArrayLike<number>): void => {
    const framed = [0xc0];
    for (const byte of Array.from(packet)) {
      if (byte === 0xc0) framed.push(0xdb, 0xdc);
      else if (byte === 0xdb) framed.push(0xdb, 0xdd);
      else framed.push(byte);
    }
    out?.enqueue(Uint8Array.from([...framed, 0xc0]));
  };
  const answer = (command: number, value = 0): void => {
    const bytes = [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
    send([1, command, OK.length, 0, ...bytes, ...OK]);
  };

  const COMMANDS: Record<number, (data: number[]) => void | Promise<void>> = {
    8: () => {
      for (let i = 0; i < 8; i++) answer(8, 0x20120707);
    },
    9: () => answer(9),
    10: (data) => {
      const register = u32(data, 0);
      answer(10, register === MAGIC[0] ? MAGIC[1] : register === FLASH_ID[0] ? FLASH_ID[1] : 0);
    },
    5: () => answer(5),
    7: () => answer(7),
    6: () => {
      answer(6);
      send([...new TextEncoder().encode("OHAI")]);
    },
    16: (data) => {
      begun = { sizeBytes: u32(data, 0), address: u32(data, 12) };
      loader.parts.push([begun.address, begun.sizeBytes]);
      compressed = [];
      answer(16);
    },
    17: (data) => {
      compressed.push(...data.slice(16));
      answer(17);
    },
    18: async () => {
      const stream = new Blob([Uint8Array.from(compressed)]).stream().pipeThrough(new DecompressionStream("deflate"));
      const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
      const end = begun.address + Math.ceil(begun.sizeBytes / 4096) * 4096;
      loader.flash.fill(0xff, begun.address, end).set(bytes, begun.address);
      answer(18);
    },
    208: () => {
      loader.erased = true;
      answer(208);
    },
    210: (data) => {
      const [address, sizeBytes] = [u32(data, 0), u32(data, 4)];
      answer(210);
      for (let at = 0; at < sizeBytes; at += 4096) send(loader.flash.subarray(address + at, address + at + 4096));
      send(new Uint8Array(16));
    },
  };

  const take = async (chunk: Uint8Array): Promise<void> => {
    for (const byte of chunk) {
      if (byte !== 0xc0) {
        input.push(byte);
        continue;
      }
      const packet: number[] = [];
      for (let i = 0; i < input.length; i++) {
        packet.push(input[i] === 0xdb ? (input[++i] === 0xdc ? 0xc0 : 0xdb) : input[i]!);
      }
      input = [];
      if (packet[0] === 0 && packet.length >= 8) await COMMANDS[packet[1]!]?.(packet.slice(8));
    }
  };

  const port = {
    readable: null as ReadableStream<Uint8Array> | null,
    writable: null as WritableStream<Uint8Array> | null,
    getInfo: () => ({ usbVendorId: 0x303a, usbProductId: 0x1001 }),
    async open() {
      if (port.readable !== null) throw new Error("The port is already open.");
      port.readable = new ReadableStream({
        start(controller) {
          out = controller;
        },
      });
      port.writable = new WritableStream({ write: take });
    },
    async close() {
      port.readable = port.writable = null;
    },
    async setSignals() {},
  };
  globalThis.serialLoader = loader;
  Object.defineProperty(Reflect.get(globalThis, "navigator"), "serial", {
    configurable: true,
    value: {
      async requestPort() {
        loader.asked++;
        return port;
      },
    },
  });
}
