import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import { connect, proxyAuthorization, type Target } from "../support/gateway.ts";

export const AGENTS = 50;
/** Questions between two looks: with what is under way, 75 answers are recorded between them. */
const LOOK_AFTER = 25;
/** Milliseconds that an agent waits when it was told to try again. */
const BACKOFF = 1_000;

/** What `/readyz` said, and how many agents had been refused in this phase by then. */
export interface Look {
  readonly status: string;
  readonly warning?: string;
  readonly reason?: string;
  readonly refused: number;
}

export interface AgentsOptions {
  readonly target: Target;
  readonly controlPort: number;
  /** The digest of what upstream answered to a statement. */
  readonly answered: (statement: string) => string | undefined;
  /** Milliseconds between an agent's answer and its next question. */
  readonly thinking: number;
}

/** What befell the agents since {@link Agents.begin}. */
export interface Phase {
  readonly name: string;
  /** Statements whose answers came whole, byte for byte what upstream gave. */
  readonly answered: Set<string>;
  /** Statements that were refused with 503 backendError. */
  readonly refused: Set<string>;
  /** Anything else. */
  readonly unexpected: string[];
  readonly looks: Look[];
  /** Milliseconds of the slowest answer. */
  slowest: number;
  /** Agents that had an answer. */
  readonly served: Set<number>;
}

/** Agents that query one after the other, each on a connection of its own. */
export class Agents {
  readonly #options: AgentsOptions;
  readonly #running: Promise<void>[];
  readonly #waiting = new Set<() => void>();
  readonly phases: Phase[] = [];
  #phase: Phase;
  #asked = 0;
  #lookedAt = 0;
  #looking: Promise<void> | undefined;
  #over = false;
  #hurries = false;
  #servedSince = 0;

  constructor(options: AgentsOptions) {
    this.#options = options;
    this.#phase = this.begin("first");
    this.#running = Array.from({ length: AGENTS }, (_, agent) => this.#run(agent));
  }

  /** What is asked from now on belongs to another phase. */
  begin(name: string): Phase {
    const looks: Look[] = [];
    this.#phase = {
      name,
      answered: new Set(),
      refused: new Set(),
      unexpected: [],
      looks,
      slowest: 0,
      served: new Set(),
    };
    this.phases.push(this.#phase);
    return this.#phase;
  }

  /** Has them ask without a pause, until there were so many answers. */
  async hurry(answers: number): Promise<void> {
    const { answered } = this.begin("in a hurry");
    this.#hurries = true;
    await this.until(() => answered.size >= answers);
    this.#hurries = false;
  }

  /** Resolves when something holds that agents, or their looks at `/readyz`, change. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Resolves when every agent has had an answer to what it asked from now on. */
  async allServed(): Promise<void> {
    const { served } = this.#phase;
    served.clear();
    this.#servedSince = this.#asked;
    await this.until(() => served.size === AGENTS);
  }

  /** Resolves when each has ended what it was at. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }

  async #run(number: number): Promise<void> {
    const connection = this.#newConnection(number);
    while (!this.#over) {
      // So that looks see a journal that fills at every fifth, however fast it does.
      if (this.#asked - this.#lookedAt >= LOOK_AFTER) {
        this.#looking ??= this.#look();
        await this.#looking;
      }
      const status = await this.#ask(number, connection);
      await delay(status === 503 ? BACKOFF : this.#hurries ? 0 : this.#options.thinking);
    }
    connection.destroy();
  }

  async #ask(agent: number, connection: Agent): Promise<number> {
    this.#asked += 1;
    const number = this.#asked;
    const phase = this.#phase;
    const statement = JSON.stringify({ query: `SELECT '${phase.name}', ${number}` });
    const began = performance.now();
    let status = 0;
    try {
      const answer = await exchange(connection, statement);
      status = answer.status;
      if (status === 200 && sha256(answer.body) === this.#options.answered(statement)) {
        phase.answered.add(statement);
        phase.slowest = Math.max(phase.slowest, performance.now() - began);
        if (number > this.#servedSince) this.#phase.served.add(agent);
      } else if (status === 503 && /"reason":\s*"backendError"/.test(answer.body.toString())) {
        phase.refused.add(statement);
      } else phase.unexpected.push(`${statement}: ${status} ${answer.body.toString("latin1", 0, 300)}`);
    } catch (error) {
      phase.unexpected.push(`${statement}: ${String(error)}`);
    }
    this.#changed();
    return status;
  }

  async #look(): Promise<void> {
    const phase = this.#phase;
    const response = await fetch(`http://127.0.0.1:${this.#options.controlPort}/readyz`);
    const look = (await response.json()) as Omit<Look, "refused">;
    phase.looks.push({ ...look, refused: phase.refused.size });
    this.#lookedAt = this.#asked;
    this.#looking = undefined;
    this.#changed();
  }

  #changed(): void {
    for (const look of this.#waiting) look();
    this.#waiting.clear();
  }

  /** CONNECT and TLS once, then HTTP/1.1 for as long as the connection is kept. */
  #newConnection(number: number): Agent {
    const { target } = this.#options;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const open = async () => {
      const { status, socket } = await connect(
        target.port,
        `${BIGQUERY_HOST}:443`,
        proxyAuthorization(`agent-${number}`),
      );
      if (status !== 200) throw new Error(`CONNECT: ${status}`);
      const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: target.ca });
      await once(secure, "secureConnect");
      return secure;
    };
    agent.createConnection = (_options, opened) => {
      open().then(
        (secure) => opened?.(null, secure),
        (error: Error) => opened?.(error, undefined as never),
      );
      return undefined;
    };
    return agent;
  }
}

async function exchange(agent: Agent, body: string): Promise<{ status: number; body: Buffer }> {
  const sent = httpsRequest({
    agent,
    host: BIGQUERY_HOST,
    path: "/bigquery/v2/projects/p/queries",
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

export function sha256(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
