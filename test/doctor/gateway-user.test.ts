import assert from "node:assert/strict";
import { test } from "node:test";
import { exposure, gatewayUser, SOMEBODY } from "../../src/doctor/gateway-user.ts";

const [ROOT, GATEWAY, OTHER] = [0, 10_001, 1_000];

test("root looks for who owns the data directory, and anybody else for themselves", () => {
  assert.equal(gatewayUser(ROOT, GATEWAY), GATEWAY);
  assert.equal(gatewayUser(ROOT, ROOT), ROOT);
  assert.equal(gatewayUser(OTHER, GATEWAY), OTHER);
});

test("before a data directory is there root looks for a user that is not root", () => {
  assert.equal(gatewayUser(ROOT, undefined), SOMEBODY);
});

test("no secret is called exposed as packages, Kubernetes and systemd hand it out", () => {
  for (const mode of [0o600, 0o400, 0o640, 0o440])
    assert.equal(exposure("key", { mode, uid: ROOT }, GATEWAY), undefined);
  assert.equal(exposure("key", { mode: 0o600, uid: GATEWAY }, GATEWAY), undefined);
});

test("no advice takes a secret from the gateway", () => {
  assert.equal(exposure("key", { mode: 0o640, uid: GATEWAY }, GATEWAY), "chmod 600 key");
  assert.match(exposure("key", { mode: 0o644, uid: ROOT }, GATEWAY) ?? "", /^chmod 640 key, in a group/);
  assert.match(exposure("key", { mode: 0o640, uid: OTHER }, GATEWAY) ?? "", /^give it to the gateway's user/);
});
