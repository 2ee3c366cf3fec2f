import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { GatewayMeter } from "../../../src/metrics/gateway-meter.ts";
import { RelayMeter } from "../../../src/metrics/relay-meter.ts";

/* deploy/prometheus, read. */

export const PROMETHEUS = join(import.meta.dirname, "../../../deploy/prometheus");
export const RULES = join(PROMETHEUS, "rules/bqtape.yaml");

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    readonly runbook_url: string;
  };
}

export interface RuleFile {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly (RecordingRule | AlertRule)[];
  }[];
}

export function readRules(): RuleFile {
  return parse(readFileSync(RULES, "utf8")) as RuleFile;
}

export function allRules(): readonly (RecordingRule | AlertRule)[] {
  return readRules().groups.flatMap(({ rules }) => rules);
}

export function alerts(): readonly AlertRule[] {
  return allRules().filter((rule) => "alert" in rule);
}

/**
 * The same rules for a test that does not have hours: each waits for a second, and each window is ten seconds. What they compare,
 * and with what, stays.
 */
export function inSeconds({ groups }: RuleFile): RuleFile {
  const shorter = (rule: RecordingRule | AlertRule): RecordingRule | AlertRule => ({
    ...rule,
    expr: rule.expr.replaceAll(/\[\d+[smhd]\]/g, "[10s]").replaceAll(/offset \d+[smhd]/g, "offset 10s"),
    ...("for" in rule && { for: "1s" }),
  });
  return { groups: groups.map(({ name, rules }) => ({ name, rules: rules.map(shorter) })) };
}

/** What rules record: names with colons. */
const RECORDED = /\b[a-z]+:[a-z0-9_]+:[a-z0-9_]+/g;

/** The metrics, not those that rules record, that an expression names. */
export function metricsIn(expression: string): ReadonlySet<string> {
  return new Set(expression.replaceAll(RECORDED, "").match(/\b(?:bqtape|nodejs|process)_[a-z0-9_]+/g) ?? []);
}

/** What an expression names that rules record. */
export function recordedIn(expression: string): ReadonlySet<string> {
  return new Set(expression.match(RECORDED) ?? []);
}

/** Every name under which a gateway has series: a histogram has three. */
export async function seriesNames(): Promise<ReadonlySet<string>> {
  const gateway = new GatewayMeter({ delivery: true, archive: true, workers: true });
  const all = [
    ...(await gateway.registry.getMetricsAsJSON()),
    ...(await new RelayMeter().registry.getMetricsAsJSON()),
  ];
  const names = all.flatMap(({ name, type }) =>
    String(type) === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  return new Set(names);
}
