import type { WriteStream } from "node:tty";
import { count, formatBytes } from "../print/quantities.ts";
import type { Notes } from "./notes.ts";

/** Milliseconds until progress is first shown, and between two showings. */
const INTERVAL = 500;
const ERASE_LINE = "\r\x1b[2K";

/** Says how far an export is, on one line of a terminal; nothing where there is no terminal. */
export class Progress {
  readonly #output: WriteStream;
  readonly #notes: Notes;
  readonly #timer: NodeJS.Timeout | undefined;
  #shown = false;
  /** Bytes written so far. */
  bytes = 0;

  constructor(output: WriteStream, notes: Notes) {
    this.#output = output;
    this.#notes = notes;
    this.#timer = output.isTTY ? setInterval(() => this.#show(), INTERVAL).unref() : undefined;
  }

  /** Bytes were written. */
  add(bytes: number): void {
    this.bytes += bytes;
  }

  /** Takes the line away. */
  end(): void {
    clearInterval(this.#timer);
    if (this.#shown) this.#output.write(ERASE_LINE);
  }

  #show(): void {
    this.#shown = true;
    const done = `${count(this.#notes.exchanges, "exchange")}, ${formatBytes(this.bytes)} written`;
    this.#output.write(`${ERASE_LINE}${done}`);
  }
}
