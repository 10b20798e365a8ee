/** What `npm run firmware` says is missing: a sentence for each thing, and nothing about what is there. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "ava";
import { boards } from "../hosts/firmware/build.ts";
import { type Environment, espIdf } from "../hosts/firmware/toolchain.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-toolchain-"));
test.after.always(() => rmSync(folder, { recursive: true }));

function put(path: string, text = ""): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Everything that the build needs, as far as it looks. */
function complete(idf: string): Environment {
  put("moddable/examples/manifest_base.json");
  for (const tool of ["mcconfig", "xsc", "xsl"]) put(`moddable/build/bin/lin/release/${tool}`);
  for (const tool of ["make", "idf.py", "cmake", "ninja"]) put(`bin/${tool}`);
  const [major, minor] = idf.split(".");
  put(`idf-${idf}/tools/cmake/version.cmake`, `set(IDF_VERSION_MAJOR ${major})\nset(IDF_VERSION_MINOR ${minor})\n`);
  return { MODDABLE: join(folder, "moddable"), IDF_PATH: join(folder, `idf-${idf}`), PATH: join(folder, "bin") };
}

test("nothing is missing where all is there", (t) => {
  t.deepEqual(espIdf(complete("6.0")).missing, []);
});

test("each thing that is missing is named, with where its instructions are", (t) => {
  const all = complete("6.0");
  const cases: [Environment, RegExp[]][] = [
    [{ ...all, MODDABLE: undefined }, [/^MODDABLE is not set/]],
    [{ ...all, MODDABLE: folder }, [/no Moddable SDK is there/]],
    [{ ...all, IDF_PATH: undefined }, [/^IDF_PATH is not set/]],
    [{ ...all, IDF_PATH: folder }, [/no ESP-IDF is there/]],
    [{ ...complete("5.5") }, [/holds ESP-IDF v5\.5; .* builds with v6\.0/]],
    [{ ...all, PATH: "" }, [/^make is not/, /^idf\.py is not/, /^cmake is not/, /^ninja is not/]],
    [{}, [/^MODDABLE/, /^make/, /^IDF_PATH/]],
  ];
  for (const [environment, sentences] of cases) {
    const { missing } = espIdf(environment);
    t.is(missing.length, sentences.length, missing.join("\n"));
    for (const [i, sentence] of sentences.entries()) t.regex(missing[i]!, sentence);
    for (const sentence of missing) t.regex(sentence, /^[^\n]*\.$/);
  }
  for (const sentence of espIdf({}).missing.slice(0, 1)) t.regex(sentence, /https:\/\//);
});

test("the boards are those of targets/, each with 448 sectors for Drops inside 4 MB and what the flash port needs", (t) => {
  t.deepEqual(boards(), ["esp32", "esp32c3", "esp32s3"]);
  for (const board of boards()) {
    const rows = readFileSync(`targets/${board}/partitions.csv`, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(",").map((cell) => cell.trim()));
    let end = 0x9000;
    for (const [name, , , offset, size] of rows) {
      t.true(Number(offset) >= end, `${board}: ${name} overlaps the one before it`);
      t.is(Number(offset) % 4096, 0);
      end = Number(offset) + Number(size);
    }
    t.true(end <= 4 * 1024 * 1024);
    const sectors = (label: string): number => Number(rows.find(([name]) => name === label)![4]) / 4096;
    t.is(sectors("drops"), 448);
    t.is(sectors("crash"), 2);
    t.is(Number(rows.find(([, type]) => type === "app")![3]) % 65_536, 0);
    const sdkconfig = readFileSync(`targets/${board}/sdkconfig.defaults`, "utf8");
    for (const line of ["CONFIG_SPI_FLASH_VERIFY_WRITE=y", "CONFIG_ESP_TASK_WDT_INIT=y", "CONFIG_BT_ENABLED=n"]) {
      t.true(sdkconfig.includes(`${line}\n`), `${board}: ${line}`);
    }
  }
});
