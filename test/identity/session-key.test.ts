import assert from "node:assert/strict";
import { test } from "node:test";
import { TOKEN_HOST } from "../../src/bigquery/hosts.ts";
import { ask } from "../support/gateway.ts";
import { SessionKey, tokenForm } from "../support/session-key.ts";
import { identityGateway } from "./gateway.ts";

const OPTIONS = { timeout: 30_000 } as const;
const PROJECTS = "/bigquery/v2/projects";

test(
  "a session that is opened with a public key takes that key's placeholders, and no other session's",
  OPTIONS,
  async (t) => {
    const { issuer, gateway, api } = await identityGateway(t);
    const target = { port: gateway.proxy.port, ca: gateway.ca };
    const open = async () => {
      const key = new SessionKey("not known yet");
      const publicKey = String(key.publicKey.export({ type: "spki", format: "pem" }));
      const { body } = await api("POST", "sessions", { token: await issuer.token(), body: { publicKey } });
      const email: string = body.placeholder.client_email;
      return {
        id: body.session.id as string,
        session: body.token as string,
        jwt: () => key.jwt({ iss: email, sub: email }),
        assertion: () => key.assertion({ iss: email }),
      };
    };
    const [mine, theirs] = [await open(), await open()];
    const answer = await ask(target, {
      host: TOKEN_HOST,
      path: "/token",
      body: tokenForm(mine.assertion()),
      session: mine.session,
    });
    const { access_token } = JSON.parse(answer.body.toString()) as Record<string, string>;
    const show = async (session: string, credential = "") =>
      (await ask(target, { path: PROJECTS, session, headers: { authorization: `Bearer ${credential}` } }))
        .status;
    assert.deepEqual(
      [await show(mine.session, access_token), await show(mine.session, mine.jwt())],
      [200, 200],
    );
    for (const credential of [access_token, mine.jwt()])
      assert.equal(await show(theirs.session, credential), 403);
    assert.deepEqual(
      (await gateway.exchanges())
        .filter(({ outcome }) => outcome === "denied")
        .map(({ session, error }) => [session, error?.code]),
      [
        [theirs.id, "credential.mismatch"],
        [theirs.id, "credential.mismatch"],
      ],
    );
  },
);
