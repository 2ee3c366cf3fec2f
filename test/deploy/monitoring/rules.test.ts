import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse } from "yaml";
import { loadConfig } from "../../../src/config/load.ts";
import { FAILURE_CAUSES, OWN_FAILURES } from "../../../src/metrics/failures.ts";
import { partFor } from "../../clients/support/parts.ts";
import { alerts, allRules, metricsIn, PROMETHEUS, recordedIn, seriesNames } from "./rules.ts";

const TESTS = join(PROMETHEUS, "tests");
const RUNBOOKS = join(import.meta.dirname, "../../../docs/runbooks");

function promtool(t: TestContext, ...args: readonly string[]): void {
  const bin = partFor(t, "prometheus");
  if (bin === undefined) return;
  const { status, stdout, stderr } = spawnSync(join(bin, "promtool"), args, {
    encoding: "utf8",
    timeout: 50_000,
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

test("Prometheus takes the configuration, and the rules that it names", { timeout: 20_000 }, (t) => {
  promtool(t, "check", "config", join(PROMETHEUS, "prometheus.yml"));
});

for (const file of readdirSync(TESTS)) {
  test(`each scenario of ${file} fires the alerts that it lists, and no others`, { timeout: 60_000 }, (t) => {
    promtool(t, "test", "rules", join(TESTS, file));
  });
}

interface Scenario {
  readonly input_series: readonly { readonly series: string }[];
  readonly promql_expr_test: readonly {
    readonly expr: string;
    readonly exp_samples: readonly { readonly labels: string }[];
  }[];
}

test("for each alert there is a scenario in which it fires, and one about the same metrics in which it does not", () => {
  const scenarios = readdirSync(TESTS).flatMap(
    (file) => (parse(readFileSync(join(TESTS, file), "utf8")) as { tests: Scenario[] }).tests,
  );
  const checks = scenarios.flatMap(({ input_series, promql_expr_test }) =>
    promql_expr_test.map(({ expr, exp_samples }) => {
      assert.equal(expr, 'ALERTS{alertstate="firing"}');
      const fired = exp_samples.map(({ labels }) => /alertname="(\w+)"/.exec(labels)?.[1]);
      return { fired, series: input_series.map(({ series }) => series.split("{", 1)[0]) };
    }),
  );
  for (const { alert, expr } of alerts()) {
    const own = /\bup\{/.test(expr) ? new Set(["up"]) : metricsOf(expr);
    const fires = (check: (typeof checks)[number]): boolean => check.fired.includes(alert);
    const about = checks.filter(({ series }) => series.some((name) => name !== undefined && own.has(name)));
    assert.ok(about.some(fires), `${alert} never fires`);
    assert.ok(!about.every(fires), `${alert} always fires`);
  }
});

/** With those behind what rules record. */
function metricsOf(expression: string): ReadonlySet<string> {
  const recorded = recordedIn(expression);
  const behind = allRules().flatMap((rule) =>
    "record" in rule && recorded.has(rule.record) ? [...metricsIn(rule.expr)] : [],
  );
  return new Set([...metricsIn(expression), ...behind]);
}

test("each metric that rules name is one that a gateway has", async () => {
  const known = await seriesNames();
  const recorded = new Set(allRules().flatMap((rule) => ("record" in rule ? [rule.record] : [])));
  for (const { expr } of allRules()) {
    for (const name of metricsIn(expr)) assert.ok(known.has(name), `${name} in ${expr}`);
    for (const name of recordedIn(expr)) assert.ok(recorded.has(name), `${name} in ${expr}`);
  }
});

test("each alert says how urgent it is and has a runbook, and each runbook has an alert", () => {
  const runbooks = new Set(readdirSync(RUNBOOKS).map((file) => file.replace(/\.md$/, "")));
  for (const { alert, labels, annotations } of alerts()) {
    assert.match(labels.severity, /^(?:critical|warning)$/);
    assert.ok(annotations.summary !== "" && annotations.description !== "", alert);
    assert.equal(annotations.runbook_url, `https://bqtape.example/docs/runbooks/${alert}.md`);
    assert.ok(runbooks.delete(alert), `${alert} has no runbook`);
    const page = readFileSync(join(RUNBOOKS, `${alert}.md`), "utf8");
    assert.ok(page.startsWith(`# ${alert}\n\nSeverity ${labels.severity}: `), alert);
    for (const heading of ["Impact", "Look", "Mend"]) assert.match(page, new RegExp(`^## ${heading}$`, "m"));
  }
  assert.deepEqual([...runbooks], []);
});

test("what runbooks refer to is there: other pages, and metrics", async () => {
  const known = await seriesNames();
  for (const file of readdirSync(RUNBOOKS)) {
    const page = readFileSync(join(RUNBOOKS, file), "utf8");
    for (const [, link] of page.matchAll(/\]\(([^)#]+)[^)]*\)/g))
      assert.ok(existsSync(join(RUNBOOKS, link ?? "")), `${link} in ${file}`);
    for (const name of metricsIn(page.replaceAll(/bqtape_\([^)]*\)_/g, "")))
      assert.ok(known.has(name), `${name} in ${file}`);
  }
});

test("runbooks and the scrape ask where all that is shipped listens", async () => {
  const DEPLOY = join(PROMETHEUS, "..");
  const shipped = ["systemd/bqtape.yaml", "compose/bqtape.yaml"].map((file) => join(DEPLOY, file));
  const pages = readdirSync(RUNBOOKS).map((file) => readFileSync(join(RUNBOOKS, file), "utf8"));
  const asked = pages.flatMap((page) => [...page.matchAll(/http:\/\/127\.0\.0\.1:(\d+)(\/\w+)/g)]);
  assert.ok(asked.length > 0);
  const scraped = /targets: \["[\w.]+:(\d+)"\]/.exec(
    readFileSync(join(PROMETHEUS, "prometheus.yml"), "utf8"),
  );
  for (const file of shipped) {
    const { control, metrics } = await loadConfig({ file, environment: {} });
    const ports = { control: control.listen.port, metrics: metrics.listen?.port };
    for (const [url, port, path] of asked)
      assert.equal(Number(port), path === "/metrics" ? ports.metrics : ports.control, url);
    assert.equal(Number(scraped?.[1]), ports.metrics);
  }
});

test("docs/monitoring.md lists the alerts as they are, and each cause of failures", () => {
  const page = readFileSync(join(RUNBOOKS, "../monitoring.md"), "utf8");
  const [, after = ""] = page.split("## Alerts\n");
  const rows = after.split("\n").filter((line) => line.startsWith("| ["));
  const expected = alerts().map(
    ({ alert, labels, annotations, for: wait = "at once" }) =>
      `| [${alert}](runbooks/${alert}.md) | ${labels.severity} | ${wait} | ${annotations.summary} |`,
  );
  assert.deepEqual(rows, expected);
  const causes = [...page.matchAll(/^\| `(\w+)` \|.*\| (yes|no) \|$/gm)];
  assert.deepEqual(causes.map(([, cause]) => cause).sort(), [...FAILURE_CAUSES].sort());
  const own = causes.filter(([, , answer]) => answer === "yes").map(([, cause]) => cause);
  assert.deepEqual(own.sort(), [...OWN_FAILURES].sort());
});

test("the objective counts what the gateway answers for", () => {
  const own = `cause=~"${OWN_FAILURES.join("|")}"`;
  for (const rule of allRules())
    if ("record" in rule && rule.record.startsWith("job:bqtape_exchange_errors:"))
      assert.ok(rule.expr.includes(own), rule.record);
});
