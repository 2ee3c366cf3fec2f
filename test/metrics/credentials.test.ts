import assert from "node:assert/strict";
import { test } from "node:test";
import { showCredentials } from "../../src/commands/relay-metrics.ts";
import type { TokenState } from "../../src/credentials/credential.ts";
import { RelayMeter } from "../../src/metrics/relay-meter.ts";

async function shown(state: TokenState): Promise<string> {
  const { metrics, registry } = new RelayMeter();
  showCredentials(metrics, [{ name: "sa", state }]);
  return await registry.metrics();
}

const COUNTS = { fetched: 2, failed: 1 };

test("when a token ends is told while it is good", async () => {
  const expiresAt = Date.now() + 60_000;
  const text = await shown({ expiresAt, ...COUNTS });
  const [, told] =
    /^bqtape_credential_token_expiry_timestamp_seconds\{credential="sa"\} (\S+)$/m.exec(text) ?? [];
  assert.equal(Number(told), expiresAt / 1_000);
});

test("of a token that ended, and that nobody needed since, no end is told; what was fetched is", async () => {
  const text = await shown({ expiresAt: Date.now() - 10_800_000, ...COUNTS });
  assert.doesNotMatch(text, /^bqtape_credential_token_expiry_timestamp_seconds\{/m);
  assert.match(text, /^bqtape_credential_token_fetches_total\{credential="sa",result="failed"\} 1$/m);
});
