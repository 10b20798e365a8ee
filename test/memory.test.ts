/**
 * A board has little memory. This test counts the bytes of link and reconciler as they are made, and compares them with
 * the table of docs/protocol.md, "Memory".
 */
import test from "ava";
import { FRAME_SIZE_BYTES_V2 } from "../modules/glacier/frame.ts";
import { Store } from "../modules/store/store.ts";
import { Assemblies } from "../modules/throwie/assemblies.ts";
import { Contact, type ContactOwner } from "../modules/throwie/contact.ts";
import { CONTACTS_MAX } from "../modules/throwie/contacts.ts";
import { Effort } from "../modules/throwie/effort.ts";
import { SILENT } from "../modules/throwie/events.ts";
import { Reconciliation } from "../modules/throwie/reconciliation.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { arraysOf } from "./array-bytes.ts";

const BYTES_MAX = 24 * 1024;

const bytesOf = (make: () => void): number => arraysOf(make).bytes;

test.serial("link and reconciler of four sessions fit into 24 KB, part by part as the docs say", (t) => {
  const random = new SeededRandom(1, "memory");
  const store = new Store(new NorFlash({ sizeBytes: 448 * 4096 }));
  const effort = new Effort();
  const own = new Uint8Array(store.capacity);
  let assemblies: Assemblies;
  let reconciliation: Reconciliation;
  const parts = {
    buffers: bytesOf(() => {
      assemblies = new Assemblies();
    }),
    reconciler: bytesOf(() => {
      reconciliation = new Reconciliation({
        store,
        assemblies,
        random,
        beaconNonce: new Uint8Array(0),
        takesV2: true,
        effort,
      });
    }),
    contacts: bytesOf(() => {
      const owner = { store, assemblies, reconciliation, events: SILENT, own } as unknown as ContactOwner;
      for (let i = 0; i < CONTACTS_MAX; i++) new Contact(owner, i);
    }),
    frame: FRAME_SIZE_BYTES_V2,
  };
  t.deepEqual(parts, { buffers: 12_358, reconciler: 9_104, contacts: 1_616, frame: 1_470 });
  const total = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  t.true(total <= BYTES_MAX, `${total} bytes`);
});
