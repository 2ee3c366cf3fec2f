import { READ_AT_START } from "../../src/commands/reload.ts";
import { variableName } from "../../src/config/environment.ts";
import { configSchema } from "../../src/config/schema.ts";
import { code, codes, GENERATED, page, table } from "./markdown.ts";
import { type KeyFacts, schemaKeys } from "./schema-keys.ts";

/** Keys that appear once as an item of a list, and once as the only item there is. */
const ONE_OR_LIST = ["identity", "oidc"];

/** `docs/reference/configuration.md` */
export function configurationPage(): string {
  const keys = documentedKeys();
  const undescribed = keys.filter(({ description }) => description === undefined);
  if (undescribed.length > 0)
    throw new Error(
      `without .describe() in src/config: ${undescribed.map(({ path }) => path.join(".")).join(", ")}`,
    );
  const sections = Map.groupBy(keys, ({ path }) => path[0] ?? "");
  return page(
    "# Configuration",
    GENERATED,
    introduction(keys),
    table(
      ["kind of value", "is written"],
      [
        ["size", `bytes, or with a unit: ${codes(["65536", "64KiB", "10GiB"])}`],
        ["length of time", codes(["500ms", "30s", "10m", "8h", "90d"])],
        ["age", `${codes(["30d", "8w", "7y"])}; a year has 365 days`],
        ["file, directory", "a path; a relative one in the file begins at the file's directory"],
        [
          "address",
          `${codes(["127.0.0.1:8080", "[::1]:8080"])}; of a listener, port 0 lets the system choose`,
        ],
        ["origin", `scheme, host and port: ${code("https://127.0.0.1:9443")}`],
        ["host", codes(["api.anthropic.com", "*.example.com", "example.com:8443"])],
        ["claim", `a claim's name, a path of names with dots, or a list of its steps`],
      ],
    ),
    ...[...sections].map(([name, own]) => section(name, own)),
  );
}

const introduction = (
  keys: readonly KeyFacts[],
): string => `\`bqtape serve --config FILE\` (or \`BQTAPE_CONFIG\`) reads a YAML file. An unknown key, a wrong type or a file that cannot be used is
one message that names the key, the value and the fix, and exit code 2.

Every key can come from the environment, which wins over the file; the variable's name stands below the key. Values are JSON
where they are JSON (\`8\`, \`true\`, \`["a"]\`, \`{"type":"none"}\`), else text. A variable that names a section replaces it whole; a more
precise one refines it. In a list (\`[]\`) items have no variables of their own: give the whole list.

The gateway takes the file anew on SIGHUP, and when the file, a file of the authority or a key file changes: ${codes(atOnce(keys))}
are in force at once, connections that are open go on. Everything else waits for the next start, and the log names the keys that wait. What cannot be
used is refused in the log, and the old configuration stays.

Only \`credential\`, and one of \`identity.oidc\` and \`identity.loopback: true\`, have to be set. Where a default is "required", its section,
or the kind of section that has the key, cannot do without it.`;

/** The keys, or whole sections, that a reload takes over: those that are not compared for the next start. */
function atOnce(keys: readonly KeyFacts[]): string[] {
  const waiting: readonly string[] = READ_AT_START;
  const names = keys.map(({ path }) => path.join("."));
  return names.filter((name) => {
    const [section = "", ...rest] = name.split(".");
    const isSplit = waiting.some((key) => key.startsWith(`${section}.`));
    return isSplit
      ? rest.length === 1 && !waiting.includes(name)
      : rest.length === 0 && !waiting.includes(name);
  });
}

/** Every key that has a place on the page: of one or a list, the one. Items of plain lists say nothing that the list does not. */
function documentedKeys(): KeyFacts[] {
  const isTwice = (path: readonly string[]): boolean =>
    path[2] === "*" && ONE_OR_LIST.every((step, at) => path[at] === step);
  return schemaKeys(configSchema).filter(({ path }) => path.at(-1) !== "*" && !isTwice(path));
}

function section(name: string, keys: readonly KeyFacts[]): string {
  const [own, ...rest] = keys;
  const rows = (rest.length > 0 ? rest : keys).map(row);
  const described =
    rest.length > 0 && own?.description !== undefined
      ? [`${sentence(own.description)} As a whole: ${code(variableName([name]))}.`]
      : [];
  return [`## ${name}`, ...described, table(["key", "value", "default", "what it says"], rows)].join("\n\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function row({ path, values, description = "", section: isSection, ...facts }: KeyFacts): string[] {
  const inList = path.includes("*");
  const name = code(path.join(".").replaceAll(".*", "[]"));
  const variable = inList ? "" : `<br>${code(variableName(path))}`;
  const said = isSection ? [values, "section"].filter((each) => each !== "").join(" or ") : values;
  const unsaid = facts.required && facts.default === undefined ? "required" : shown(values, facts.default);
  return [name + variable, said, unsaid, description];
}

const SIZES = ["TiB", "GiB", "MiB", "KiB"] as const;
const TIMES = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

/** A default as people would write it: the schema has it as it is used. */
function shown(values: string, value: unknown): string {
  if (value === undefined) return "";
  if (values === "size") {
    const at = SIZES.findIndex((_, index) => Number(value) % 1024 ** (4 - index) === 0);
    return code(at < 0 ? String(value) : `${Number(value) / 1024 ** (4 - at)}${SIZES[at]}`);
  }
  if (values === "length of time") {
    const [unit, milliseconds] = TIMES.find(([, each]) => Number(value) % each === 0) ?? ["ms", 1];
    return code(`${Number(value) / milliseconds}${unit}`);
  }
  if (values === "claim") return code((value as readonly string[]).join("."));
  if (isAddress(value)) return code(`${value.host}:${value.port}`);
  if (typeof value === "string" && value !== "") return code(value);
  return code(JSON.stringify(value));
}

function isAddress(value: unknown): value is { host: string; port: number } {
  return typeof value === "object" && value !== null && "host" in value && "port" in value;
}
