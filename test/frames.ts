/** Frames that a test makes or looks at by hand. */
import { FrameHeader } from "../modules/glacier/frame.ts";

/** Fields of a header. The type may be one that does not exist. */
export type HeaderFields = Partial<Omit<FrameHeader, "type">> & { type?: number };

/** A header with these fields. */
export function headerOf(fields: HeaderFields): FrameHeader {
  return Object.assign(new FrameHeader(), fields as Partial<FrameHeader>);
}
