import assert from "node:assert/strict";
import { test } from "node:test";
import { skewOf } from "../../src/doctor/clock.ts";
import { limitProcess } from "../support/time-limit.ts";
import { closedPort } from "../support/upstream.ts";
import { assertSound, assertTold, beforeUpstream, examined } from "./support.ts";

limitProcess(90_000);

const limit = { timeout: 30_000 };

/** A date that an upstream's answers have, some milliseconds off. */
function dated(off: () => number) {
  return (
    _request: unknown,
    response: { setHeader(name: string, value: string): void; end(text: string): void },
  ) => {
    response.setHeader("date", new Date(Date.now() + off()).toUTCString());
    response.end("{}");
  };
}

test(
  "a clock that agrees is told so; off by seconds is a warning, by minutes a failure",
  limit,
  async (t) => {
    let off = 0;
    const { config } = await beforeUpstream(
      t,
      dated(() => off),
    );
    const file = config();
    assertSound(await examined({ file }, "clock"));
    off = 20_000;
    const seconds = await examined({ file }, "clock");
    assertTold(seconds, "clock.skew", "warn", /the clock is (?:1\d|20)\.\d s behind https:/, /NTP/);
    off = -600_000;
    const minutes = await examined({ file }, "clock");
    assertTold(minutes, "clock.skew", "fail", /(?:9 m 5\d s|10 m 0 s) ahead of .*tokens are refused/, /NTP/);
  },
);

test("a clock that nothing can be compared with is a warning", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const overrides = { "bigquery.googleapis.com": `https://127.0.0.1:${await closedPort()}` };
  const reports = await examined({ file: config({ upstream: { overrides } }) }, "clock");
  assertTold(reports, "clock.skew", "warn", /not compared/, /upstream, idp/);
});

test("what a request took, and the second of a date, say nothing against a clock", () => {
  const date = 1_000_000;
  assert.equal(skewOf({ date, sent: date + 1_000, received: date + 9_000 }), 0);
  assert.equal(skewOf({ date, sent: date - 9_000, received: date }), 0);
  assert.equal(skewOf({ date, sent: date + 3_000, received: date + 4_000 }), 2_000);
  assert.equal(skewOf({ date, sent: date - 4_000, received: date - 3_000 }), -3_000);
  assert.equal(skewOf({ date: undefined, sent: date, received: date }), undefined);
});

/** A label that is too long for DNS (RFC 1035, section 2.3.4): whoever is asked for it asks nobody. */
const UNKNOWN = "x".repeat(64);

test("names that are not known are told with the key that has them", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const kafka = { brokers: [`${UNKNOWN}.broker:9092`] };
  const identity = { oidc: { issuer: `https://${UNKNOWN}.idp/realm`, audience: "bqtape" } };
  const reports = await examined({ file: config({ kafka, identity }) }, "dns");
  assertTold(reports, "dns.name", "fail", /^x+\.broker: its name is not known/, /kafka\.brokers/);
  assertTold(reports, "dns.name", "fail", /^x+\.idp: /, /identity\.oidc\.issuer/);
});

test("addresses need no name", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  assertSound(await examined({ file: config() }, "dns"));
});

test(
  "a proxy of the gateway's own environment that is the gateway would loop; another is not used",
  limit,
  async (t) => {
    const { config } = await beforeUpstream(t);
    const file = config({ proxy: { listen: "127.0.0.1:18080", advertise: "bqtape.example:3128" } });
    for (const url of [
      "http://a:b@127.0.0.1:18080",
      "http://localhost:18080",
      "http://bqtape.example:3128/",
    ]) {
      const loops = await examined({ file, environment: { HTTPS_PROXY: url } }, "dns");
      assertTold(loops, "dns.proxy", "warn", /the gateway itself/, /env -u HTTPS_PROXY/);
    }
    const other = await examined({ file, environment: { https_proxy: "http://proxy.example:3128" } }, "dns");
    assertTold(other, "dns.proxy", "ok", /set, and not used/);
  },
);
