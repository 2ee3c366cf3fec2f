import { z } from "zod";

/** What one key of the configuration takes, of all the kinds that its section may be of. */
export interface KeyFacts {
  /** `*` in it is whichever item of a list. */
  readonly path: readonly string[];
  /** In words; a section's are empty, as its keys say it. */
  readonly values: string;
  readonly default?: unknown;
  readonly description?: string | undefined;
  /** Whether it has keys of its own. */
  readonly section: boolean;
  /** Whether a kind of its section cannot do without it. */
  readonly required: boolean;
}

interface Seen {
  readonly values: Set<string>;
  description: string | undefined;
  default: unknown;
  section: boolean;
  required: boolean;
}

/** Wrappers around what a key takes, as they were met on the way in. */
interface Around {
  readonly description?: string | undefined;
  readonly title?: string | undefined;
  readonly default?: unknown;
  readonly required?: boolean;
}

/** Every key of a schema, in its order; read from the schema itself, since JSON Schema has no defaults of what is transformed. */
export function schemaKeys(schema: z.core.$ZodType): KeyFacts[] {
  const keys = new Map<string, Seen>();
  visit(schema, [], {}, keys);
  return [...keys].map(([path, { values, ...seen }]) => ({
    path: path.split("."),
    values: [...values].join([...values].every((each) => each.startsWith("`")) ? ", " : " or "),
    ...seen,
  }));
}

function visit(
  schema: z.core.$ZodType,
  path: readonly string[],
  outer: Around,
  keys: Map<string, Seen>,
): void {
  const meta = z.globalRegistry.get(schema) ?? {};
  const around: Around = {
    ...outer,
    ...((outer.description ?? meta.description) !== undefined && {
      description: outer.description ?? meta.description,
    }),
    ...((outer.title ?? meta.title) !== undefined && { title: outer.title ?? meta.title }),
  };
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "optional":
    case "prefault":
      visit(def.innerType, path, { ...around, required: false }, keys);
      break;
    case "default":
      visit(def.innerType, path, { ...around, required: false, default: def.defaultValue }, keys);
      break;
    case "pipe":
      // A preprocessed value, and one that is transformed: what people write is on the side that is no transformation.
      visit(isTransform(def.in) ? def.out : def.in, path, around, keys);
      break;
    case "union":
      note(path, around, undefined, keys);
      for (const option of def.options) visit(option, path, inside(around), keys);
      break;
    case "array":
      note(path, around, listOf(def.element), keys);
      visit(def.element, [...path, "*"], {}, keys);
      break;
    case "object":
      note(path, around, undefined, keys, true);
      for (const [key, child] of Object.entries(def.shape))
        visit(child, [...path, key], { required: true }, keys);
      break;
    default:
      note(path, around, around.title ?? plain(schema), keys);
  }
}

/** Kinds of a union have the union's description only where they have none of their own. */
function inside({ title }: Around): Around {
  return title === undefined ? {} : { title };
}

function isTransform(schema: z.core.$ZodType): boolean {
  return (schema as z.core.$ZodTypes)._zod.def.type === "transform";
}

function note(
  path: readonly string[],
  { description, title, required = false, ...around }: Around,
  values: string | undefined,
  keys: Map<string, Seen>,
  section = false,
): void {
  if (path.length === 0) return;
  const name = path.join(".");
  const seen = keys.get(name) ?? {
    values: new Set<string>(),
    description,
    default: undefined,
    section,
    required,
  };
  const said = title ?? values;
  if (said !== undefined) seen.values.add(said);
  seen.description ??= description;
  seen.section ||= section;
  seen.required ||= required;
  if ("default" in around) seen.default ??= around.default;
  keys.set(name, seen);
}

function listOf(element: z.core.$ZodType): string | undefined {
  const { def } = (element as z.core.$ZodTypes)._zod;
  if (def.type === "object" || def.type === "union") return "list";
  return `list of ${z.globalRegistry.get(element)?.title ?? plain(element)}`;
}

/** What JSON Schema says of a value that has no title. */
function plain(schema: z.core.$ZodType): string {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  if (json.const !== undefined) return `\`${String(json.const)}\``;
  if (json.enum !== undefined) return json.enum.map((value) => `\`${String(value)}\``).join(", ");
  switch (json.type) {
    case "integer":
    case "number":
      return `${json.minimum ?? ""} to ${json.maximum ?? ""}`.trim() === "to" ? "number" : range(json);
    case "boolean":
      return "`true`, `false`";
    case "object":
      return "map";
    default:
      return "text";
  }
}

function range({ minimum, maximum }: { minimum?: number; maximum?: number }): string {
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  return bounded ? `${minimum} to ${maximum}` : `${minimum} and more`;
}
