import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadSessions } from "../../src/bigquery/storage-sessions.ts";
import { answerObserver } from "../../src/gateway/learn.ts";
import { MAX_EVENT_COLUMNS } from "../../src/recording/events.ts";
import { field, framed } from "../support/http2.ts";

const SESSION = "projects/p/locations/eu/sessions/s";

test("of a read session's columns no more is remembered than events have, and that there were more", () => {
  const readSessions = new ReadSessions();
  const columns = Array.from({ length: 1_000 }, (_, index) => `column_${index}`);
  const operation = { name: "storage.CreateReadSession", project: "p", dataset: "d", table: "t", columns };
  const observe = answerObserver({ readSessions }, { ...operation, body: "message" });
  observe?.(framed(field(1, SESSION)));
  const found = readSessions.table(SESSION);
  assert.deepEqual([found?.columns?.[0], found?.columnsTruncated], ["column_0", true]);
  assert.ok((found?.columns ?? []).join("").length <= MAX_EVENT_COLUMNS);
});
