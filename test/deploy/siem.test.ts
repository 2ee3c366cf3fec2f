import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { schemaPaths } from "./schema-paths.ts";

const SIEM = join(import.meta.dirname, "../../deploy/siem");
const exists = schemaPaths();

function text(file: string): string {
  return readFileSync(join(SIEM, file), "utf8");
}

function json(file: string): unknown {
  return JSON.parse(text(file));
}

/** All that a pattern's first group finds. */
function found(source: string, pattern: RegExp): string[] {
  return [...source.matchAll(pattern)].map(([, group]) => group ?? "");
}

function assertFields(paths: readonly string[], atLeast: number): void {
  assert.equal(paths.length >= atLeast, true, `${paths.length} fields were found`);
  assert.deepEqual(
    paths.filter((path) => !exists(path)),
    [],
  );
}

test("a path that no event has is known as such", () => {
  assert.deepEqual(
    [
      "actor.user.name",
      "actor.user.groups.name",
      "unmapped.phases.total",
      "actor.usr",
      "nothing",
      "unmapped.no",
    ].map(exists),
    [true, true, true, false, false, false],
  );
});

test("Splunk's aliases and calculated fields are of fields that events have", () => {
  const props = text("splunk/props.conf");
  assertFields([...found(props, /^FIELDALIAS-\w+ = (\S+) AS /gm), ...found(props, /'([\w.]+)'/g)], 20);
});

test("Splunk takes an event's time from its record, whose timestamp it is", () => {
  const { config } = json("splunk/connector.json") as { config: Record<string, string> };
  assert.equal(config["splunk.hec.use.record.timestamp"], "true");
});

test("Elastic's pipeline copies fields that events have", () => {
  const { processors } = json("elastic/pipeline.json") as {
    processors: Record<string, { copy_from?: string }>[];
  };
  assertFields(
    processors.flatMap(({ set }) => (set?.copy_from === undefined ? [] : [set.copy_from])),
    20,
  );
});

test("Elastic's index template types fields that events have", () => {
  interface Mapping {
    readonly properties?: Readonly<Record<string, Mapping>>;
  }
  const { template } = json("elastic/index-template.json") as { template: { mappings: Mapping } };
  const paths = ({ properties = {} }: Mapping, prefix = ""): string[] =>
    Object.entries(properties).flatMap(([name, mapping]) =>
      mapping.properties === undefined ? [prefix + name] : paths(mapping, `${prefix}${name}.`),
    );
  assertFields(paths(template.mappings), 10);
});

test("Elastic's document id is the event's: the transforms lead to metadata.uid", () => {
  const { config } = json("elastic/connector.json") as { config: Record<string, string> };
  assert.equal(config["key.ignore"], "false");
  const path = (config.transforms ?? "")
    .split(",")
    .slice(1)
    .map((name) => config[`transforms.${name}.field`]);
  assert.equal(path.join("."), "metadata.uid");
  assert.equal(config["transforms.copy.fields"], path[0]);
});

test("Google SecOps' parser reads fields that events have", () => {
  const parser = text("google-secops/parser.conf");
  const merged = found(parser, /=> "(src_endpoint[\w.]*)"/g);
  assertFields(
    [...found(parser, /%\{([\w.]+)\}/g), ...merged, ...found(parser, /if \[(\w+)\] (?:==|in)/g)],
    15,
  );
});

test("Sentinel's stream declares attributes that events have, and its query reads no others", () => {
  const rule = json("sentinel/data-collection-rule.json") as {
    resources: {
      properties: {
        streamDeclarations: Record<string, { columns: { name: string }[] }>;
        dataFlows: { transformKql: string }[];
      };
    }[];
  };
  const { streamDeclarations, dataFlows } = rule.resources[0]?.properties ?? assert.fail("no rule");
  const declared = streamDeclarations["Custom-BqtapeEvents"]?.columns.map(({ name }) => name) ?? [];
  assertFields(declared, 20);
  const query = (dataFlows[0]?.transformKql ?? "").replaceAll(/\['(\w+)'\]/g, "$1");
  const read = found(query, /= (?:\w+\()?([a-z_]+(?:\.\w+)*)\)?(?:,| \||$)/g);
  assertFields(read, 30);
  assert.deepEqual(
    read.filter((path) => !declared.includes(path.split(".")[0] ?? "")),
    [],
  );
});

test("Sentinel's table has the columns that the query makes", () => {
  const { properties } = json("sentinel/table.json") as {
    properties: { schema: { columns: { name: string }[] } };
  };
  const rule = text("sentinel/data-collection-rule.json");
  const query = /"transformKql": "(.*)"/.exec(rule)?.[1] ?? "";
  assert.deepEqual(
    found(query.slice(query.indexOf("project ")), /(?:, |project )(\w+) =/g),
    properties.schema.columns.map(({ name }) => name),
  );
});

test("Vector maps fields that events have, and its own names are none of theirs", () => {
  const config = parse(text("vector/vector.yaml")) as {
    sources: { events: Record<string, string> };
    transforms: { once: { fields: { match: string[] } }; mapped: { source: string } };
  };
  const { mapped, once } = config.transforms;
  assertFields([...once.fields.match, ...found(mapped.source, /(?:= |timestamp!\()\.([a-z_.]+)/g)], 12);
  const own = [
    ...found(mapped.source, /^\.(\w+) =/gm),
    ...["headers_key", "key_field", "topic_key", "offset_key"].map((key) => config.sources.events[key] ?? ""),
  ];
  assert.deepEqual(own.filter(exists), []);
});
