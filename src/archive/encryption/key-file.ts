import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createOnce } from "../../files/create-once.ts";
import { KEY_BYTES } from "../blocks/seal.ts";
import { ArchiveError, messageOf } from "../errors.ts";

/** How a key stands in a file: as it is, or wrapped. */
export interface KeyCodec {
  encode(key: Buffer): Promise<string>;
  /** Something else than 32 bytes when it is no key. */
  decode(text: string): Promise<Buffer>;
}

/** As it is: in base64. */
export const PLAIN: KeyCodec = {
  encode: async (key) => key.toString("base64"),
  decode: async (text) => {
    const key = Buffer.from(text, "base64");
    return key.toString("base64") === text ? key : Buffer.alloc(0);
  },
};

/**
 * Where an archive's master key lies: one line of text, for its owner only. While it is being replaced, its successor lies
 * beside it, as `FILE.next`, until all is wrapped with that one.
 */
export class KeyFile {
  readonly path: string;
  readonly #codec: KeyCodec;

  constructor(path: string, codec: KeyCodec) {
    this.path = path;
    this.#codec = codec;
  }

  /** Undefined when it is not there. @throws {ArchiveError} when it cannot be read, or is no key. */
  now(): Promise<Buffer | undefined> {
    return this.#read(this.path);
  }

  /** Its successor, likewise. */
  next(): Promise<Buffer | undefined> {
    return this.#read(this.#nextPath);
  }

  /** A first key. Of several processes that make one at the same time, the first is right. @throws {ArchiveError} */
  async make(): Promise<Buffer> {
    try {
      await createOnce(this.path, await this.#line(randomBytes(KEY_BYTES)));
    } catch (cause) {
      throw this.#failed("made", cause);
    }
    const key = await this.now();
    if (key !== undefined) return key;
    throw new ArchiveError("wrong-key", `the archive's key ${this.path} is gone: put it back`);
  }

  /** Makes a successor, in the place of one that was never taken up. @throws {ArchiveError} */
  async makeNext(): Promise<Buffer> {
    const key = randomBytes(KEY_BYTES);
    const draft = `${this.#nextPath}.new`;
    try {
      writeFileSync(draft, await this.#line(key), { mode: 0o600, flush: true });
      renameSync(draft, this.#nextPath);
      this.#syncNames();
    } catch (cause) {
      throw this.#failed("made", cause);
    }
    // What lies there has to be what comes out of it: for a key that cannot be unwrapped nothing may be wrapped.
    const kept = await this.next();
    if (kept?.equals(key) === true) return key;
    throw new ArchiveError("wrong-key", `${this.#nextPath} does not give back the key that was put into it`);
  }

  /** Puts the successor in the key's place. */
  adoptNext(): void {
    try {
      renameSync(this.#nextPath, this.path);
      this.#syncNames();
    } catch (cause) {
      throw this.#failed("replaced", cause);
    }
  }

  get #nextPath(): string {
    return `${this.path}.next`;
  }

  async #read(path: string): Promise<Buffer | undefined> {
    let text: string;
    try {
      text = readFileSync(path, "latin1").trim();
    } catch (cause) {
      if (codeOf(cause) === "ENOENT") return undefined;
      throw this.#failed("read", cause);
    }
    const key = await this.#codec.decode(text);
    if (key.length === KEY_BYTES) return key;
    throw new ArchiveError("wrong-key", `${path} is no archive key: it has to hold 32 bytes in base64`);
  }

  async #line(key: Buffer): Promise<string> {
    return `${await this.#codec.encode(key)}\n`;
  }

  #syncNames(): void {
    const fd = openSync(dirname(this.path), "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  #failed(what: string, cause: unknown): ArchiveError {
    if (cause instanceof ArchiveError) return cause;
    return new ArchiveError(
      "failed",
      `the archive's key ${this.path} cannot be ${what}: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
