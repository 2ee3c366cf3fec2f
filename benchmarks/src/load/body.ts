import { Pacer, paced } from "../pace.ts";
import { uploadBody } from "../upstream/bodies.ts";
import { BIGQUERY_HOST, writeAll } from "../wire.ts";
import { open } from "./connect.ts";
import { type Answer, Http1Connection } from "./http1-connection.ts";
import { type BodyLoad, type LoadFigures, type Target, Unsupported } from "./load.ts";
import { rowsRequest, uploadHead } from "./requests.ts";

const AGENT = { session: "bench-body", host: BIGQUERY_HOST };

/** One large answer, taken at the load's pace. */
export async function prepareAnswer(load: BodyLoad, target: Target): Promise<() => Promise<LoadFigures>> {
  const socket = await open(target, AGENT);
  const connection = new Http1Connection(socket, paced(socket, new Pacer(load.pace)));
  return async () => {
    const from = performance.now();
    const answer = await connection.exchange(rowsRequest(load.bytes));
    connection.close();
    checkStatus(answer);
    if (answer.bytes !== load.bytes) throw new Error(`${answer.bytes} of ${load.bytes} bytes came`);
    return figures(load, from);
  };
}

/** One media upload, which the upstream takes at the load's pace. */
export async function prepareUpload(load: BodyLoad, target: Target): Promise<() => Promise<LoadFigures>> {
  const socket = await open(target, AGENT);
  const connection = new Http1Connection(socket);
  return async () => {
    const from = performance.now();
    const answered = connection.answer();
    socket.write(uploadHead(load.bytes, load.pace));
    // A refusal may come while bytes are still being written, and ends that.
    const refused = answered.then((answer) => {
      if (answer.status !== 200) connection.close();
    });
    await Promise.race([writeAll(socket, uploadBody(load.bytes)), refused]);
    const answer = await answered;
    connection.close();
    checkStatus(answer);
    if (!answer.start.includes(String(load.bytes))) throw new Error(`not all arrived: ${answer.start}`);
    return figures(load, from);
  };
}

function checkStatus({ status, start }: Answer): void {
  if (status !== 200) throw new Unsupported(`${status} ${start.slice(0, 200)}`);
}

function figures({ bytes }: BodyLoad, from: number): LoadFigures {
  return { exchanges: 1, bytes, seconds: (performance.now() - from) / 1000 };
}
