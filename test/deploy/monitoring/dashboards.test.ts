import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { GRAFANA, type Panel, panelsOf, readDashboards } from "./dashboards.ts";
import { alerts, allRules, metricsIn, recordedIn, seriesNames } from "./rules.ts";

/* Without Grafana: what its schema (version 39, Grafana 10.4) asks of a dashboard, and what we ask of ours. */

const dashboards = readDashboards();

test("there are four dashboards, each with an id of its own", () => {
  const uids = dashboards.map(({ uid }) => uid).sort();
  assert.deepEqual(uids, ["bqtape-agents", "bqtape-latency", "bqtape-overview", "bqtape-recording"]);
});

for (const dashboard of dashboards) {
  const { file, panels, schemaVersion, templating } = dashboard;

  test(`${file}: panels have ids of their own, and none covers another`, () => {
    assert.equal(schemaVersion, 39);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const cells = panels.flatMap(cellsOf);
    assert.equal(new Set(cells).size, cells.length);
    for (const { gridPos } of panels) assert.ok(gridPos.x + gridPos.w <= 24);
  });

  test(`${file}: data source, gateways and runbooks are chosen by variables`, () => {
    const variables = templating.list.map(({ name, type }) => [name, type]);
    assert.deepEqual(variables, [
      ["datasource", "datasource"],
      ["instance", "query"],
      ["runbooks", "textbox"],
    ]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in.
    const chosen = { type: "prometheus", uid: "${datasource}" };
    for (const { datasource, targets = [] } of panelsOf(dashboard))
      for (const reference of [datasource, ...targets.map((target) => target.datasource)])
        assert.deepEqual(reference, chosen);
  });

  test(`${file}: each panel says what it shows, in which unit, and asks for it`, async () => {
    const known = await seriesNames();
    const recorded = new Set(allRules().flatMap((rule) => ("record" in rule ? [rule.record] : [])));
    for (const { title, description = "", fieldConfig, targets = [], type } of panelsOf(dashboard)) {
      assert.ok(description.length > 10 && fieldConfig?.defaults.unit !== undefined, title);
      const refs = targets.map(({ refId }) => refId);
      assert.ok(refs.length > 0 && new Set(refs).size === refs.length, title);
      for (const { expr, legendFormat } of targets) {
        assert.ok(legendFormat !== "" || type === "table", title);
        for (const name of metricsIn(expr)) assert.ok(known.has(name), `${name} in ${title}`);
        for (const name of recordedIn(expr)) assert.ok(recorded.has(name), `${name} in ${title}`);
      }
    }
  });

  test(`${file}: links lead to runbooks that are there`, () => {
    const names = new Set(alerts().map(({ alert }) => alert));
    for (const { links = [] } of panels) {
      for (const { title, url } of links) {
        const name = /^\$\{runbooks:raw\}\/(\w+)\.md$/.exec(url)?.[1] ?? "";
        assert.ok(names.has(name), url);
        assert.equal(title, `Runbook: ${name}`);
      }
    }
  });
}

test("each alert has a panel that leads to its runbook", () => {
  const linked = dashboards.flatMap(({ panels }) => panels.flatMap(({ links = [] }) => links));
  for (const { alert } of alerts())
    assert.ok(
      linked.some(({ title }) => title === `Runbook: ${alert}`),
      alert,
    );
});

test("latencies of exchanges lead to traces by their exemplars", () => {
  const targets = dashboards.flatMap((dashboard) =>
    panelsOf(dashboard).flatMap((panel) => panel.targets ?? []),
  );
  const shown = targets.filter(({ exemplar }) => exemplar === true).map(({ expr }) => expr);
  for (const name of ["bqtape_exchange_added_latency_seconds", "bqtape_exchange_duration_seconds"])
    assert.ok(shown.some((expr) => expr.includes(`${name}_bucket`)));
});

test("Grafana's provisioning names a data source of Prometheus, and where dashboards are", () => {
  const read = (file: string): unknown => parse(readFileSync(join(GRAFANA, "provisioning", file), "utf8"));
  const { datasources } = read("datasources/prometheus.yaml") as { datasources: { type: string }[] };
  assert.deepEqual(
    datasources.map(({ type }) => type),
    ["prometheus"],
  );
  const { providers } = read("dashboards/bqtape.yaml") as { providers: { type: string }[] };
  assert.deepEqual(
    providers.map(({ type }) => type),
    ["file"],
  );
});

function cellsOf({ gridPos: { x, y, w, h } }: Panel): readonly string[] {
  return Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`);
}
