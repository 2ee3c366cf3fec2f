/** A CPU profile as V8's inspector protocol has it (Profiler.Profile), as far as it is read. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples?: readonly number[];
  /** Microseconds between samples. */
  readonly timeDeltas?: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** Microseconds by name, most first. */
export type Ranking = readonly (readonly [name: string, micros: number])[];

export interface ProfileSummary {
  /** All that is not idle. */
  readonly busy: number;
  /** By function: in itself. */
  readonly self: Ranking;
  /** By function: in itself and in what it called, each moment once however deep it recurs. */
  readonly inclusive: Ranking;
  /** In itself, by the folder or package that the function is in. */
  readonly byPlace: Ranking;
}

const IDLE = "(idle)";

/** @param root what file names are shown relative to. */
export function summarize(profile: CpuProfile, root: string): ProfileSummary {
  const times = selfTimes(profile);
  const parents = new Map<number, number>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const self = new Map<string, number>();
  const inclusive = new Map<string, number>();
  const byPlace = new Map<string, number>();
  let busy = 0;
  for (const node of profile.nodes) {
    const micros = times.get(node.id) ?? 0;
    if (micros === 0 || node.callFrame.functionName === IDLE) continue;
    busy += micros;
    add(self, nameOf(node, root), micros);
    add(byPlace, placeOf(node, root), micros);
    for (const name of namesUpward(node, nodes, parents, root)) add(inclusive, name, micros);
  }
  return { busy, self: ranked(self), inclusive: ranked(inclusive), byPlace: ranked(byPlace) };
}

function selfTimes({ samples = [], timeDeltas = [] }: CpuProfile): Map<number, number> {
  const times = new Map<number, number>();
  // A delta is the time before its sample: what was seen lasts until the next one.
  for (const [index, id] of samples.entries()) add(times, id, timeDeltas[index + 1] ?? 0);
  return times;
}

function namesUpward(
  from: ProfileNode,
  nodes: ReadonlyMap<number, ProfileNode>,
  parents: ReadonlyMap<number, number>,
  root: string,
): Set<string> {
  const names = new Set<string>();
  for (let node: ProfileNode | undefined = from; node !== undefined; ) {
    if (node.callFrame.functionName !== "(root)") names.add(nameOf(node, root));
    const parent = parents.get(node.id);
    node = parent === undefined ? undefined : nodes.get(parent);
  }
  return names;
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode, root: string): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${shortened(url, root)}:${lineNumber + 1}`;
}

function placeOf({ callFrame: { functionName, url } }: ProfileNode, root: string): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "V8 and native";
  const path = shortened(url, root);
  const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  if (inPackage !== undefined) return inPackage;
  return path
    .split("/")
    .slice(0, path.startsWith("src/") ? 3 : 2)
    .join("/");
}

function shortened(url: string, root: string): string {
  return url
    .replace(/^file:\/\//, "")
    .replace(root, "")
    .replace(/^\//, "");
}

function ranked(times: ReadonlyMap<string, number>): Ranking {
  return [...times].sort(([, a], [, b]) => b - a);
}

function add<Key>(times: Map<Key, number>, key: Key, micros: number): void {
  times.set(key, (times.get(key) ?? 0) + micros);
}
