import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import { mutate, splice } from "./mutate.ts";
import type { Random } from "./random.ts";

const QUERY = '{"query":"SELECT 1","useLegacySql":false}';
const HEAD = `Host: ${BIGQUERY_HOST}\r\nAuthorization: Bearer of-the-agent\r\n`;
const JSON_HEAD = `${HEAD}Content-Type: application/json\r\n`;
const QUERIES = "/bigquery/v2/projects/p/queries";
const MULTIPART = [
  "--b",
  "Content-Type: application/json",
  "",
  '{"configuration":{"load":{"destinationTable":{"projectId":"p","datasetId":"d","tableId":"t"}}}}',
  "--b",
  "Content-Type: application/octet-stream",
  "",
  "1,2,3",
  "--b--",
  "",
].join("\r\n");

/** What agents say inside of a tunnel. */
const REQUESTS = [
  `GET /bigquery/v2/projects HTTP/1.1\r\n${HEAD}\r\n`,
  `GET ${QUERIES}/job_1?maxResults=0&location=EU HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`,
  `POST ${QUERIES} HTTP/1.1\r\n${JSON_HEAD}Content-Length: ${QUERY.length}\r\n\r\n${QUERY}`,
  `POST ${QUERIES} HTTP/1.1\r\n${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n${QUERY.length.toString(16)}\r\n${QUERY}\r\n0\r\n\r\n`,
  `POST ${QUERIES} HTTP/1.1\r\n${JSON_HEAD}Expect: 100-continue\r\nContent-Length: ${QUERY.length}\r\n\r\n${QUERY}`,
  `POST /upload/bigquery/v2/projects/p/jobs?uploadType=multipart HTTP/1.1\r\n${HEAD}Content-Type: multipart/related; boundary=b\r\nContent-Length: ${MULTIPART.length}\r\n\r\n${MULTIPART}`,
  `POST /upload/bigquery/v2/projects/p/jobs?uploadType=resumable HTTP/1.1\r\n${JSON_HEAD}Content-Length: 2\r\n\r\n{}`,
  `PUT /upload/bigquery/v2/projects/p/jobs?uploadType=resumable&upload_id=u1 HTTP/1.1\r\n${HEAD}Content-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\n1,2,3`,
  `GET /large HTTP/1.1\r\n${HEAD}\r\n`,
  `OPTIONS * HTTP/1.1\r\n${HEAD}\r\n`,
] as const;

/** A conversation inside of a tunnel: a few requests, and what has become of them. */
export function http1Bytes(random: Random): Buffer {
  const request = (): Buffer => Buffer.from(random.pick(REQUESTS), "latin1");
  const several = Array.from({ length: 1 + random.integer(3) }, request);
  const said = random.once(6) ? splice(request(), request(), random) : Buffer.concat(several);
  return mutate(said, random, random.integer(5));
}

const BASIC = Buffer.from("bqtape:fuzz").toString("base64");

const OPENINGS = [
  `CONNECT ${BIGQUERY_HOST}:443 HTTP/1.1\r\nHost: ${BIGQUERY_HOST}:443\r\n\r\n`,
  `CONNECT ${BIGQUERY_HOST}:443 HTTP/1.1\r\nHost: ${BIGQUERY_HOST}:443\r\nProxy-Authorization: Basic ${BASIC}\r\nProxy-Connection: keep-alive\r\n\r\n`,
  "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
  "CONNECT ../../x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
  `CONNECT ${"a".repeat(300)}:443 HTTP/1.1\r\n\r\n`,
  "GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
] as const;

/** The beginning of a ClientHello, RFC 8446, section 4.1.2. */
const HELLO = Buffer.from("16030100c8010000c40303", "hex");

/** A conversation on the proxy's own port. */
export function portBytes(random: Random): Buffer {
  const opening = Buffer.from(random.pick(OPENINGS), "latin1");
  const behind = random.pick([
    Buffer.alloc(0),
    Buffer.concat([HELLO, random.bytes(random.integer(300))]),
    random.bytes(random.integer(100)),
    opening,
  ]);
  return mutate(Buffer.concat([opening, behind]), random, random.integer(5));
}
