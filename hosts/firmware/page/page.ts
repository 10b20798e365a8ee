/**
 * The page of a release: an operator without a toolchain gives a board its firmware and its town's settings, over USB,
 * from a browser.
 *
 * The form is checked by the board's own validator, and its sentences stand beside the fields. What the board already
 * has is read before anything is written, so that a loose cable never leaves a board without settings
 * (docs/settings.md, "Writing").
 */

import { faultOf, OPERATOR_KEYS, type OperatorKey } from "../../../modules/board/settings.ts";
import type { SettingLine } from "../../../modules/board/settings-copy.ts";
import { PHY_RATES } from "../../../modules/espnow/phy.ts";
import { WAKE_CYCLES } from "../../../modules/throwie/wake-schedule.ts";
import { imageOf, SETTINGS_PARTITION_BYTES, settingLines, settingsOn, settingsWrite } from "../settings-writer.ts";
import { type ReleaseNote, readSettings, withSettings, writeParts } from "./board-link.ts";

type Field = HTMLInputElement | HTMLSelectElement;

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const form = element<HTMLFormElement>("form");
const status = element("status");
const progress = element<HTMLProgressElement>("progress");
/** In the order of the form, so that the first wrong one is the first that a person meets. */
const fields = [...form.elements].flatMap((field): [OperatorKey, Field][] => {
  const key = OPERATOR_KEYS.find((name) => name === field.id);
  return key === undefined ? [] : [[key, field as Field]];
});
const buttons = ["read", "install", "settings", "save"].map((id) => element<HTMLButtonElement>(id));

function say(sentence: string): void {
  status.textContent = sentence;
  status.classList.remove("fault");
}

function sayFault(sentence: string): void {
  status.textContent = sentence;
  status.classList.add("fault");
}

/** Shows what is wrong with a field, beside it. False: the board would refuse the value. */
function check([key, field]: [OperatorKey, Field]): boolean {
  const fault = faultOf(key, field.value);
  element(`${key}-fault`).textContent = fault === "" ? "" : `${fault}.`;
  field.setAttribute("aria-invalid", String(fault !== ""));
  return fault === "";
}

/** The lines of the form, or undefined when a field is wrong: that field then has the focus. */
function lines(): SettingLine[] | undefined {
  const wrong = fields.filter((field) => !check(field));
  if (wrong.length === 0) return fields.map(([key, { value }]) => ({ key, value }));
  sayFault("Correct the marked settings first.");
  wrong[0]![1].focus();
  return undefined;
}

function offer(id: string, choices: readonly (readonly [value: string, text: string])[]): void {
  element(id).append(...choices.map(([value, text]) => new Option(text, value)));
}

async function fetched<T>(path: string): Promise<T> {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} of this release is missing (${answer.status}).`);
  return (await answer.json()) as T;
}

/** Runs one job at a time. Its failure is a sentence for the person. */
async function run(job: () => Promise<void>): Promise<void> {
  for (const button of buttons) button.disabled = true;
  try {
    await job();
  } catch (error) {
    sayFault((error as Error).message);
  } finally {
    progress.hidden = true;
    for (const button of buttons) button.disabled = button.id !== "save" && !("serial" in navigator);
  }
}

/** The browser lets a person choose a port only at once after a click. */
async function chosenPort(): Promise<SerialPort> {
  const port = await navigator.serial.requestPort().catch(() => undefined);
  if (port === undefined) throw new Error("No port was chosen, so nothing was read or written.");
  say("Reading the settings of the board.");
  return port;
}

/** Shows the settings of a board in the form; where it has none, those of the images. */
async function show(note: ReleaseNote): Promise<void> {
  const partition = await readSettings(await chosenPort(), note);
  const held = new Map(settingLines(partition).map(({ key, value }) => [key, value]));
  for (const field of fields) {
    field[1].value = held.get(field[0]) ?? note.defaults[field[0]] ?? "";
    check(field);
  }
  say(`The board has ${settingsOn(partition)}. The form shows what holds.`);
}

async function write(note: ReleaseNote, change: SettingLine[], firmware: boolean): Promise<void> {
  const port = await chosenPort();
  const order = settingsWrite(await readSettings(port, note), change);
  const role = new FormData(form).get("role") as string;
  const manifest = await fetched<Parameters<typeof withSettings>[0]>(`${role}.json`);
  progress.value = 0;
  progress.hidden = false;
  await writeParts(port, withSettings(manifest, note, order, firmware), {
    say,
    written: (percentage) => {
      progress.value = percentage;
    },
  });
  const what = firmware ? "The firmware and the settings are" : "The settings are";
  say(`${what} on the board, which has ${settingsOn(imageOf(order.sector))}. The board starts again by itself.`);
}

function save(change: SettingLine[]): void {
  const erased = new Uint8Array(SETTINGS_PARTITION_BYTES).fill(0xff);
  const image = imageOf(settingsWrite(erased, change).sector);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([image as BlobPart]));
  link.download = "settings";
  link.click();
  say(`Saved ${settingsOn(image)}.`);
}

async function start(): Promise<void> {
  offer(
    "rate",
    PHY_RATES.map((rate) => [rate, rate] as const),
  );
  offer("wake", [["always", "always awake"], ...WAKE_CYCLES.map((s) => [`${s}`, `every ${s} s`] as const)]);
  element("unsupported").hidden = "serial" in navigator;
  const note = await fetched<ReleaseNote>("release.json");
  for (const [key, field] of fields) field.value = note.defaults[key] ?? "";
  element("chips").textContent = Object.keys(note.settingsAt).join(", ");
  element("version").textContent = `Throwie ${note.version}`;
  for (const field of fields) {
    field[1].addEventListener("change", () => check(field));
    field[1].addEventListener("input", () => field[1].getAttribute("aria-invalid") === "true" && check(field));
  }
  const act = (job: (change: SettingLine[]) => void | Promise<void>): void => {
    const change = lines();
    if (change !== undefined) void run(async () => job(change));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act((change) => write(note, change, true));
  });
  element("read").addEventListener("click", () => void run(() => show(note)));
  element("settings").addEventListener("click", () => act((change) => write(note, change, false)));
  element("save").addEventListener("click", () => act(save));
}

void run(start);
