import type {
  BodySummary,
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  HeaderList,
  OperationSummary,
  RecordedEvent,
  RequestHead,
  SessionStarted,
} from "../../../src/recording/events.ts";
import type { Random } from "../../fuzz/random.ts";
import { MemoryJournal } from "./journal.ts";

const OPERATIONS = [
  "jobs.query",
  "jobs.insert",
  "jobs.getQueryResults",
  "jobs.cancel",
  "jobs.list",
  "tabledata.list",
  "tabledata.insertAll",
  "datasets.list",
  "tables.insert",
  "tables.patch",
  "tables.delete",
  "tables.setIamPolicy",
  "rowAccessPolicies.insert",
  "projects.list",
  "storage.ReadRows",
  "storage.AppendRows",
  "oauth2.token",
  "tunnel",
  "unknown",
  "",
  "constructor",
  "tables.toString",
];

/** Makes events such as no gateway should, and a hostile agent, upstream or directory of users may make it. */
export class Hostile {
  readonly #random: Random;
  #exchanges = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** One exchange with all that belongs to it, or a session, or a refusal. */
  fill(journal: MemoryJournal): void {
    const random = this.#random;
    if (random.once(8)) journal.events(this.#session());
    if (random.once(8)) journal.events(this.#later());
    if (random.once(8)) journal.events(this.#checkpoint());
    if (random.once(16)) journal.gap(1 + random.integer(1_000), random.pick(["damaged", "missing"]));
    const exchange = this.#exchange();
    if (random.once(6)) {
      journal.events(this.#denied(exchange, true));
      return;
    }
    const begun = !random.once(8);
    if (begun) journal.events(this.#requested(exchange));
    const bytes = random.bytes(random.integer(200));
    journal.body(exchange, "response", bytes, 1 + random.integer(100));
    if (random.once(10)) return;
    journal.events(random.once(4) ? this.#denied(exchange, false) : this.#completed(exchange));
  }

  run(): RecordedEvent {
    return {
      type: "gateway.started",
      time: this.#time(),
      gateway: `run-${this.#random.word()}`,
      version: this.text(),
      truncatedBytes: this.#random.word(),
    };
  }

  /** Text that is empty, long, many bytes wide, not well-formed, or full of what JSON has to escape. */
  text(most = 5_000): string {
    const random = this.#random;
    const length = random.once(3) ? random.integer(most) : random.integer(12);
    const pick = random.pick([
      () => "a",
      () => String.fromCharCode(random.integer(0x20)),
      () => "\ud800",
      () => "\udc00",
      () => "😀",
      () => "漢",
      () => '"\\',
      () => "\u2028\u0000\u007f",
      () => String.fromCharCode(random.integer(0x10000)),
    ]);
    return Array.from({ length: Math.ceil(length / 2) }, pick).join("");
  }

  #exchange(): string {
    this.#exchanges += 1;
    return `018bcfe5-6800-7000-8000-${this.#exchanges.toString(16).padStart(12, "0")}`;
  }

  #time(): number {
    return this.#random.pick([0, 0.5, 1_700_000_000_000.25, -5, 1e17, Number.NaN, this.#random.word()]);
  }

  #later(): RecordedEvent {
    const common = { ...this.#session(), session: this.#sessionName() };
    const { agent: _, purpose: __, expiresAt: ___, ...session } = common;
    return this.#random.pick<() => RecordedEvent>([
      () => ({ ...session, type: "session.renewed", renewBefore: this.#time() }),
      () => ({ ...session, type: "session.ended", because: this.text() as "owner" }),
      () => ({ ...session, type: "session.revoked", because: this.text(), by: this.#session().principal }),
      () => ({
        type: "identity.refused",
        time: this.#time(),
        source: this.#source(),
        reason: this.text(),
        suppressed: this.#random.integer(1_000),
        ...(this.#random.once(2) && { userAgent: this.text() }),
      }),
    ])();
  }

  #checkpoint(): RecordedEvent {
    const head = () => ({
      hash: this.text(64),
      id: this.text(36),
      sequence: 3,
      session: this.#sessionName(),
    });
    return {
      type: "checkpoint",
      time: this.#time(),
      because: this.#random.pick(["interval", "session-end", "idle", "gateway-stop"]),
      last: this.#random.once(2),
      kid: this.text(43),
      signature: this.text(86),
      ...(this.#random.once(2) && { session: this.#sessionName() }),
      ...(this.#random.once(2) && { heads: [head()] }),
      chain: { id: this.text(36), previous: "ab".repeat(32), sequence: this.#random.integer(9) },
    };
  }

  #session(): SessionStarted {
    const many = this.#random.once(3) ? 500 : 3;
    return {
      type: "session.started",
      time: this.#time(),
      session: this.#sessionName(),
      principal: {
        subject: this.text(),
        user: this.text(),
        groups: Array.from({ length: this.#random.integer(many) }, () => this.text(200)),
        ...(this.#random.once(2) && { issuer: this.text() }),
      },
      source: this.#source(),
      ...(this.#random.once(2) && { userAgent: this.text() }),
      ...(this.#random.once(2) && { agent: this.text(), purpose: this.text(), expiresAt: this.#time() }),
    };
  }

  #sessionName(): string {
    return this.#random.pick(["s-1", "s-2", "", this.text()]);
  }

  #source() {
    const address = this.#random.pick([
      "10.0.0.1",
      "::ffff:10.0.0.1",
      "2001:db8::1",
      "fe80::1%eth0",
      "",
      this.text(90),
    ]);
    return { address, port: this.#random.pick([0, 443, 65_535, 70_000, -1]) };
  }

  #headers(): HeaderList {
    const count = this.#random.pick([0, 3, 30, 400]);
    return Array.from({ length: count }, () => [this.text(80), this.text(300)] as const).concat([
      ["User-Agent", this.text()],
      ["content-encoding", this.text(20)],
      ["Content-Length", this.#random.pick(["12", "-1", "9".repeat(40)])],
      ["Content-Type", this.text()],
    ]);
  }

  #head(): RequestHead {
    const authority = this.#random.pick([
      "bigquery.googleapis.com:443",
      "[::1]:443",
      ":",
      "h:99999",
      "",
      this.text(),
    ]);
    return {
      method: this.#random.pick(["POST", "CONNECT", "get", "", this.text()]),
      authority,
      target: `/${this.text()}${this.#random.once(2) ? `?${this.text()}` : ""}`,
      httpVersion: this.#random.pick(["1.1", "2.0", "", this.text()]),
      headers: this.#headers(),
    };
  }

  #operation(): OperationSummary {
    const random = this.#random;
    const maybe = <Name extends string>(name: Name, most?: number): Partial<Record<Name, string>> =>
      random.once(2) ? ({ [name]: this.text(most) } as Record<Name, string>) : {};
    return {
      name: random.once(12) ? this.text() : random.pick(OPERATIONS),
      ...maybe("project"),
      ...maybe("dataset"),
      ...maybe("table"),
      ...maybe("job"),
      ...maybe("location"),
      ...maybe("sql", 20_000),
      ...maybe("stream"),
      ...maybe("billingProject"),
      ...(random.once(4) && { sqlTruncated: true, sqlBytes: 10_000_000, sqlSha256: "0".repeat(64) }),
      ...(random.once(4) && { sqlTruncated: true }),
      ...(random.once(4) && { dryRun: true }),
      ...(random.once(4) && { columns: Array.from({ length: 1_000 }, () => this.text(40)) }),
      ...(random.once(4) && { upload: random.pick(["media", "chunk"] as const) }),
    };
  }

  #requested(exchange: string): ExchangeRequested {
    return {
      type: "exchange.requested",
      time: this.#time(),
      exchange,
      session: this.#sessionName(),
      user: this.text(),
      source: this.#source(),
      request: this.#head(),
      operation: this.#operation(),
      decision: { effect: this.#random.pick(["allow", "deny"]), rule: this.text(), reason: this.text() },
    };
  }

  #end(exchange: string) {
    const random = this.#random;
    return {
      time: this.#time(),
      exchange,
      ...(random.once(2) && { session: this.#sessionName() }),
      status: random.pick([0, 200, 400, 403, 407, 500, 503]),
      ...(random.once(4) && { grpcStatus: random.integer(17) }),
      answeredBy: random.pick(["upstream", "gateway"] as const),
      ...(random.once(2) && { error: { code: this.text(), message: this.text() } }),
      request: this.#body(),
      response: { ...this.#body(), headers: this.#headers() },
      phases: random.once(2) ? {} : { commit: random.integer(100) / 7, total: random.integer(10_000) / 7 },
      ...(random.once(2) && { credential: this.text() }),
    };
  }

  #body(): BodySummary {
    const random = this.#random;
    return {
      bytes: random.integer(1_000),
      chunks: random.integer(3),
      ...(!random.once(5) && { sha256: "ab".repeat(32) }),
    };
  }

  #completed(exchange: string): ExchangeCompleted {
    const outcome = this.#random.pick(["complete", "aborted"] as const);
    return { type: "exchange.completed", outcome, ...this.#end(exchange) };
  }

  #denied(exchange: string, refused: boolean): ExchangeDenied {
    const head = {
      ...(this.#random.once(2) && { user: this.text() }),
      source: this.#source(),
      request: this.#head(),
    };
    return {
      type: "exchange.denied",
      outcome: "denied",
      ...this.#end(exchange),
      ...(refused && { refused: head }),
    };
  }
}

/** So many exchanges of hostile making, in a few runs of a gateway. */
export function hostileJournal(random: Random, exchanges: number): MemoryJournal {
  const hostile = new Hostile(random);
  const journal = new MemoryJournal();
  for (let index = 0; index < exchanges; index++) {
    if (index % 100 === 0) journal.events(hostile.run());
    hostile.fill(journal);
  }
  return journal.events({ type: "gateway.stopped", time: 1, gateway: "run" });
}
