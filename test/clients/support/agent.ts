import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { ArchivedExchange } from "../../../src/archive/records/exchange.ts";
import { newSession } from "../../../src/identity/loopback.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** A request as it arrived behind the gateway. */
export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

export interface AgentOptions {
  /** All that `bqtape env` says, of a session. */
  readonly environment: (session: string) => Readonly<Record<string, string>>;
  readonly exchanges: () => Promise<ArchivedExchange[]>;
  readonly seen: readonly SeenRequest[];
}

/**
 * Python's google-auth asks there, in a thread beside the program's own, from which regions a service account may be used. It
 * goes on without an answer, so it is not looked at whether and when it asks.
 */
const ASIDE = "iamcredentials.googleapis.com:443";

/** Milliseconds that a client's program may take. */
const LIMIT = 30_000;

/** An agent's place: what runs here has the variables of `bqtape env`, a PATH and an empty HOME, and nothing else. */
export class Agent {
  readonly session = newSession();
  readonly environment: Readonly<Record<string, string>>;
  readonly #options: AgentOptions;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.environment = {
      ...options.environment(this.session),
      PATH: process.env.PATH ?? "",
      HOME: temporaryDirectory(),
    };
  }

  /** Starts a program; it and its children are ended when it takes too long, and with the test process at the latest. */
  start(
    command: string,
    args: readonly string[],
    settings: Readonly<Record<string, string>> = {},
  ): ChildProcessWithoutNullStreams {
    const env = { ...this.environment, ...settings };
    const child = spawn(command, args, { env, stdio: "pipe", detached: true });
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // All of them have ended.
      }
    };
    const limit = setTimeout(kill, LIMIT);
    process.once("exit", kill);
    child.once("close", () => {
      clearTimeout(limit);
      process.off("exit", kill);
    });
    return child;
  }

  /** Runs a program to its end, which must be a good one, and answers what it printed. */
  async run(command: string, args: readonly string[]): Promise<string> {
    const child = this.start(command, args);
    child.stdin.end();
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [code, signal] = await once(child, "close");
    assert.equal(code, 0, `${command} ended with ${code ?? signal}: ${(stderr || stdout).slice(-3_000)}`);
    return stdout;
  }

  /** Runs a program that prints one JSON value. */
  async runJson(command: string, args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.run(command, args));
  }

  /**
   * What was recorded of this agent, oldest first, when all of it is as it must be whatever the client: under this session
   * and user, whole, nothing refused (so the client wanted no host but BigQuery's), and nothing of what the agent holds went
   * upstream.
   */
  async recorded(): Promise<ArchivedExchange[]> {
    const all = await this.#options.exchanges();
    const exchanges = all.filter(({ session, authority }) => session === this.session && authority !== ASIDE);
    assert.notEqual(exchanges.length, 0, "nothing was recorded");
    for (const exchange of exchanges) {
      const { user, outcome, method, target, error } = exchange;
      assert.deepEqual(
        { user, outcome, error },
        { user: userInfo().username, outcome: "complete", error: undefined },
        `${method} ${target}`,
      );
    }
    this.assertNothingLeaked();
    return exchanges;
  }

  /** Nothing upstream has what this agent was given in place of a secret. */
  assertNothingLeaked(): void {
    const { seen } = this.#options;
    assert.notEqual(seen.length, 0, "nothing arrived upstream");
    for (const { method, target, headers, body } of seen) {
      const text = `${method} ${target}\n${headers.join("\n")}\n\n${body.toString("latin1")}`;
      for (const [what, secret] of this.#secrets())
        assert.ok(!text.includes(secret), `upstream saw the agent's ${what} in ${method} ${target}`);
      const credentials = headers.filter((_, at) => headers[at - 1]?.toLowerCase() === "authorization");
      assert.equal(credentials.length, 1, `one credential in ${method} ${target}`);
      assert.match(credentials[0] ?? "", /^Bearer \S+$/);
      // A self-signed JWT is what clients send that skip the token endpoint.
      assert.doesNotMatch(credentials[0] ?? "", /^Bearer eyJ/);
    }
  }

  #secrets(): [what: string, secret: string][] {
    const file = this.environment.GOOGLE_APPLICATION_CREDENTIALS ?? "";
    const placeholder = JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
    return [
      ["access token", "bqtape-placeholder-"],
      ["session", this.session],
      ["service account", placeholder.client_email ?? ""],
      ["key", placeholder.private_key_id ?? ""],
    ];
  }
}

/** A program of this folder's `agents/`. */
export function program(name: string): string {
  return join(import.meta.dirname, "../agents", name);
}

/** The parts of an exchange that a test of one statement is about. */
export function summary({ operation, status, sql, rows }: ArchivedExchange): object {
  return { operation, status, ...(sql !== undefined && { sql }), ...(rows !== undefined && { rows }) };
}
