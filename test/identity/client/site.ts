import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { decodeJwt } from "jose";
import type { z } from "zod";
import type { configSchema } from "../../../src/config/schema.ts";
import { LoginStore } from "../../../src/identity/client/login-store.ts";
import { type Sandbox, startSandbox } from "../../../src/sandbox/sandbox.ts";
import { bqtape } from "../../support/command.ts";
import { testConfig } from "../../support/gateway.ts";
import { type Served, serve } from "../../support/serve.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { codeFlow } from "../provider/sign-in.ts";
import { ADA, AUDIENCE, CLIENT_ID, ORCHESTRATOR, startProvider, type TestProvider } from "../provider.ts";
import { type Program, start } from "./program.ts";

type Identity = NonNullable<z.input<typeof configSchema>["identity"]>;

/** A gateway in a process of its own before the sandbox, an OpenID provider, and the home of a person. */
export interface Site {
  readonly provider: TestProvider;
  readonly sandbox: Sandbox;
  readonly gateway: Served;
  /** The control listener. */
  readonly url: string;
  /** The gateway's, which is no business of the person's machine. */
  readonly config: string;
  /** `XDG_STATE_HOME`. */
  readonly state: string;
  /** Starts `bqtape ARGUMENTS` as that person. */
  start(args: readonly string[], env?: Readonly<Record<string, string | undefined>>): Program;
  /** Runs it to its end, which must be a good one; answers its standard output. */
  run(args: readonly string[], env?: Readonly<Record<string, string | undefined>>): Promise<string>;
  /** Signs Ada in, as `bqtape login` does. */
  signIn(): Promise<void>;
  /** What `bqtape sessions --json` or another command for auditors prints. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came.
  audit(args: readonly string[]): Promise<any>;
}

export async function startSite(t: TestContext, identity: Omit<Identity, "oidc"> = {}): Promise<Site> {
  const directory = temporaryDirectory();
  const provider = await startProvider(t);
  const sandbox = await startSandbox({ directory: join(directory, "sandbox"), rows: 300 });
  t.after(() => sandbox.close());
  const config = join(directory, "bqtape.yaml");
  const oidc = {
    ...{ issuer: provider.issuer, audience: AUDIENCE, clientId: CLIENT_ID },
    authorizedParties: [AUDIENCE, CLIENT_ID, ORCHESTRATOR.clientId],
  };
  const session = { keyFile: join(directory, "certs", "session.key"), ...identity.session };
  writeFileSync(
    config,
    JSON.stringify(testConfig(directory, sandbox, { identity: { ...identity, oidc, session } })),
  );
  const gateway = await serve(t, config);
  const url = `http://127.0.0.1:${gateway.controlPort}`;
  const state = temporaryDirectory();
  const begin: Site["start"] = (args, env = {}) =>
    start(t, args, { env: { BQTAPE_GATEWAY: url, XDG_STATE_HOME: state, ...env } });
  return {
    ...{ provider, sandbox, gateway, url, config, state },
    start: begin,
    async run(args, env) {
      const program = begin(args, env);
      const code = await program.end();
      if (code !== 0) throw new Error(`bqtape ${args.join(" ")} ended with ${code}: ${program.stderr}`);
      return program.stdout;
    },
    async signIn() {
      const tokens = await codeFlow(provider.issuer, CLIENT_ID, ADA.email);
      const { iat: issuedAt = 0, exp: expiresAt = 0 } = decodeJwt(tokens.id_token);
      const store = new LoginStore(join(state, "bqtape"));
      await store.exclusive(() =>
        store.put(url, {
          ...{ issuer: provider.issuer, clientId: CLIENT_ID, scope: "openid email profile offline_access" },
          ...{ idToken: tokens.id_token, refreshToken: tokens.refresh_token ?? "", issuedAt, expiresAt },
        }),
      );
    },
    async audit(args) {
      const { code, stdout, stderr } = await bqtape([...args, "--config", config, "--json"]);
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(stdout);
    },
  };
}

/** A file's text, whatever made it. */
export function textOf(...path: string[]): string {
  return readFileSync(join(...path), "utf8");
}
