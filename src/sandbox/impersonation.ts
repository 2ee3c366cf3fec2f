import { z } from "zod";
import type { Access, AccessTokens } from "./access-tokens.ts";
import { parseBody } from "./api/bodies.ts";
import { ApiError, invalid, notImplemented } from "./errors.ts";

/** Scopes of which a token needs one to make others (IAM Credentials, "Authorization scopes"). */
export const IAM_SCOPES: readonly string[] = [
  "https://www.googleapis.com/auth/iam",
  "https://www.googleapis.com/auth/cloud-platform",
];

const METHOD = /^\/v1\/projects\/-\/serviceAccounts\/([^/:]+):generateAccessToken$/;

/** The longest lifetime, in seconds; Google's, where no policy says otherwise. */
const MAX_SECONDS = 3600;

const bodySchema = z.object({
  scope: z.array(z.string()).min(1),
  lifetime: z.string().optional(),
  delegates: z.array(z.string()).optional(),
});

/** The service account that a path of IAM Credentials' `generateAccessToken` names; `undefined` for any other path. */
export function impersonationTarget(path: string): string | undefined {
  const [, target] = METHOD.exec(path) ?? [];
  return target?.replace("%40", "@");
}

/**
 * IAM Credentials' `projects.serviceAccounts.generateAccessToken`: one account's token made by another, which may do so for
 * some accounts.
 */
export class Impersonation {
  readonly #tokens: AccessTokens;
  readonly #creator: string;
  readonly #accounts: ReadonlySet<string>;

  /** @param creator the account that may make tokens of `accounts` */
  constructor(tokens: AccessTokens, creator: string, accounts: readonly string[]) {
    this.#tokens = tokens;
    this.#creator = creator;
    this.#accounts = new Set(accounts);
  }

  /** @throws {ApiError} 403, 400, 501 */
  answer(caller: Access, target: string, body: unknown, now = Date.now()): object {
    if (caller.email !== this.#creator || !this.#accounts.has(target)) {
      const message =
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
      throw new ApiError(403, "accessDenied", message);
    }
    const { scope, lifetime = `${MAX_SECONDS}s`, delegates = [] } = parseBody(bodySchema, body);
    if (delegates.length > 0) throw notImplemented("delegates");
    const seconds = Number(/^(\d{1,6})s$/.exec(lifetime)?.[1]);
    if (!(seconds > 0 && seconds <= MAX_SECONDS)) throw invalid(`Invalid lifetime: ${lifetime}`, "lifetime");
    const expires = now + seconds * 1000;
    const accessToken = this.#tokens.give({ email: target, scopes: scope }, expires);
    return { accessToken, expireTime: new Date(expires).toISOString() };
  }
}
