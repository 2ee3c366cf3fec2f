import { BLOCK } from "../wire.ts";

const ROW = '{"f":[{"v":"2026-01-31T12:00:00Z"},{"v":"a customer\'s name"},{"v":"1234567.89"},{"v":"true"}]}';

/** Bytes of the answer to a small query. */
const SMALL = 2048;

/** What `jobs.query` answers for a handful of rows, 2 KiB long. */
export function smallAnswer(): Buffer {
  const fields = ["at", "name", "amount", "active"].map((name) => ({
    name,
    type: "STRING",
    mode: "NULLABLE",
  }));
  const answer = {
    kind: "bigquery#queryResponse",
    schema: { fields },
    jobReference: { projectId: "p", jobId: "job_0123456789abcdefghijklmnop", location: "EU" },
    totalRows: "12",
    rows: Array.from({ length: 12 }, () => JSON.parse(ROW) as object),
    totalBytesProcessed: "1048576",
    jobComplete: true,
    cacheHit: false,
    etag: "",
  };
  answer.etag = "e".repeat(SMALL - Buffer.byteLength(JSON.stringify(answer)));
  return Buffer.from(JSON.stringify(answer));
}

const HEAD = Buffer.from('{"kind":"bigquery#tableDataList","totalRows":"1","rows":[');
const TAIL = Buffer.from(`${ROW}]}`);
const ROWS = Buffer.from(`${ROW},`.repeat(Math.floor(BLOCK / (ROW.length + 1))));

/** What `tabledata.list` answers, exactly `bytes` long and well-formed JSON. */
export function* rowsAnswer(bytes: number): Generator<Buffer> {
  yield HEAD;
  let left = bytes - HEAD.length - TAIL.length;
  for (; left >= ROWS.length; left -= ROWS.length) yield ROWS;
  yield Buffer.concat([Buffer.alloc(Math.max(0, left), " "), TAIL]);
}

const BOUNDARY = "part-0123456789";
const MEDIA_HEAD = Buffer.from(
  [
    `--${BOUNDARY}`,
    "Content-Type: application/json; charset=UTF-8",
    "",
    JSON.stringify({
      configuration: {
        load: {
          destinationTable: { projectId: "p", datasetId: "d", tableId: "t" },
          sourceFormat: "NEWLINE_DELIMITED_JSON",
        },
      },
    }),
    `--${BOUNDARY}`,
    "Content-Type: application/octet-stream",
    "",
    "",
  ].join("\r\n"),
);
const MEDIA_TAIL = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
const MEDIA = Buffer.from('{"name":"a customer\'s name","amount":1234567.89}\n'.repeat(5000));

export const UPLOAD_TYPE = `multipart/related; boundary=${BOUNDARY}`;

/** A load job's multipart body, exactly `bytes` long. */
export function* uploadBody(bytes: number): Generator<Buffer> {
  yield MEDIA_HEAD;
  let left = bytes - MEDIA_HEAD.length - MEDIA_TAIL.length;
  for (; left >= MEDIA.length; left -= MEDIA.length) yield MEDIA;
  yield Buffer.concat([Buffer.alloc(Math.max(0, left), "\n"), MEDIA_TAIL]);
}
