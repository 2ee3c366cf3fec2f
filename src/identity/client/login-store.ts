import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { tryLock } from "../../recording/lock.ts";
import { LoginError } from "./errors.ts";

const login = z.object({
  issuer: z.string(),
  clientId: z.string(),
  scope: z.string(),
  idToken: z.string(),
  /** Seconds since 1970 (RFC 7519, `iat` and `exp`). */
  issuedAt: z.number(),
  expiresAt: z.number(),
  refreshToken: z.string().optional(),
});
const file = z.object({ version: z.literal(1), logins: z.record(z.string(), login) });

/** What signing in for a gateway has given. */
export type Login = Readonly<z.infer<typeof login>>;

/** Milliseconds to wait for another process that refreshes a sign-in. */
const LOCK_PATIENCE = 30_000;

/**
 * A person's sign-ins, in a file that only they can read. There is one for each gateway, and it is shown to that gateway
 * alone: one that a person has been talked into trying gets no token which another would take.
 */
export class LoginStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get file(): string {
    return join(this.#directory, "tokens.json");
  }

  /**
   * The sign-in for a gateway, by its origin.
   *
   * @throws {LoginError} when others can read the file, or it is damaged.
   */
  async find(gateway: string): Promise<Login | undefined> {
    return (await this.#read()).get(gateway);
  }

  /** Keeps a sign-in for a gateway, in place of the one before, or with `undefined` forgets it. Only under `exclusive`. */
  async put(gateway: string, login: Login | undefined): Promise<void> {
    const logins = await this.#read();
    if (login === undefined) logins.delete(gateway);
    else logins.set(gateway, login);
    const text = `${JSON.stringify({ version: 1, logins: Object.fromEntries(logins) }, null, 2)}\n`;
    const temporary = `${this.file}.${randomUUID()}`;
    try {
      const handle = await open(temporary, "wx", 0o600);
      try {
        await handle.writeFile(text);
        // A refresh token is good once: the one before it is of no use any more.
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, this.file);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Runs `work` while no other process of this person changes sign-ins. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const deadline = Date.now() + LOCK_PATIENCE; ; await delay(20)) {
      const lock = tryLock(this.#directory);
      if (lock === undefined) {
        if (Date.now() < deadline) continue;
        throw new LoginError(
          `another bqtape has held ${this.#directory} for too long: end it, and try again`,
        );
      }
      try {
        return await work();
      } finally {
        lock.release();
      }
    }
  }

  async #read(): Promise<Map<string, Login>> {
    let text: string;
    try {
      text = await readPrivate(this.file);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return new Map();
      throw error;
    }
    try {
      return new Map(Object.entries(file.parse(JSON.parse(text)).logins));
    } catch (cause) {
      throw new LoginError(`${this.file} is damaged: remove it, and sign in again with bqtape login`, {
        cause,
      });
    }
  }
}

async function readPrivate(path: string): Promise<string> {
  // Through a link, the file that is looked at might not be the one that is read.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const { mode, uid } = await handle.stat();
    const own = process.getuid?.();
    if (own !== undefined && (uid !== own || (mode & 0o077) !== 0))
      throw new LoginError(
        `${path} can be read or written by others, so what is in it is not safe: remove it, and sign in again`,
      );
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}
