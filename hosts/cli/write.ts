/** `throwie write`: seal a message and give it to this person's Mule, which offers it to every node that it meets. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { dropId } from "../../modules/drop/drop.ts";
import { HostNode } from "../node/host-node.ts";
import { leaveMessage, sealMessage } from "../node/message.ts";
import { type KeyOptions, keyOf } from "./key-options.ts";

export async function writeMessage(
  text: string | undefined,
  options: KeyOptions & { store: string; json?: boolean },
): Promise<void> {
  const plaintext = text === undefined ? readFileSync(process.stdin.fd) : new TextEncoder().encode(text);
  const drop = sealMessage(plaintext, keyOf(options));
  const node = await HostNode.open({ storePath: options.store });
  try {
    leaveMessage(node, drop, options.store);
    const report = { dropId: Buffer.from(dropId(drop)).toString("hex"), sizeBytes: drop.length, held: node.held };
    if (options.json) console.log(JSON.stringify({ ...report, store: options.store }));
    else
      console.log(
        `Drop ${report.dropId}, ${report.sizeBytes} bytes, is in ${options.store} with ${report.held - 1} other Drops.`,
      );
  } finally {
    node.close();
  }
}
