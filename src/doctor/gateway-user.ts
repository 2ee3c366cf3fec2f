import { stat } from "node:fs/promises";
import { isExposed } from "../certificates/authority-files.ts";

/** A user that is not root, where it is not known which. */
export const SOMEBODY = 65_534;

/** The user that the gateway of a data directory runs as; `undefined` where users have no numbers (Windows). */
export async function gatewayUserOf(dataDir: string): Promise<number | undefined> {
  const self = process.getuid?.();
  if (self === undefined) return undefined;
  const owner = await stat(dataDir).then(
    ({ uid }) => uid,
    () => undefined,
  );
  return gatewayUser(self, owner);
}

/**
 * Root looks for somebody else: for who owns the data directory, and before the first start for a user that is not root, as
 * all that is shipped has one. Whoever else looks could not see for others.
 */
export function gatewayUser(self: number, owner: number | undefined): number {
  return self === 0 ? (owner ?? SOMEBODY) : self;
}

/** How to keep a secret file from others and leave it to the gateway; `undefined` when it is so. */
export function exposure(
  path: string,
  { mode, uid }: { readonly mode: number; readonly uid: number },
  user: number,
): string | undefined {
  if (!isExposed(mode, uid, user)) return undefined;
  if (uid === user) return `chmod 600 ${path}`;
  return uid === 0
    ? `chmod 640 ${path}, in a group that the gateway's user is in (or give it to that user, and chmod 600)`
    : `give it to the gateway's user, and chmod 600 ${path}`;
}
