/** A `bqtape` to run. */
export interface Program {
  readonly command: string;
  /** In front of bqtape's own. */
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: NodeJS.ProcessEnv;
}

/** The tree's own, run by the Node that runs the tests. */
export const FROM_TREE: Program = { command: process.execPath, args: ["src/main.ts"], env: process.env };
