import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";

/** The schemas that are shipped. */
export const SCHEMAS = join(import.meta.dirname, "../../../deploy/schemas");

export interface Schema {
  readonly $id: string;
  readonly properties?: Readonly<Record<string, Record<string, unknown>>>;
}

export function readSchemas(): Schema[] {
  return readdirSync(SCHEMAS)
    .filter((name) => name.endsWith(".schema.json"))
    .map((name) => JSON.parse(readFileSync(join(SCHEMAS, name), "utf8")) as Schema);
}

/** Says what is wrong with an event by the schema of its class; nothing, when it is one. */
export function eventValidator(): (event: Record<string, unknown>) => string | undefined {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, strictTypes: false });
  const schemas = readSchemas();
  for (const schema of schemas) ajv.addSchema(schema);
  const classes = schemas.filter(({ properties }) => properties !== undefined);
  return (event) => {
    const id = classes.find(({ properties }) => properties?.class_uid?.const === event.class_uid)?.$id;
    if (id === undefined) return `no schema for class ${String(event.class_uid)}`;
    const validate = ajv.getSchema(id);
    if (validate === undefined) return `schema ${id} cannot be used`;
    return validate(event) === true ? undefined : ajv.errorsText(validate.errors);
  };
}
