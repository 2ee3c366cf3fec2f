import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError } from "../config/errors.ts";
import { syncDirectory } from "../files/sync-directory.ts";
import { merge, parseSessionState, type SessionState } from "./session-state.ts";

/** Bytes from which the file is written anew, if it is twice what that would be. */
const COMPACT_FROM = 1024 * 1024;

/**
 * Session states in a file, a line of JSON each; of a session the lines are merged. Written through to the disk before an
 * append resolves, those that wait together at once.
 */
export class LedgerFile {
  readonly #path: string;
  #handle: FileHandle;
  /** Of whole lines. */
  #bytes: number;
  /** Whether something may be behind these. */
  #torn = false;
  #compactAt: number;
  #waiting: { readonly text: string; resolve(): void; reject(error: unknown): void }[] = [];
  #writing: Promise<void> | undefined;
  /** What of all is worth keeping. */
  readonly #current: () => readonly SessionState[];

  private constructor(
    path: string,
    handle: FileHandle,
    bytes: number,
    current: () => readonly SessionState[],
  ) {
    this.#path = path;
    this.#handle = handle;
    this.#bytes = bytes;
    this.#compactAt = Math.max(COMPACT_FROM, bytes * 2);
    this.#current = current;
  }

  /**
   * Reads the file, cuts off a last line that was half written, leaves out what `keep` does not want, and writes it anew.
   *
   * @param current what is worth keeping when the file is written anew later.
   * @throws {ConfigError} when a line in its midst is damaged: it could be a revocation.
   */
  static async open(
    path: string,
    keep: (state: SessionState) => boolean,
    current: () => readonly SessionState[],
  ): Promise<{ file: LedgerFile; states: SessionState[] }> {
    const states = (await readStates(path)).filter(keep);
    const { handle, bytes } = await writeAnew(path, states);
    return { file: new LedgerFile(path, handle, bytes, current), states };
  }

  /** Resolves when it is on the disk. @throws the system's error. */
  append(state: SessionState): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ text: line(state), resolve, reject });
    this.#writing ??= this.#write();
    return promise;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const text = batch.map((each) => each.text).join("");
        if (this.#torn) await this.#handle.truncate(this.#bytes);
        this.#torn = true;
        await this.#handle.appendFile(text);
        await this.#handle.datasync();
        this.#bytes += Buffer.byteLength(text);
        this.#torn = false;
        for (const { resolve } of batch) resolve();
        if (this.#bytes > this.#compactAt) await this.#compact();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #compact(): Promise<void> {
    const old = this.#handle;
    const { handle, bytes } = await writeAnew(this.#path, this.#current());
    [this.#handle, this.#bytes, this.#compactAt] = [handle, bytes, Math.max(COMPACT_FROM, bytes * 2)];
    await old.close();
  }
}

async function readStates(path: string): Promise<SessionState[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
    throw new ConfigError(`${path} cannot be read: ${String(cause)}`, { cause, passing: true });
  }
  const states = new Map<string, SessionState>();
  const lines = text.split("\n");
  // Behind the last line break there is nothing, or what was half written when the machine stopped: nobody was told it is kept.
  lines.pop();
  for (const [at, each] of lines.entries()) {
    const state = parseSessionState(each);
    if (state === undefined) {
      throw new ConfigError(
        `${path} is damaged at line ${at + 1}, which may have been a revocation: restore it, or remove it and change identity.session.keyFile, so that no earlier token is good`,
      );
    }
    const known = states.get(state.id);
    states.set(state.id, known === undefined ? state : merge(known, state));
  }
  return [...states.values()];
}

/** Whole or not at all, and on the disk. */
async function writeAnew(
  path: string,
  states: readonly SessionState[],
): Promise<{ handle: FileHandle; bytes: number }> {
  const temporary = `${path}.new`;
  const text = states.map(line).join("");
  const handle = await open(temporary, "w", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
  return { handle: await open(path, "a"), bytes: Buffer.byteLength(text) };
}

function line(state: SessionState): string {
  return `${JSON.stringify(state)}\n`;
}
