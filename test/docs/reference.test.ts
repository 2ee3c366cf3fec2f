import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ARCHIVE_ERROR_CODES } from "../../src/archive/errors.ts";
import { PROBLEM_KINDS } from "../../src/archive/verify/problem.ts";
import { authorityErrorCodes } from "../../src/certificates/errors.ts";
import { configKeys, variableName } from "../../src/config/environment.ts";
import { configSchema } from "../../src/config/schema.ts";
import { API_ERROR_CODES } from "../../src/control/api-error.ts";
import { RECORD_ERROR_CODES } from "../../src/delivery/records/errors.ts";
import { EVENT_NAMES } from "../../src/delivery/records/headers.ts";
import { sinkErrorCodes } from "../../src/delivery/sink.ts";
import { REFUSAL_CODES } from "../../src/gateway/refusal-codes.ts";
import { IDENTITY_REASONS } from "../../src/identity/reasons.ts";
import { OVER_REASONS } from "../../src/identity/session-state.ts";
import { JOURNAL_ERROR_CODES } from "../../src/recording/errors.ts";
import { JOURNAL, REFUSALS, RULES, SESSION_OVER } from "./errors/agent.ts";
import { IDENTITY } from "./errors/identity.ts";
import { ARCHIVE, AUTHORITY, PROBLEMS, RECORDS, SINK } from "./errors/operator.ts";
import { API, EXITS } from "./errors/programs.ts";
import { EVENTS } from "./events.ts";
import { interfacesOf } from "./interfaces.ts";
import { PAGES } from "./pages.ts";
import { schemaKeys } from "./schema-keys.ts";

const read = (file: string): string => readFileSync(file, "utf8");
/** The text of every file below some folders of `src`, without the lists of codes themselves. */
function sourceOf(folders: string): string {
  const files = globSync(`src/${folders}/**/*.ts`).map(read);
  return files.join("\n").replaceAll(/^export const \w+ = \[[^\]]*\] as const;/gm, "");
}

for (const [file, make] of Object.entries(PAGES)) {
  test(`${file} is what the code says`, { timeout: 240_000 }, async () => {
    assert.equal(await make(), read(file), "npm run docs writes it anew");
  });
}

test("every key that the configuration takes is in its reference, with its variable", () => {
  const page = read("docs/reference/configuration.md");
  for (const path of configKeys()) {
    const named = path.join(".").replace(/^identity\.oidc\.\*/, "identity.oidc");
    // An item of a list that has no keys.
    if (named.endsWith("*")) continue;
    const heading = path.length === 1 && page.includes(`\n## ${named}\n`);
    assert.ok(heading || page.includes(`\`${named.replaceAll(".*", "[]")}\``), named);
    if (!path.includes("*")) assert.ok(page.includes(`\`${variableName(path)}\``), variableName(path));
  }
  assert.deepEqual(
    schemaKeys(configSchema)
      .map(({ path }) => path.join("."))
      .sort(),
    configKeys()
      .map((path) => path.join("."))
      .sort(),
  );
});

test("every metric that is declared is in its reference, and no other", () => {
  const declared = read("src/metrics/declarations.ts").matchAll(/name: "(bqtape_\w+)"/g);
  const told = read("docs/reference/metrics.md").matchAll(/^\| `(bqtape_\w+)`/gm);
  const names = [...declared].map(([, name]) => name).sort();
  assert.deepEqual([...told].map(([, name]) => name).sort(), names);
  assert.ok(names.length > 30, "the declarations are found");
});

test("every type of event that the code has is told of, with the members that it is recorded with", () => {
  assert.deepEqual(Object.keys(EVENTS).sort(), [...EVENT_NAMES].sort());
  const source = read("src/recording/events.ts");
  const [, union = ""] = /export type RecordedEvent =\n([\s\S]*?);/.exec(source) ?? [];
  const recorded = union.split("|").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]));
  const told = Object.values(EVENTS).flatMap(({ recordedAs }) => recordedAs ?? []);
  assert.deepEqual(told.sort(), recorded.sort());
  const interfaces = interfacesOf(source);
  for (const [name, { recordedAs }] of Object.entries(EVENTS)) {
    const type = interfaces.get(recordedAs ?? "")?.find((member) => member.name === "type");
    if (recordedAs !== undefined) assert.equal(type?.type, `"${name}"`);
  }
});

/** Each list of codes, what is told of them, and the folders whose code has to use each. */
const LISTS: readonly (readonly [
  what: string,
  codes: readonly string[],
  meanings: object,
  folders: string,
])[] = [
  ["refusal", REFUSAL_CODES, REFUSALS, "gateway"],
  ["reason to know nobody", IDENTITY_REASONS, IDENTITY, "{identity,gateway,control}"],
  ["end of a session", OVER_REASONS, SESSION_OVER, "{identity,control}"],
  ["error of the journal", JOURNAL_ERROR_CODES, JOURNAL, "{recording,gateway}"],
  ["error of the API", API_ERROR_CODES, API, "control"],
  ["error of Kafka", sinkErrorCodes, SINK, "delivery"],
  ["error of a record", RECORD_ERROR_CODES, RECORDS, "delivery"],
  ["error of the archive", ARCHIVE_ERROR_CODES, ARCHIVE, "{archive,commands}"],
  ["error of the authority", authorityErrorCodes, AUTHORITY, "certificates"],
  ["finding of verify", PROBLEM_KINDS, PROBLEMS, "archive"],
];

for (const [what, codes, meanings, folders] of LISTS) {
  test(`every ${what} is told of, and can happen`, () => {
    assert.deepEqual(Object.keys(meanings).sort(), [...codes].sort());
    const source = sourceOf(folders);
    const unused = codes.filter((code) => !source.includes(`"${code}"`));
    assert.deepEqual(unused, []);
  });
}

test("every rule that a decision can name is told of, and can be named", () => {
  const source = sourceOf("{policy,gateway}");
  const ruled = [...source.matchAll(/\brule: "([\w.]+)"/g)].map(([, rule]) => rule);
  const refused = [...source.matchAll(/"denied\.([\w.]+)"/g)].map(([, rule]) => rule);
  assert.deepEqual([...new Set([...ruled, ...refused])].sort(), Object.keys(RULES).sort());
});

test("every exit code that a command sets is told of", () => {
  const source = `${sourceOf("{commands,archive}")}\n${read("src/main.ts")}`;
  const set = [...source.matchAll(/process\.exitCode = (\d+)/g)].map(([, code = ""]) => code);
  const told = EXITS.flatMap(([codes]) => codes.split(", "));
  assert.ok(set.length > 2, "the codes are found");
  assert.deepEqual(
    set.filter((code) => !told.includes(code)),
    [],
  );
});
