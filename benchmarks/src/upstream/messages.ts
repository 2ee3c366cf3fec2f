/*
 * The few messages of google.cloud.bigquery.storage.v1 that a ReadRows needs, encoded by hand (protocol buffers,
 * "Encoding"), each with gRPC's prefix: one byte for the compression, four for the length.
 */

export const STREAM_NAME = "projects/p/locations/eu/sessions/s/streams/r";
const SESSION_NAME = "projects/p/locations/eu/sessions/s";
const TABLE = "projects/p/datasets/d/tables/t";

/** Bytes of rows in one message: what BigQuery sends of a wide table. */
export const ROWS_PER_MESSAGE = 1024 * 1024;

const LENGTH_DELIMITED = 2;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}

function field(number: number, value: string | Buffer): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + LENGTH_DELIMITED), varint(bytes.length), bytes]);
}

function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number * 8), varint(value)]);
}

function message(...fields: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(fields);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** parent = 1, read_session = 2 (table = 6, data_format = 3), max_stream_count = 3. */
export function createReadSessionRequest(): Buffer {
  const session = Buffer.concat([numberField(3, 2), field(6, TABLE)]);
  return message(field(1, "projects/p"), field(2, session), numberField(3, 1));
}

/** ReadSession: name = 1, data_format = 3, table = 6, streams = 10. */
export function createReadSessionResponse(): Buffer {
  return message(
    field(1, SESSION_NAME),
    numberField(3, 2),
    field(6, TABLE),
    field(10, field(1, STREAM_NAME)),
  );
}

/** read_stream = 1. */
export function readRowsRequest(): Buffer {
  return message(field(1, STREAM_NAME));
}

/** arrow_record_batch = 4 (serialized_record_batch = 1), row_count = 6. */
export function readRowsResponse(): Buffer {
  return message(field(4, field(1, Buffer.alloc(ROWS_PER_MESSAGE, "rows"))), numberField(6, 1000));
}
