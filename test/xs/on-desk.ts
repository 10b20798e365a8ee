/** Runs the firmware, main.ts and all modules that it imports, on real XS. A desk (desk.ts) stands for the board. */
import { bundleForXs, type Changes, XsMachine } from "./machine.ts";
import { NATIVES } from "./natives.ts";

/** Runs a script on a new desk, and returns the script's result. `changes` break the firmware, not the desk. */
export async function onDesk<T>(script: string, changes: Changes = {}): Promise<T> {
  const machine = new XsMachine();
  try {
    const firmware = await bundleForXs("main.ts", NATIVES, changes);
    await machine.evaluate(await bundleForXs("test/xs/desk.ts"));
    await machine.evaluate(`globalThis.boot = () => {\n${firmware}\n}`);
    const { told } = await machine.evaluate(`tell(JSON.stringify(((desk) => { ${script} })(new Desk())))`);
    return JSON.parse(told[0]!);
  } finally {
    machine.close();
  }
}
