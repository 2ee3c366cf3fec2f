/** A piece of an answer's JSON. */
export type AnswerPart =
  /** A member of the answer, but not `rows`. */
  | { readonly kind: "member"; readonly name: string; readonly value: unknown }
  /** An element of the list `rows`; without its value when rows are only counted. */
  | { readonly kind: "row"; readonly value?: unknown }
  /** The end; `whole` unless the bytes ended before the answer did. */
  | { readonly kind: "end"; readonly whole: boolean };

/** Bytes that are taken apart at a time. */
const PIECE = 16 * 1024;

/** BigQuery's rows have up to 100 MB. */
const MAX_PIECE_BYTES = 256 * 1024 * 1024;

/**
 * Takes an answer apart as its bytes come: memory is that of one row, not of the page, which nothing bounds. Parts come in
 * lists, one for each piece of bytes: most rows are far smaller than it is worth to wait for.
 *
 * @param countRows whether rows are only counted, which saves most of the work.
 * @throws {SyntaxError} when a piece is no JSON; {@link RangeError} when one is too long.
 */
export async function* answerParts(
  bytes: AsyncIterable<Uint8Array>,
  countRows: boolean,
): AsyncGenerator<readonly AnswerPart[]> {
  const splitter = new Splitter(countRows);
  for await (const chunk of bytes) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    // Values take many times their bytes, and live until the list is done with.
    for (let at = 0; at < buffer.length; at += PIECE) yield splitter.push(buffer.subarray(at, at + PIECE));
  }
  yield [{ kind: "end", whole: splitter.whole }];
}

/**
 * - `start`: before the object;
 * - `name`: in front of a member's colon;
 * - `value`: behind it;
 * - `rows`: between the brackets of `rows`;
 * - `behind`: between these and what comes next;
 * - `end`: behind the object.
 */
type State = "start" | "name" | "value" | "rows" | "behind" | "end";

class Splitter {
  readonly #countRows: boolean;
  #parts: AnswerPart[] = [];
  #state: State = "start";
  #depth = 0;
  #inString = false;
  #escaped = false;
  #name = "";
  /** The present piece, as far as it is in earlier chunks. */
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(countRows: boolean) {
    this.#countRows = countRows;
  }

  get whole(): boolean {
    return this.#state === "end";
  }

  push(chunk: Buffer): readonly AnswerPart[] {
    this.#parts = [];
    let begin = 0;
    for (let at = 0; at < chunk.length; at++) {
      const code = chunk[at];
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) this.#inString = false;
        continue;
      }
      switch (code) {
        case QUOTE:
          this.#inString = true;
          break;
        case OPEN_OBJECT:
        case OPEN_LIST:
          this.#depth += 1;
          if (this.#opens(code)) {
            this.#drop();
            begin = at + 1;
          }
          break;
        case COLON:
          if (this.#state !== "name" || this.#depth !== 1) break;
          this.#name = String(this.#take(chunk, begin, at));
          this.#state = "value";
          begin = at + 1;
          break;
        case COMMA:
        case CLOSE_OBJECT:
        case CLOSE_LIST: {
          const ends = this.#depth === (this.#state === "rows" ? 2 : 1);
          if (ends) {
            this.#piece(chunk, begin, at);
            begin = at + 1;
            if (code === COMMA && this.#state !== "rows") this.#state = "name";
          }
          if (code === COMMA) break;
          this.#depth -= 1;
          if (ends) this.#state = this.#depth === 0 ? "end" : "behind";
          break;
        }
        default:
      }
    }
    this.#hold(chunk.subarray(begin));
    return this.#parts;
  }

  /** Whether a bracket begins something that is looked into. */
  #opens(code: number): boolean {
    if (this.#state === "start" && code === OPEN_OBJECT) this.#state = "name";
    else if (this.#state === "value" && this.#depth === 2 && code === OPEN_LIST && this.#name === "rows")
      this.#state = "rows";
    else return false;
    return true;
  }

  #piece(chunk: Buffer, begin: number, end: number): void {
    if (this.#state === "value") {
      this.#parts.push({ kind: "member", name: this.#name, value: this.#take(chunk, begin, end) });
    } else if (this.#state !== "rows") {
      this.#drop();
    } else if (this.#countRows && this.#heldBytes + end - begin > SHORTEST_ROW) {
      this.#drop();
      this.#parts.push({ kind: "row" });
    } else {
      const value = this.#take(chunk, begin, end);
      // An empty list has nothing between its brackets.
      if (value !== undefined) this.#parts.push({ kind: "row", value });
    }
  }

  #take(chunk: Buffer, begin: number, end: number): unknown {
    const last = chunk.subarray(begin, end);
    const text = (this.#held.length === 0 ? last : Buffer.concat([...this.#held, last])).toString().trim();
    this.#drop();
    return text === "" ? undefined : JSON.parse(text);
  }

  #hold(bytes: Buffer): void {
    if (this.#state === "start" || this.#state === "end") return;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_PIECE_BYTES)
      throw new RangeError(`a part of the answer has more than ${MAX_PIECE_BYTES} bytes`);
    this.#held.push(bytes);
  }

  #drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}

/** Bytes between brackets that may be white space alone. */
const SHORTEST_ROW = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
