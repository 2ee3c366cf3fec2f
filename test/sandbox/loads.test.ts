import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Bench, type Json } from "./support.ts";

const bench = Bench.forThisFile({ rows: 10 });

suite("a load job takes the rows that are uploaded with it", { timeout: 30_000 }, () => {
  test("all of them, under an id that can be had once", async () => {
    await table("whole");
    const first = await load("whole", ['{"n": 1, "tags": ["a", "b"]}', '{"n": "2"}'], { jobId: "load_once" });
    assert.equal(first.status, 200);
    assert.equal(first.body.configuration.jobType, "LOAD");
    assert.deepEqual(first.body.configuration.labels, { from: "test" });
    const job = await ended("load_once");
    assert.equal(job.status.errorResult, undefined);
    assert.equal(job.statistics.load.outputRows, "2");
    assert.deepEqual(await bench.rows("SELECT n, ARRAY_LENGTH(tags) FROM shop.whole ORDER BY n"), [
      ["1", "2"],
      ["2", "0"],
    ]);
    const again = await load("whole", ['{"n": 3}'], { jobId: "load_once" });
    assert.deepEqual([again.status, again.body.error.errors[0].reason], [409, "duplicate"]);
  });

  test("none, when one is not valid", async () => {
    await table("none");
    for (const [index, line] of ['{"n": "x"}', '{"m": 1}', '{"tags": []}', '{"n": 1', "[]"].entries()) {
      const jobId = `load_bad_${index}`;
      await load("none", ['{"n": 1}', line], { jobId });
      const { status } = await ended(jobId);
      assert.equal(status.errorResult.reason, "invalid", line);
      assert.match(status.errorResult.message, /JSON table encountered too many errors, giving up. Rows: 2/);
    }
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM shop.none"), [["0"]]);
  });

  test("into a table that there is, as the job's account", async () => {
    await load("nowhere", ['{"n": 1}'], { jobId: "load_nowhere" });
    const job = await ended("load_nowhere");
    assert.equal(job.status.errorResult.reason, "notFound");
    assert.match(job.user_email, /^bqtape@/);
    const { body } = await bench.call("GET", "/jobs?maxResults=1&projection=full");
    assert.equal(body.jobs[0].configuration.load.destinationTable.tableId, "nowhere");
  });

  test("by Google's client, as it sends them", async () => {
    await table("streamed");
    const stream = bench
      .client()
      .dataset("shop")
      .table("streamed")
      .createWriteStream({
        ...{ sourceFormat: "NEWLINE_DELIMITED_JSON", writeDisposition: "WRITE_APPEND" },
      });
    const done = new Promise((resolve, reject) => stream.on("complete", resolve).on("error", reject));
    stream.end('{"n": 5}\n');
    await done;
    assert.deepEqual(await bench.rows("SELECT n FROM shop.streamed"), [["5"]]);
  });

  test("what is no such upload is refused", async () => {
    const path = "/upload/bigquery/v2/projects/demo-project/jobs";
    const ask = async (query: string, type: string, body: string) => {
      const headers = { authorization: `Bearer ${bench.token}`, "content-type": type };
      return (await bench.ask(path + query, { method: "POST", headers, body })).status;
    };
    assert.equal(await ask("?uploadType=resumable", "application/json", "{}"), 501);
    assert.equal(await ask("?uploadType=multipart", "application/json", "{}"), 400);
    assert.equal(
      await ask("?uploadType=multipart", "multipart/related; boundary=x", "--x\r\n\r\n{}\r\n--x--"),
      400,
    );
  });
});

async function table(tableId: string): Promise<void> {
  const fields = [
    { name: "n", type: "INTEGER", mode: "REQUIRED" },
    { name: "tags", type: "STRING", mode: "REPEATED" },
  ];
  const tableReference = { projectId: "demo-project", datasetId: "shop", tableId };
  assert.equal(
    (await bench.call("POST", "/datasets/shop/tables", { tableReference, schema: { fields } })).status,
    200,
  );
}

async function load(tableId: string, lines: readonly string[], jobReference: object) {
  const resource = {
    jobReference,
    configuration: {
      labels: { from: "test" },
      load: {
        destinationTable: { projectId: "demo-project", datasetId: "shop", tableId },
        sourceFormat: "NEWLINE_DELIMITED_JSON",
        writeDisposition: "WRITE_APPEND",
      },
    },
  };
  const parts = [JSON.stringify(resource), lines.join("\n")].map(
    (part) => `--b\r\nContent-Type: x/y\r\n\r\n${part}\r\n`,
  );
  const reply = await bench.ask("/upload/bigquery/v2/projects/demo-project/jobs?uploadType=multipart", {
    method: "POST",
    headers: { authorization: `Bearer ${bench.token}`, "content-type": 'multipart/related; boundary="b"' },
    body: `${parts.join("")}--b--`,
  });
  return { status: reply.status, body: JSON.parse(reply.text) as Json };
}

async function ended(jobId: string): Promise<Json> {
  await bench.call("GET", `/queries/${jobId}?maxResults=0`);
  return (await bench.call("GET", `/jobs/${jobId}`)).body;
}
