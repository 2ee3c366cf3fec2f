import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/* deploy/grafana, read. */

export const GRAFANA = join(import.meta.dirname, "../../../deploy/grafana");

export interface Reference {
  readonly type: string;
  readonly uid: string;
}

export interface Target {
  readonly refId: string;
  readonly datasource: Reference;
  readonly expr: string;
  readonly legendFormat: string;
  readonly exemplar?: boolean;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: Reference;
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] };
    };
  };
  readonly targets?: readonly Target[];
  readonly links?: readonly { readonly title: string; readonly url: string }[];
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly panels: readonly Panel[];
}

export function readDashboards(): readonly Dashboard[] {
  const folder = join(GRAFANA, "dashboards");
  return readdirSync(folder).map((file) => ({
    ...(JSON.parse(readFileSync(join(folder, file), "utf8")) as Omit<Dashboard, "file">),
    file,
  }));
}

/** Panels that show data: not the headings of rows. */
export function panelsOf({ panels }: Dashboard): readonly Panel[] {
  return panels.filter(({ type }) => type !== "row");
}

/** A panel's query as Grafana sends it, all gateways chosen. */
export function asSent({ expr }: Target, rateInterval: string, range: string): string {
  return expr
    .replaceAll("$instance", ".*")
    .replaceAll("$__rate_interval", rateInterval)
    .replaceAll("$__range", range);
}
