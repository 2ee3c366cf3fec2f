import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import { partFor } from "../../clients/support/parts.ts";
import { freePorts } from "../../kafka/ports.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import type { RuleFile } from "./rules.ts";

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** How a rule fared the last time. */
export interface RuleHealth {
  readonly name: string;
  readonly health: "ok" | "err" | "unknown";
  readonly lastError?: string;
}

/** A Prometheus that scrapes gateways once a second. */
export interface RunningPrometheus {
  /** @throws what Prometheus says of a query that it does not take. */
  query(expression: string): Promise<readonly Sample[]>;
  exemplars(selector: string): Promise<readonly unknown[]>;
  rules(): Promise<readonly RuleHealth[]>;
  /** Alerts that fire now, as `name` or `name/instance`. */
  firing(): Promise<ReadonlySet<string>>;
}

/** Milliseconds from start to its first answer. */
const START_LIMIT = 20_000;

/**
 * Starts Prometheus for a test, on a port of its own; ended with the test. Where it is not to be had the test is skipped, or
 * fails with CI=true, and the answer is `undefined`.
 *
 * @param targets metrics' addresses, by what `instance` says of them.
 */
export async function startPrometheus(
  test: TestContext,
  targets: Readonly<Record<string, number>>,
  rules: RuleFile,
): Promise<RunningPrometheus | undefined> {
  const bin = partFor(test, "prometheus");
  if (bin === undefined) return undefined;
  const directory = temporaryDirectory();
  const [port = 0] = await freePorts(1);
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: ["rules.yaml"],
    scrape_configs: [
      {
        job_name: "bqtape",
        static_configs: Object.entries(targets).map(([instance, target]) => ({
          targets: [`127.0.0.1:${target}`],
          labels: { instance },
        })),
      },
    ],
  };
  writeFileSync(join(directory, "prometheus.yml"), stringify(config));
  writeFileSync(join(directory, "rules.yaml"), stringify(rules));
  const child = spawn(
    join(bin, "prometheus"),
    [
      `--config.file=${join(directory, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--enable-feature=exemplar-storage",
      "--log.level=error",
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const ended = once(child, "exit");
  test.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const api = async (path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> => {
    const query = new URLSearchParams(parameters);
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${query}`);
    const body = (await answer.json()) as { status: string; error?: string; data: unknown };
    assert.equal(body.status, "success", `${body.error}: ${parameters.query}`);
    return body.data;
  };
  await answering(`http://127.0.0.1:${port}/-/ready`, () => child.exitCode === null);
  const query: RunningPrometheus["query"] = async (expression) => {
    const data = (await api("query", { query: expression })) as {
      result: readonly { metric: Record<string, string>; value: readonly [number, string] }[];
    };
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  };
  return {
    query,
    async exemplars(selector) {
      const now = Date.now() / 1_000;
      const span = { query: selector, start: String(now - 600), end: String(now + 10) };
      return (await api("query_exemplars", span)) as readonly unknown[];
    },
    async rules() {
      const { groups } = (await api("rules")) as {
        groups: readonly { readonly rules: readonly RuleHealth[] }[];
      };
      return groups.flatMap((group) => group.rules);
    },
    async firing() {
      const samples = await query('ALERTS{alertstate="firing"}');
      return new Set(
        samples.map(({ metric: { alertname, instance } }) =>
          instance === undefined ? `${alertname}` : `${alertname}/${instance}`,
        ),
      );
    },
  };
}

async function answering(url: string, runs: () => boolean): Promise<void> {
  for (const deadline = performance.now() + START_LIMIT; ; await delay(100)) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    assert.ok(performance.now() < deadline && runs(), "Prometheus does not start");
  }
}
