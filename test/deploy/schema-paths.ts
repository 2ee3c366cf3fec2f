import { readSchemas, type Schema } from "../delivery/records/schemas.ts";

interface Node {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: unknown;
  readonly items?: Node;
}

/** Says whether an attribute, by its dotted path, is one that some class of event has. */
export function schemaPaths(): (path: string) => boolean {
  const schemas = readSchemas() as (Schema & Node & { $defs?: Readonly<Record<string, Node>> })[];
  const objects = schemas.find(({ $defs }) => $defs !== undefined)?.$defs ?? {};
  const has = (node: Node | undefined, path: readonly string[]): boolean => {
    if (node === undefined) return false;
    const [name, ...rest] = path;
    if (name === undefined) return true;
    const target = node.$ref === undefined ? node : objects[node.$ref.slice(node.$ref.lastIndexOf("/") + 1)];
    if (target?.items !== undefined) return has(target.items, path);
    const property = target?.properties?.[name];
    if (property === undefined && typeof target?.additionalProperties === "object") return rest.length === 0;
    return has(property, rest);
  };
  const classes = schemas.filter(({ properties }) => properties !== undefined);
  return (path) => classes.some((schema) => has(schema, path.split(".")));
}
