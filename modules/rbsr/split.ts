/**
 * Into how many parts the first message divides the space, or whether it lists everything instead (docs/protocol.md,
 * "Reconciliation": "split the id space once, by the expected difference").
 *
 * With too few parts most parts cannot be decoded and cost a list each; with too many the summaries cost more than they
 * spare. So this file looks for the number of parts that costs least bytes. A part costs 9 bytes and more, and a part
 * whose difference cannot be decoded costs a list. A part cannot be decoded when two or more of the items that only the
 * initiator holds fall in it, or three or more of the items that only the responder holds (decode.ts). With a mean of m
 * such items a part, these chances lie close to m^2 / (m^2 + 2.5) and m^3 / (m^3 + 12) over the range that matters.
 *
 * All numbers are whole and below 2^53, so that every engine picks the same number of parts.
 *
 * The estimate is off by a seventh either way. Around the minimum that costs little: measured at 750 items and 50
 * differences, 829 bytes with 48 parts, 879 with 64, 917 with 40.
 */

/** A range of at most this many items is listed rather than divided: 512 bytes or less, against another round trip. */
export const LIST_ITEMS_MAX = 128;

/** Chances are whole numbers in units of 1 / CHANCE_ONE. */
const CHANCE_ONE = 4096;
const PART_BYTES = 9;
const ITEM_TAG_BYTES = 4;
/** The cost of dividing a part again rather than listing it: eight summaries, and a fine for the added round trip. */
const DIVIDED_PART_BYTES = 200;
/** The cost of each differing item then: its share of further summaries, lists and tags. */
const DIVIDED_DIFFERENCE_BYTES = 20;
/**
 * More differing items than this mean only "nearly everything". The cube of this number times CHANCE_ONE stays exact.
 */
const DIFFERENCES_MAX = 8191;

/**
 * The number of parts of the first SPLIT, 1 .. partsMax, or 0: list all own tags. `differences`: how many items are
 * expected to differ, both ways together.
 */
export function splitFor(differences: number, ownCount: number, peerCount: number, partsMax: number): number {
  const surplus = ownCount - peerCount;
  const expected = Math.max(differences, surplus, -surplus, 1);
  const mine = Math.min(Math.max(Math.floor((expected + surplus) / 2), 0), ownCount, DIFFERENCES_MAX);
  const theirs = Math.min(Math.max(Math.floor((expected - surplus) / 2), 0), peerCount, DIFFERENCES_MAX);
  let best = 0;
  let bestBytes = listBytes(ownCount);
  for (let parts = 1; parts <= partsMax; parts = nextParts(parts)) {
    const bytes = splitBytes(parts, mine, theirs, peerCount);
    if (bytes < bestBytes) {
      best = parts;
      bestBytes = bytes;
    }
  }
  return best;
}

/** Every number up to 64 is tried, then steps of an eighth. */
function nextParts(parts: number): number {
  return parts < 64 ? parts + 1 : parts + (parts >> 3);
}

/** Each item costs a tag, and a bit in the answer. */
function listBytes(items: number): number {
  return ITEM_TAG_BYTES * items + Math.floor(items / 8) + 2;
}

function splitBytes(parts: number, mine: number, theirs: number, listed: number): number {
  const mineSquared = mine * mine;
  const theirsCubed = theirs * theirs * theirs;
  const partsSquared = parts * parts;
  const crowded = Math.floor((CHANCE_ONE * 2 * mineSquared) / (2 * mineSquared + 5 * partsSquared));
  const scattered = Math.floor((CHANCE_ONE * theirsCubed) / (theirsCubed + 12 * partsSquared * parts));
  const chance = crowded + Math.floor(((CHANCE_ONE - crowded) * scattered) / CHANCE_ONE);
  const undecodedBytes =
    parts === 1 || listed <= LIST_ITEMS_MAX * parts
      ? listBytes(listed) + parts
      : DIVIDED_PART_BYTES * parts + DIVIDED_DIFFERENCE_BYTES * (mine + theirs);
  const decodedBytes = ITEM_TAG_BYTES * Math.min(mine, parts);
  const repliedBytes = chance * undecodedBytes + (CHANCE_ONE - chance) * decodedBytes;
  return PART_BYTES * parts + (parts >> 2) + Math.floor(repliedBytes / CHANCE_ONE);
}
