import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { configSchema } from "../../src/config/schema.ts";
import { SessionService } from "../../src/control/session-service.ts";
import { SessionLedger } from "../../src/identity/session-ledger.ts";
import type { SessionState } from "../../src/identity/session-state.ts";
import type { SessionTokens } from "../../src/identity/session-token.ts";
import { NOTHING_DONE } from "../../src/recording/session-counts.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const HOUR = 3_600_000;
const caller = { source: { address: "127.0.0.1", port: 40_000 } };

/** What one session's token says, however old it is. */
function token(startedAt: number): { readonly session: SessionState } {
  return {
    session: {
      ...({ id: "o-1", state: "active", issuer: "https://idp.example", subject: "u-1" } as const),
      ...{ user: "ann@example.com", groups: [], startedAt, expiresAt: startedAt + HOUR },
    },
  };
}

async function serviceOf(t: TestContext) {
  const recorded: string[] = [];
  const ledger = await SessionLedger.open({
    ...{ file: join(temporaryDirectory(), "sessions.ndjson"), idle: HOUR },
    ...{ onChange: () => undefined, onOver: () => undefined, onError: assert.ifError },
  });
  t.after(() => ledger.close());
  const { identity } = configSchema.parse({ credential: { type: "application-default" } });
  const service = new SessionService({
    ...{ identity, ledger, tokens: {} as SessionTokens, onError: assert.ifError },
    record: async ({ type }) => void recorded.push(type),
    count: async () => NOTHING_DONE,
  });
  return { service, recorded };
}

test("a session is ended once, however often it is asked for", async (t) => {
  const { service, recorded } = await serviceOf(t);
  const who = token(Date.now());
  await Promise.all([service.end(who, "o-1", caller), service.end(who, "o-1", caller)]);
  await service.end(who, "o-1", caller);
  assert.deepEqual(recorded, ["session.ended"]);
});

test("the token of a session that is long over and forgotten does not end it again", async (t) => {
  const { service, recorded } = await serviceOf(t);
  const { session } = await service.end(token(Date.now() - 3 * HOUR), "o-1", caller);
  assert.deepEqual([session.state, session.because], ["ended", "expired"]);
  assert.deepEqual(recorded, []);
});
