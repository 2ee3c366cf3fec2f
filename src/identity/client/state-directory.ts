import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Where a person's sign-ins are kept: `$XDG_STATE_HOME/bqtape`, by default `~/.local/state/bqtape` (XDG Base Directory). */
export function stateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment.XDG_STATE_HOME;
  // The specification: a relative path is invalid, and to be ignored.
  const base = named !== undefined && isAbsolute(named) ? named : join(homedir(), ".local", "state");
  return join(base, "bqtape");
}
