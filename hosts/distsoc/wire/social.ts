/** The bodies of layer 3, social routing (messages.ts; docs/distsoc.md, "Messages"). */
import { POST_BYTES_MAX } from "../post.ts";
import { type Codec, ONE_POST_SIZE_BYTES_MAX } from "./codec.ts";

/** Carries a post to a node of the audience of its author. post.ts checks the record. */
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

/** "stored": the post is durable now. "known": the post was durable before. In both cases the delivery is complete. */
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
