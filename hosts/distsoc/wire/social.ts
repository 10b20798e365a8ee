/** Bodies of layer 3, social routing (messages.ts; docs/distsoc.md, "Messages"). */
import { POST_BYTES_MAX } from "../post.ts";
import { type Codec, ONE_POST_SIZE_BYTES_MAX } from "./codec.ts";

/** An author's post for one of its audience. The record is judged by post.ts. */
export interface PushPost {
  readonly type: "PushPost";
  readonly record: Uint8Array;
}

export const pushPost: Codec<PushPost> = {
  sizeBytesMax: ONE_POST_SIZE_BYTES_MAX,
  encode: ({ record }) => [[1, record]],
  decode: (map) => {
    const record = map.bytes(1, 1, POST_BYTES_MAX);
    return record && { type: "PushPost", record };
  },
};

const OUTCOMES = ["stored", "known"] as const;

/** stored: durable as of now. known: it was before. Either way the sender's duty is done. */
export interface PushPostAnswer {
  readonly type: "PushPostAnswer";
  readonly outcome: (typeof OUTCOMES)[number];
}

export const pushPostAnswer: Codec<PushPostAnswer> = {
  sizeBytesMax: ONE_POST_SIZE_BYTES_MAX,
  encode: ({ outcome }) => [[1, OUTCOMES.indexOf(outcome)]],
  decode: (map) => {
    const outcome = OUTCOMES[map.unsigned(1) ?? OUTCOMES.length];
    return outcome && { type: "PushPostAnswer", outcome };
  },
};
