/**
 * When a sector of the log dies, each record in it that says where a Drop is has its essence in the other sector of the
 * pair: which sector, which bytes (docs/store.md, "Damage"). The essence has no room for the Drop's name. But a Drop's
 * name is its hash, so the Drop is read and hashed.
 *
 * This is the only place where a mount reads bodies, and the only one that allocates. It is not used on a whole log.
 * The heat is lost with the record: a Drop that no older record knows counts as if it were new and settled.
 */
import { DROP_SIZE_BYTES_MAX, dropId, shortIdHigh, shortIdLow } from "../drop/drop.ts";
import { settledKey } from "../temperature/rank.ts";
import { enter } from "./entering.ts";
import { blank, ESCAPED_FLAG, ESSENCE_AT, half, word } from "./layout.ts";
import type { RecordLog } from "./record-log.ts";

/**
 * Enter the Drop of the essence in `log.record`, as if the record at this place had been read. False: there is no such
 * Drop any more.
 */
export function recoverDrop(log: RecordLog, pair: number, number: number): boolean {
  const { record, sectors, slots } = log;
  const { flash, layout } = sectors;
  const place = word(record, ESSENCE_AT + 1);
  const drop = new Uint8Array(Math.min(DROP_SIZE_BYTES_MAX, (place & 0x7ff) + 1));
  const address = half(record, ESSENCE_AT + 5) * layout.sectorSizeBytes + (((place >>> 11) & 0x7ff) << 2);
  if (address + drop.length > layout.sectorCount * layout.sectorSizeBytes) return false;
  flash.read(address, drop, 0, drop.length);
  if (blank(drop, 0, drop.length)) return false;
  if ((record[ESSENCE_AT]! & ESCAPED_FLAG) !== 0) drop[0] = drop[0]! ^ 0xff;
  const id = dropId(drop);
  const low = shortIdLow(id);
  const high = shortIdHigh(id);
  const known = slots.find(low, high) >= 0;
  const slot = enter(log, low, high, ESSENCE_AT);
  if (!known) slots.heat[slot] = settledKey(log.recordedTime);
  slots.setVerified(slot, true);
  log.ring.bind(slot, pair, number);
  return true;
}
