/** A member of an interface, as its source has it. */
export interface Member {
  readonly name: string;
  readonly optional: boolean;
  /** On one line, without `readonly`. */
  readonly type: string;
  /** The comment in front of it, on one line; absent when there is none. */
  readonly comment?: string;
}

interface Declaration {
  readonly extends: readonly string[];
  readonly members: readonly Member[];
}

const DECLARATION =
  /^(?:export )?interface (\w+)(?: extends ([\w, ]+))? \{\n([\s\S]*?)^\}|^(?:export )?interface (\w+) \{\}/gm;
const MEMBER = /\s*(?:\/\*\*([\s\S]*?)\*\/)?\s*readonly (\w+)(\??): /y;

/**
 * The interfaces of a file, by name, with the members that they inherit within it: read from its text, which is laid out by a
 * formatter, so that comments are at hand.
 */
export function interfacesOf(source: string): ReadonlyMap<string, readonly Member[]> {
  const declared = new Map<string, Declaration>();
  for (const [, name = "", bases = "", body = ""] of source.matchAll(DECLARATION)) {
    declared.set(name, { extends: bases === "" ? [] : bases.split(", "), members: membersOf(body) });
  }
  const all = (name: string): readonly Member[] => {
    const declaration = declared.get(name);
    if (declaration === undefined) return [];
    const own = new Map(declaration.members.map((member) => [member.name, member]));
    const inherited = declaration.extends.flatMap(all).filter(({ name: each }) => !own.has(each));
    return [...own.values(), ...inherited];
  };
  return new Map([...declared.keys()].map((name) => [name, all(name)]));
}

function membersOf(body: string): Member[] {
  const members: Member[] = [];
  for (MEMBER.lastIndex = 0; ; ) {
    const [matched, comment, name = "", mark] = MEMBER.exec(body) ?? [];
    if (matched === undefined) return members;
    const end = endOfType(body, MEMBER.lastIndex);
    const type = body.slice(MEMBER.lastIndex, end).replaceAll("readonly ", "");
    members.push({
      name,
      optional: mark === "?",
      type: oneLine(type),
      ...(comment !== undefined && { comment: oneLine(comment.replaceAll(/\n\s*\*/g, " ")) }),
    });
    MEMBER.lastIndex = end + 1;
  }
}

/** Where the semicolon is that ends a type. */
function endOfType(body: string, from: number): number {
  let depth = 0;
  for (let at = from; at < body.length; at += 1) {
    const letter = body[at] ?? "";
    if ("{([<".includes(letter)) depth += 1;
    else if ("})]>".includes(letter)) depth -= 1;
    else if (letter === ";" && depth === 0) return at;
  }
  throw new SyntaxError("a member without an end");
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
