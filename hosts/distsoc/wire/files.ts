/** The bodies of layer 2, files (messages.ts; docs/distsoc.md, "Messages"). */
import { NODE_ID_BYTES, type NodeId, nodeIdBytes, nodeIdOf } from "../node-id.ts";
import { POST_BYTES_MAX, POST_ID_BYTES } from "../post.ts";
import { type Codec, ONE_POST_SIZE_BYTES_MAX } from "./codec.ts";

/** Asks for a post by its PostId. */
export interface FileRequest {
  readonly type: "FileRequest";
  readonly postId: Uint8Array;
}

export const fileRequest: Codec<FileRequest> = {
  sizeBytesMax: ONE_POST_SIZE_BYTES_MAX,
  encode: ({ postId }) => [[1, postId]],
  decode: (map) => {
    const postId = map.bytes(1, POST_ID_BYTES);
    return postId && { type: "FileRequest", postId };
  },
};

/** Holds the record that was asked for, or no record when the post is not held. */
export interface FileResponse {
  readonly type: "FileResponse";
  readonly record?: Uint8Array;
}

export const fileResponse: Codec<FileResponse> = {
  sizeBytesMax: ONE_POST_SIZE_BYTES_MAX,
  encode: ({ record }) => (record === undefined ? [] : [[1, record]]),
  decode: (map) => {
    if (!map.has(1)) return { type: "FileResponse" };
    const record = map.bytes(1, 1, POST_BYTES_MAX);
    return record && { type: "FileResponse", record };
  },
};

/** Announces a post. It carries no content, so it costs little when its receiver does not want the post. */
export interface PostNotification {
  readonly type: "PostNotification";
  readonly author: NodeId;
  readonly sequence: number;
  readonly postId: Uint8Array;
}

export const postNotification: Codec<PostNotification> = {
  sizeBytesMax: ONE_POST_SIZE_BYTES_MAX,
  encode: ({ author, sequence, postId }) => [
    [1, nodeIdBytes(author)],
    [2, sequence],
    [3, postId],
  ],
  decode: (map) => {
    const author = map.bytes(1, NODE_ID_BYTES);
    const sequence = map.unsigned(2);
    const postId = map.bytes(3, POST_ID_BYTES);
    if (author === undefined || sequence === undefined || sequence < 1 || postId === undefined) return undefined;
    return { type: "PostNotification", author: nodeIdOf(author), sequence, postId };
  },
};

/** The answer is always the same, so that it does not tell whether the author is followed. */
export interface PostNotificationAnswer {
  readonly type: "PostNotificationAnswer";
}

export const postNotificationAnswer: Codec<PostNotificationAnswer> = {
  sizeBytesMax: ONE_POST_SIZE_BYTES_MAX,
  encode: () => [],
  decode: () => ({ type: "PostNotificationAnswer" }),
};
