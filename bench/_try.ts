import { bundleForXs, XsMachine } from "../test/xs/machine.ts";
const m = new XsMachine();
await m.evaluate(await bundleForXs("test/xs/program.ts"));
const r = await m.evaluate("tell(JSON.stringify(contactOfFifty(), null, 1))");
console.log(r.told[0]); m.close();
