/**
 * The firmware: connects a board's ports to a node, or to a dongle, and does nothing else.
 *
 * A partition that cannot be mounted stops the start with the store's code: a newer firmware wrote it, or its size is
 * not a whole number of sectors. Formatting it would delete a town's messages. An exception, here or in any later turn,
 * is written to the crash partition. Then the board restarts; after several crashes in a row it sleeps first.
 */
import config from "mc/config";
import { board } from "./modules/board/board.ts";
import { catchUncaught } from "./modules/board/crash.ts";
import { restrain } from "./modules/board/crash-loop.ts";
import { startDongle } from "./modules/board/dongle-role.ts";
import { firmwareText } from "./modules/board/firmware.ts";
import { HeadroomLog } from "./modules/board/headroom.ts";
import { Kept } from "./modules/board/kept.ts";
import { Log } from "./modules/board/log.ts";
import { Loop } from "./modules/board/loop.ts";
import { Partition } from "./modules/board/partition.ts";
import type { Settings } from "./modules/board/settings.ts";
import { settingsOfBoard } from "./modules/board/settings-of-board.ts";
import { Sleeper } from "./modules/board/sleeper.ts";
import { mountOrFormat } from "./modules/board/store-of-board.ts";
import { Trial } from "./modules/board/trial.ts";
import { isAttended, nextImage, offerUpdate } from "./modules/board/update-window.ts";
import { EspNow } from "./modules/espnow/espnow.ts";
import { Store } from "./modules/store/store.ts";
import { RETAINED_BYTES } from "./modules/throwie/retained.ts";
import { Throwie } from "./modules/throwie/throwie.ts";
import { WAKING_BEACON_INTERVAL_MS } from "./modules/throwie/wake-schedule.ts";

const firmware = firmwareText(config);
const log = new Log(board, firmware);
const kept = new Kept(board);
restrain(board, kept, log);
catchUncaught(board, log);
const next = nextImage();
const trial = next?.trial ? new Trial(board) : undefined;
/** Somebody may wait for the first beacon: beside the board, or after an update. */
let beaconAwaited = trial !== undefined || isAttended(board);
offerUpdate({ board, config, firmware, next }, start);

function start(): void {
  const { chosen, report } = settingsOfBoard(config);
  board.setClock(chosen.cpuMhz);
  if (chosen.role === "dongle") {
    sayAll(report);
    startDongle(board, chosen, { firmware: [firmware, ...report].join("; "), trial });
  } else startNode(chosen, report);
}

function sayAll(lines: readonly string[]): void {
  for (const line of lines) log.say(line);
}

function firstBeaconOut(): void {
  beaconAwaited = false;
  trial?.passed();
  log.say(`the first beacon is out: ${firmware} works`);
}

function startNode({ role, channel, rate, halfLifeMs, wake }: Settings, report: readonly string[]): void {
  const store = new Store(new Partition("drops"));
  const outcome = mountOrFormat(store, log);
  log.say(`${role}, woken by ${board.wakeCause}: ${outcome} ${store.count} Drops`);
  sayAll(report);
  // Opened before the node, because the chip's random numbers are true random only while its radio is on.
  const radio = new EspNow({
    channel,
    rate,
    onFrame(bytes, lengthBytes, from) {
      node.receive(bytes, lengthBytes, from);
      loop.wake();
    },
    onRoom: () => {
      // A frame that the radio gave up makes room too.
      if (beaconAwaited && radio.counters.delivered > 0) firstBeaconOut();
      loop.wake();
    },
  });
  const waking = wake === undefined ? {} : { beaconIntervalMs: WAKING_BEACON_INTERVAL_MS, beaconAtOnce: true };
  const { epoch } = kept;
  const retained = new Uint8Array(RETAINED_BYTES);
  board.recall(retained);
  const node = new Throwie({
    radio,
    clock: board,
    random: board,
    store,
    events: log,
    halfLifeMs,
    epoch,
    retained,
    ...waking,
  });
  kept.keepEpoch(node.epoch);
  const rest = wake === undefined ? undefined : new Sleeper({ board, kept, log, radio, node, cycle: wake });
  const sleeping = wake === undefined ? {} : { sleepMs: wake * 1_000 };
  const loop = new Loop(board, new HeadroomLog({ board, log, task: node, ...sleeping }), rest);
  log.say(
    `listening on channel ${channel} at ${rate}, ${wake === undefined ? "always awake" : `waking every ${wake} s`}`,
  );
}
