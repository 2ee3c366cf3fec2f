import type { Configuration } from "openid-client";
import { hasBrowser, openBrowser } from "./browser.ts";
import { codeLogin } from "./code-login.ts";
import { deviceLogin } from "./device-login.ts";
import { discoverIssuer, type LoginClient } from "./issuer.ts";
import type { Login, LoginStore } from "./login-store.ts";

export interface LoginOptions {
  readonly store: LoginStore;
  /** The gateway's origin: it alone is shown what is gained. */
  readonly gateway: string;
  readonly client: LoginClient;
  /** With a browser on another machine. Default: where there is none here. */
  readonly device?: boolean | undefined;
  /** Told what the person has to do. */
  readonly say: (text: string) => void;
}

/** Signs a person in, and keeps what that gives. */
export async function login({
  store,
  gateway,
  client: asked,
  device = !hasBrowser(),
  say,
}: LoginOptions): Promise<Login> {
  const configuration = await discoverIssuer(asked);
  const client = { ...asked, scope: lasting(asked.scope, configuration) };
  const gained = device
    ? await deviceLogin(configuration, client, ({ url, code }) => {
        say(
          `To sign in, open this on any machine with a browser:\n\n  ${url}\n\nand enter the code ${code}\n\n`,
        );
      })
    : await codeLogin(configuration, client, (url) => {
        say(`Your browser opens to sign you in. If it does not, open this on this machine:\n\n  ${url}\n\n`);
        openBrowser(url);
      });
  await store.exclusive(() => store.put(gateway, gained));
  return gained;
}

/** With the scope for a refresh token, where the provider has it (OpenID Connect Core 1.0, section 11). */
function lasting(scope: string, configuration: Configuration): string {
  const offered = configuration.serverMetadata().scopes_supported ?? [];
  if (!offered.includes("offline_access") || scope.split(" ").includes("offline_access")) return scope;
  return `${scope} offline_access`;
}
