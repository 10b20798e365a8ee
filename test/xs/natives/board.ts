/** Replaces modules/board/board.ts. */
import type { Board } from "../../../modules/board/ports.ts";

export const board: Board = globalThis.desk.board;
