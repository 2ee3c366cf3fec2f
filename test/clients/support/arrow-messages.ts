import { protos } from "@google-cloud/bigquery-storage";

const { ReadSession, ReadRowsResponse } = protos.google.cloud.bigquery.storage.v1;

/** Bytes of a message's length in gRPC's framing, with the flag of compression. */
const PREFIX = 5;

/**
 * The messages of a gRPC answer of the emulator, framed as they came, with the Arrow in them as BigQuery gives it: one message of
 * the IPC format each (Apache Arrow, "Encapsulated message format"), where the emulator gives a whole stream: schema, rows, end.
 */
export function withArrowMessages(path: string, framed: Buffer): Buffer {
  const method = path.split("/").at(-1);
  if (method !== "CreateReadSession" && method !== "ReadRows") return framed;
  const messages: Buffer[] = [];
  for (let at = 0; at < framed.length; ) {
    const end = at + PREFIX + framed.readUInt32BE(at + 1);
    const message = framed.subarray(at + PREFIX, end);
    messages.push(frame(method === "ReadRows" ? rows(message) : session(message)));
    at = end;
  }
  return Buffer.concat(messages);
}

function session(message: Buffer): Uint8Array {
  const decoded = ReadSession.decode(message);
  const schema = decoded.arrowSchema?.serializedSchema;
  if (schema instanceof Uint8Array) decoded.arrowSchema = { serializedSchema: schemaOf(schema) };
  return ReadSession.encode(decoded).finish();
}

function rows(message: Buffer): Uint8Array {
  const decoded = ReadRowsResponse.decode(message);
  const schema = decoded.arrowSchema?.serializedSchema;
  const batch = decoded.arrowRecordBatch?.serializedRecordBatch;
  if (schema instanceof Uint8Array) decoded.arrowSchema = { serializedSchema: schemaOf(schema) };
  if (batch instanceof Uint8Array) {
    const end = batch.length - END_OF_STREAM;
    decoded.arrowRecordBatch = {
      ...decoded.arrowRecordBatch,
      serializedRecordBatch: batch.subarray(schemaOf(batch).length, end),
    };
  }
  return ReadRowsResponse.encode(decoded).finish();
}

/** Bytes of the mark that ends a stream: the continuation and a length of 0. */
const END_OF_STREAM = 8;

/** The first message of a stream, its schema: continuation, length of the metadata, metadata, and no body. */
function schemaOf(stream: Uint8Array): Uint8Array {
  const metadata = Buffer.from(stream.buffer, stream.byteOffset, stream.length).readInt32LE(4);
  return stream.subarray(0, 8 + metadata);
}

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
