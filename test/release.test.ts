/**
 * A release is what an operator without a toolchain trusts: no part of it may touch a board's Drops, and its page and
 * checksums must fit its images. These tests make one from images of their own, since a test has no toolchain.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { partitionNamed, partitionsOf } from "../hosts/firmware/partitions.ts";
import { type BuildImage, release } from "../hosts/firmware/release.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-release-"));
test.after.always(() => rmSync(folder, { recursive: true }));

const SIZES = { "bootloader.bin": 20_000, "partition-table.bin": 3_072, "xs_esp32.bin": 1_300_000 };

/** Puts files where the SDK would. Each image has other bytes. */
function builder(sizes: Record<string, number>): BuildImage {
  return (board, role) => {
    const made = join(folder, "made", `${board}-${role}`);
    mkdirSync(made, { recursive: true });
    for (const [name, size] of Object.entries(sizes)) writeFileSync(join(made, name), Buffer.alloc(size, board + role));
    return made;
  };
}

const to = join(folder, "release");
test.before(() => release(to, builder(SIZES)));

interface Manifest {
  new_install_prompt_erase?: boolean;
  new_install_skip_erase?: boolean;
  builds: { chipFamily: string; parts: { path: string; offset: number }[] }[];
}

const BOARDS: Record<string, string> = { ESP32: "esp32", "ESP32-C3": "esp32c3", "ESP32-S3": "esp32s3" };

test("a release has an image for each chip and role, and its checksums", (t) => {
  const sums = readFileSync(join(to, "SHA256SUMS"), "utf8").trim().split("\n");
  for (const line of sums) {
    const [sum, path] = line.split("  ");
    t.is(
      createHash("sha256")
        .update(readFileSync(join(to, path!)))
        .digest("hex"),
      sum,
      path,
    );
  }
  const files = readdirSync(to, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  t.is(sums.length, files.length - 1, "all files but the checksums themselves");
  for (const role of ["throwie", "mule", "dongle"]) {
    const { builds } = JSON.parse(readFileSync(join(to, `${role}.json`), "utf8")) as Manifest;
    t.deepEqual(
      builds.map(({ chipFamily }) => chipFamily),
      Object.keys(BOARDS),
    );
    for (const { chipFamily, parts } of builds) {
      const app = readFileSync(join(to, parts[2]!.path));
      t.is(app.toString("latin1", 0, 7), `${BOARDS[chipFamily]}${role}`.slice(0, 7));
    }
  }
});

test("no part of a manifest touches Drops, crashes or settings, and no chip is erased without a question", (t) => {
  for (const role of ["throwie", "mule", "dongle"]) {
    const manifest = JSON.parse(readFileSync(join(to, `${role}.json`), "utf8")) as Manifest;
    // What ESP Web Tools reads: with true it asks, and the box is not ticked; without, it erases at a first install.
    t.true(manifest.new_install_prompt_erase);
    for (const { chipFamily, parts } of manifest.builds) {
      const table = partitionsOf(readFileSync(`targets/${BOARDS[chipFamily]}/partitions.csv`, "utf8"));
      t.is(parts[0]!.offset, chipFamily === "ESP32" ? 0x1000 : 0);
      for (const { path, offset } of parts) {
        // A loader erases whole sectors.
        const end = offset + Math.ceil(readFileSync(join(to, path)).length / 4096) * 4096;
        for (const kept of ["nvs", "crash", "settings", "drops"].map((name) => partitionNamed(table, name))) {
          t.true(end <= kept.offset || offset >= kept.offset + kept.sizeBytes, `${path} touches ${kept.name}`);
        }
      }
    }
  }
});

test("an image that is too large or missing makes no release, and the one of before stays", async (t) => {
  const before = readFileSync(join(to, "SHA256SUMS"), "utf8");
  const refused: [Record<string, number>, RegExp][] = [
    [
      { ...SIZES, "xs_esp32.bin": 0x220001 },
      /^The xs_esp32\.bin for esp32 has 2228225 bytes; there is room for 2228224\.$/,
    ],
    [
      { ...SIZES, "bootloader.bin": 0x7001 },
      /^The bootloader\.bin for esp32 has 28673 bytes; there is room for 28672\.$/,
    ],
    [{ ...SIZES, "partition-table.bin": 4_097 }, /^The partition-table\.bin for esp32 has 4097 bytes/],
  ];
  for (const [sizes, message] of refused) await t.throwsAsync(release(to, builder(sizes)), { message });
  const missing: BuildImage = () => join(folder, "nowhere");
  await t.throwsAsync(release(to, missing), { message: /^The build for esp32 made no bootloader\.bin; / });
  t.is(readFileSync(join(to, "SHA256SUMS"), "utf8"), before);
  t.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("release")),
    ["release"],
  );
});

test("the page takes nothing from elsewhere", (t) => {
  for (const name of ["index.html", "page.css"]) {
    const text = readFileSync(join(to, name), "utf8");
    t.deepEqual(
      [...text.matchAll(/(?:src|href)="([^"]+)"|url\(([^)]+)\)/g)].map(([, a, b]) => a ?? b),
      {
        "index.html": ["data:,", "page.css", "page.js", "SHA256SUMS", "licenses.txt"],
        "page.css": [],
      }[name],
    );
    for (const path of ["page.css", "page.js", "licenses.txt"]) t.true(existsSync(join(to, path)));
  }
  t.regex(readFileSync(join(to, "index.html"), "utf8"), /default-src 'none'; script-src 'self'; style-src 'self'/);
  t.notRegex(readFileSync(join(to, "page.js"), "utf8"), /\bimport\(|fonts\.|cdn|unpkg/);
  t.regex(
    readFileSync(join(to, "licenses.txt"), "utf8"),
    /esp-web-tools: Apache-2\.0\n[\s\S]*esptool-js: Apache-2\.0\n/,
  );
});

test("without a toolchain a release says what is missing, and leaves nothing behind", (t) => {
  const before = existsSync("build/release");
  for (const [words, sentence] of [
    [[], /^MODDABLE is not set: [^\n]*\.\n(?:[^\n]*\.\n)*IDF_PATH is not set[^\n]*\.\n$/],
    [["channel=6"], /^A release takes no settings: its page writes them to each board\.\n$/],
  ] as const) {
    const { status, stderr } = spawnSync(
      process.execPath,
      ["build/hosts/firmware/firmware.js", "build", "--release", ...words],
      { encoding: "utf8", env: { PATH: process.env.PATH } },
    );
    t.is(status, 1);
    t.regex(stderr, sentence);
  }
  t.is(existsSync("build/release"), before);
  t.deepEqual(
    readdirSync("build").filter((name) => name.startsWith("release.")),
    [],
  );
});
