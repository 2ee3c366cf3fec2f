import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "../../support/temporary.ts";
import type { TestUpstream } from "../../support/upstream.ts";
import type { Side } from "./support.ts";

/** What a user of the library would register; each shows a defect that comes with it. */
export type StockHook = "swap-bearer" | "asynchronous-data" | "filter" | "two-in-order";

export interface StockOptions {
  /** Its authority and what it writes. */
  readonly directory: string;
  /** PEM, trusted upstream. */
  readonly ca: readonly string[];
  readonly hooks: readonly StockHook[];
  /** What `Math.random` always gives. */
  readonly random?: number;
}

export type StockOrder = "inspect" | "close";

export interface StockInspection {
  readonly type: "inspection";
  /** Every port that the process listens on. */
  readonly ports: readonly number[];
  readonly connections: number;
  /** Key pairs made by the thread that carries traffic. */
  readonly keysInPlace: number;
  /** Of the proxy's own sockets. */
  readonly timeout: number;
}

export type StockReport =
  | { readonly type: "ready"; readonly port: number; readonly ca: string }
  | { readonly type: "error"; readonly kind: string }
  | StockInspection;

export interface Stock extends Side {
  readonly directory: string;
  /** Resolves when it has printed that. */
  prints(pattern: RegExp): Promise<void>;
  /** Gives an order, and resolves with how things are after it. */
  tell(order: StockOrder): Promise<StockInspection>;
  /** Stops it in its tracks, or lets it go on: what comes in the meantime it finds all at once. */
  readonly hold: (held: boolean) => void;
  /** Resolves when it reports an error of that kind. */
  failed(kind: string): Promise<void>;
}

/** http-mitm-proxy's own `Proxy` in a process of its own, ended when the test ends. Its authority: the first upstream. */
export async function stock(
  test: TestContext,
  upstreams: readonly TestUpstream[],
  { directory = join(temporaryDirectory(), "ca"), hooks = [], random }: Partial<StockOptions> = {},
): Promise<Stock> {
  test.signal.throwIfAborted();
  const ca = upstreams.map(({ caFile }) => readFileSync(caFile, "utf8"));
  const options: StockOptions = { directory, ca, hooks, ...(random !== undefined && { random }) };
  const fixture = fileURLToPath(new URL("stock.fixture.ts", import.meta.url));
  const child = fork(fixture, [JSON.stringify(options)], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  test.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  });
  let printed = "";
  for (const output of [child.stdout, child.stderr]) {
    output?.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
  }
  const { port, ca: authority } = await reported(child, isReady, () => printed);
  return {
    port,
    ca: authority,
    authority: new URL(upstreams[0]?.url ?? "https://127.0.0.1:1").host,
    directory,
    async prints(pattern) {
      while (!pattern.test(printed)) await delay(20, undefined, { signal: test.signal });
    },
    hold: (held) => void child.kill(held ? "SIGSTOP" : "SIGCONT"),
    tell(order) {
      const inspection = reported(child, isInspection, () => printed);
      child.send(order);
      return inspection;
    },
    async failed(kind) {
      await reported(
        child,
        (report) => report.type === "error" && report.kind === kind,
        () => printed,
      );
    },
  };
}

type Ready = Extract<StockReport, { type: "ready" }>;

function isReady(report: StockReport): report is Ready {
  return report.type === "ready";
}

function isInspection(report: StockReport): report is StockInspection {
  return report.type === "inspection";
}

function reported<Report extends StockReport>(
  child: ChildProcess,
  wanted: ((report: StockReport) => report is Report) | ((report: StockReport) => boolean),
  printed: () => string,
): Promise<Report> {
  return new Promise((resolve, reject) => {
    const done = (): void => void child.off("message", look).off("exit", ended);
    const look = (report: StockReport): void => {
      if (!wanted(report)) return;
      done();
      resolve(report as Report);
    };
    const ended = (): void => {
      done();
      reject(new Error(`http-mitm-proxy ended: ${printed()}`));
    };
    child.on("message", look).on("exit", ended);
  });
}
