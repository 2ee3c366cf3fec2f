import assert from "node:assert/strict";
import { test } from "node:test";
import { archiveSchema } from "../../src/config/archive.ts";

const DAY = 86_400_000;

function problemsOf(archive: unknown): string {
  const parsed = archiveSchema.safeParse(archive);
  return parsed.success ? "" : JSON.stringify(parsed.error.issues);
}

test("archive.retention is one age for everything, or ages for events and bodies", () => {
  assert.deepEqual(archiveSchema.parse({ retention: "8w" }).retention, {
    events: 56 * DAY,
    bodies: 56 * DAY,
    rules: [],
  });
  const retention = { events: "1y", bodies: "30d", rules: [{ group: "finance", events: "7y" }] };
  assert.deepEqual(archiveSchema.parse({ retention }).retention, {
    events: 365 * DAY,
    bodies: 30 * DAY,
    rules: [{ group: "finance", events: 7 * 365 * DAY }],
  });
  assert.equal(archiveSchema.parse({}).retention, undefined);
});

for (const [what, archive, expected] of [
  ["an age without a unit", { retention: "90" }, /30d, 8w or 7y/],
  ["an age of nothing", { retention: "0d" }, /30d, 8w or 7y/],
  ["hours", { retention: { events: "12h" } }, /30d, 8w or 7y/],
  ["bodies kept longer than events", { retention: { events: "30d", bodies: "60d" } }, /no more than events/],
  ["a rule for nobody", { retention: { rules: [{ events: "1y" }] } }, /one of group, user and rule/],
  ["a rule for two", { retention: { rules: [{ user: "a", group: "b" }] } }, /one of group, user and rule/],
  ["no key of Cloud KMS", { encryption: { kms: "my-key" } }, /projects\/P\/locations/],
] as const) {
  test(`${what} is refused, saying what is expected`, () => {
    assert.match(problemsOf(archive), expected);
  });
}
