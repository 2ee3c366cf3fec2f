/** The value of a Content-Type header (RFC 9110, section 8.3.1). */
export interface MediaType {
  /** Type and subtype, in lower case. */
  readonly type: string;
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~\\w-]+";
const TYPE = new RegExp(`^${TOKEN}/${TOKEN}`);
// Without quoted pairs: no client has need of them, and readers that do not know them see another end of the string.
const QUOTED = '"([\\t !#-[\\]-~\\x80-\\xff]*)"';
/** One of `parameters` (RFC 9110, section 5.6.6); the parameter itself may be missing. */
const PARAMETER = new RegExp(`[ \\t]*;[ \\t]*(?:(${TOKEN})=(?:(${TOKEN})|${QUOTED}))?`, "y");

/** Reads a media type; `undefined` of what is none, or has a parameter twice. */
export function parseMediaType(value: string): MediaType | undefined {
  const [type] = TYPE.exec(value) ?? [];
  if (type === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (let at = type.length; at < value.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(value);
    if (found === null) return undefined;
    const [, name, token, quoted] = found;
    if (name === undefined) continue;
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), token ?? quoted ?? "");
  }
  return { type: type.toLowerCase(), parameters };
}
