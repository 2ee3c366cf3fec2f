import { userInfo } from "node:os";

/**
 * Who runs this process, as the system calls them; `uid-10001` where it has no name for them, as in a container that runs as
 * whatever user it is told.
 *
 * @param look default: the system's list of users, which throws for one that is not in it.
 */
export function localUser(look: () => { readonly username: string } = userInfo): string {
  try {
    return look().username;
  } catch {
    return `uid-${process.geteuid?.() ?? "unknown"}`;
  }
}
