/**
 * The arrows of the tree: which room may import which. A room is a folder or a file.
 *
 * `test/tidy.test.ts` checks every import against this table. It also checks the table in docs/architecture.md, which
 * is printed from this table.
 */

/** The imports that a layer of the overlay may have: everything but the node and the other layers. */
const OF_A_LAYER = [
  "hosts/distsoc/connections/",
  "hosts/distsoc/exchange.ts",
  "hosts/distsoc/node-id.ts",
  "hosts/distsoc/ports.ts",
  "hosts/distsoc/post.ts",
  "hosts/distsoc/refusals.ts",
  "hosts/distsoc/transport/",
  "hosts/distsoc/wire/",
  "hosts/retry/",
  "@noble/hashes/",
];

/**
 * The imports that each room may have besides its own files. For a path, the first entry that the path begins with
 * counts.
 */
export const ARROWS: [folder: string, imports: string[]][] = [
  ["modules/drop/", ["@noble/"]],
  ["modules/glacier/", ["modules/drop/"]],
  ["modules/rbsr/", []],
  ["modules/temperature/", []],
  ["modules/store/", ["modules/drop/", "modules/temperature/rank.ts"]],
  [
    "modules/throwie/",
    ["modules/drop/", "modules/glacier/", "modules/rbsr/", "modules/temperature/", "modules/store/"],
  ],
  ["modules/dongle/", ["modules/store/crc32.ts", "modules/throwie/ports.ts"]],
  ["modules/update/", ["modules/dongle/", "modules/throwie/ports.ts"]],
  // These rooms are only for the firmware. No module that also runs elsewhere may import them.
  ["modules/espnow/", ["modules/throwie/ports.ts"]],
  ["modules/serial/", []],
  [
    "modules/board/",
    [
      "modules/dongle/",
      "modules/espnow/",
      "modules/serial/",
      "modules/store/",
      "modules/temperature/",
      "modules/throwie/",
      "modules/update/",
      "crc",
      "embedded:",
      "timer",
    ],
  ],
  [
    "main.ts",
    ["modules/board/", "modules/espnow/espnow.ts", "modules/store/store.ts", "modules/throwie/", "mc/config"],
  ],
  ["sim/", ["modules/drop/", "modules/store/", "modules/throwie/", "@noble/hashes/"]],
  // The rooms of the hosts: which room may import which, and which room may use which package.
  ["hosts/retry/", []],
  ["hosts/machine/", ["node:"]],
  ["hosts/store/", ["modules/drop/drop.ts", "modules/store/", "hosts/machine/", "node:", "fs-native-extensions"]],
  ["hosts/radio/", ["modules/dongle/", "modules/throwie/ports.ts", "hosts/retry/", "node:", "serialport"]],
  [
    "hosts/node/",
    ["modules/drop/", "modules/throwie/", "hosts/radio/host-radio.ts", "hosts/store/drop-store.ts", "node:"],
  ],
  ["hosts/negentropy/", ["@noble/hashes/"]],
  // The overlay: names, posts, messages about posts, transports that carry messages, and the node that uses them.
  ["hosts/distsoc/node-id.ts", ["node:net", "@noble/hashes/"]],
  [
    "hosts/distsoc/identity.ts",
    [
      "hosts/distsoc/node-id.ts",
      "hosts/machine/new-file.ts",
      "hosts/machine/system-error.ts",
      "node:",
      "@noble/curves/",
    ],
  ],
  ["hosts/distsoc/post.ts", ["modules/drop/", "hosts/distsoc/node-id.ts", "hosts/distsoc/wire/cbor.ts", "@noble/"]],
  ["hosts/distsoc/ports.ts", ["hosts/distsoc/node-id.ts", "hosts/distsoc/post.ts"]],
  ["hosts/distsoc/wire/", ["hosts/distsoc/node-id.ts", "hosts/distsoc/post.ts", "cborg"]],
  [
    "hosts/distsoc/transport/",
    [
      "hosts/distsoc/identity.ts",
      "hosts/distsoc/node-id.ts",
      "hosts/distsoc/wire/error-codes.ts",
      "hosts/retry/timers.ts",
      "node:",
      "@number0/iroh",
    ],
  ],
  ["hosts/distsoc/refusals.ts", ["hosts/distsoc/ports.ts", "hosts/retry/timers.ts"]],
  ["hosts/distsoc/exchange.ts", ["hosts/distsoc/node-id.ts", "hosts/distsoc/transport/", "hosts/distsoc/wire/"]],
  ["hosts/distsoc/connections/", ["hosts/distsoc/node-id.ts", "hosts/distsoc/transport/", "hosts/retry/"]],
  ["hosts/distsoc/files/", OF_A_LAYER],
  ["hosts/distsoc/social/", OF_A_LAYER],
  ["hosts/distsoc/node.ts", ["modules/drop/", "hosts/distsoc/", "hosts/retry/", "@noble/hashes/"]],
  [
    "hosts/gateway/database/",
    [
      "modules/drop/",
      "hosts/distsoc/node-id.ts",
      "hosts/distsoc/ports.ts",
      "hosts/distsoc/post.ts",
      "hosts/machine/private-file.ts",
      "hosts/machine/system-error.ts",
      "hosts/retry/timers.ts",
      "node:",
      "libsql",
    ],
  ],
  [
    "hosts/gateway/",
    [
      "modules/drop/",
      "modules/throwie/throwie.ts",
      "hosts/distsoc/identity.ts",
      "hosts/distsoc/node.ts",
      "hosts/distsoc/node-id.ts",
      "hosts/distsoc/ports.ts",
      "hosts/distsoc/post.ts",
      "hosts/distsoc/transport/transport.ts",
      "hosts/machine/folders.ts",
      "hosts/machine/harmless.ts",
      "hosts/machine/log-lines.ts",
      "hosts/node/host-node.ts",
      "hosts/retry/",
      "node:",
      "@noble/hashes/",
      "pino",
    ],
  ],
  // The page of a release runs in a browser.
  [
    "hosts/firmware/page/",
    [
      "modules/board/settings.ts",
      "modules/board/settings-copy.ts",
      "modules/espnow/phy.ts",
      "modules/throwie/wake-schedule.ts",
      "hosts/firmware/settings-writer.ts",
      "esp-web-tools",
      "esptool-js",
    ],
  ],
  [
    "hosts/firmware/",
    [
      "modules/board/settings.ts",
      "modules/board/settings-copy.ts",
      "modules/dongle/",
      "modules/drop/",
      "modules/throwie/ports.ts",
      "modules/update/",
      "hosts/machine/",
      "hosts/node/",
      "hosts/radio/multicast-radio.ts",
      "hosts/radio/port-sentence.ts",
      "hosts/store/",
      "node:",
      "commander",
      "serialport",
      "esbuild",
    ],
  ],
  [
    "hosts/demo/",
    [
      "modules/drop/",
      "modules/glacier/",
      "modules/store/",
      "modules/temperature/",
      "modules/throwie/ports.ts",
      "modules/throwie/throwie.ts",
      "sim/",
      "hosts/distsoc/identity.ts",
      "hosts/gateway/gateway.ts",
      "hosts/machine/",
      "hosts/node/message.ts",
      "hosts/radio/air-datagram.ts",
      "hosts/store/",
      "node:",
    ],
  ],
  // Commands ask a running node. Its messages have the same CBOR as those of the overlay.
  ["hosts/control/", ["modules/drop/", "modules/throwie/throwie.ts", "hosts/distsoc/wire/cbor.ts", "node:"]],
  // The command line joins the rooms.
  [
    "hosts/cli/",
    [
      "modules/drop/",
      "modules/store/causes.ts",
      "modules/temperature/",
      "modules/throwie/ports.ts",
      "sim/",
      "hosts/control/",
      "hosts/distsoc/identity.ts",
      "hosts/distsoc/node-id.ts",
      "hosts/distsoc/transport/iroh-transport.ts",
      "hosts/distsoc/wire/messages.ts",
      "hosts/gateway/",
      "hosts/machine/",
      "hosts/negentropy/",
      "hosts/node/",
      "hosts/radio/",
      "hosts/store/",
      "node:",
      "cli-progress",
      "commander",
    ],
  ],
  ["bench/", ["modules/", "hosts/", "sim/", "test/", "package"]],
  ["test/", ["modules/", "hosts/", "sim/", "bench/", "package"]],
];

/** The table as docs/architecture.md shows it: `modules/{drop, store}` are two rooms of one folder. */
export function printedArrows(): string {
  const rows = ARROWS.map(([folder, allowed]) => {
    const rooms = new Map<string, string[]>();
    for (const name of allowed.filter(isOurs)) {
      const [top, ...rest] = name.replace(/\/$/, "").split("/");
      rooms.set(top!, [...(rooms.get(top!) ?? []), rest.join("/")]);
    }
    const ours = [...rooms].map(([top, names]) => (names[0] === "" ? top : `${top}/{${names.join(", ")}}`));
    const others = allowed.filter((name) => !isOurs(name)).map((name) => name.replace(/[:/]$/, ""));
    return `| ${folder.replace(/\/$/, "")} | ${ours.join(", ") || "-"} | ${others.join(", ") || "-"} |`;
  });
  return ["| room | may import of ours | and of others |", "|---|---|---|", ...rows].join("\n");
}

function isOurs(name: string): boolean {
  return /^(modules|hosts|sim|test|bench)\//.test(name);
}
