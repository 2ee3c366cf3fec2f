import { createHash, type Hash } from "node:crypto";
import diagnostics from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage } from "node:http";

/** What one exchange looked like from inside the client's own process. */
export interface Seen {
  readonly exchange: string;
  readonly requestSha256: string;
  readonly responseSha256: string;
}

/**
 * Digests the bodies that Node's HTTP client sends and receives in this process, below the client library and above TLS, so
 * that the recording can be held against what the client saw. Told of each exchange when its answer has ended.
 */
export function tapHttpClient(onSeen: (seen: Seen) => void): void {
  const requests = new WeakMap<ClientRequest, Hash>();

  diagnostics.subscribe("http.client.request.created", (message) => {
    const { request } = message as { request: ClientRequest };
    const hash = createHash("sha256");
    requests.set(request, hash);
    const write = request.write.bind(request);
    const end = request.end.bind(request);
    // `end` with a chunk does not go through `write`.
    request.write = ((chunk: string | Uint8Array, ...rest: []) => {
      hash.update(chunk);
      return write(chunk, ...rest);
    }) as typeof request.write;
    request.end = ((chunk?: unknown, ...rest: []) => {
      if (typeof chunk === "string" || chunk instanceof Uint8Array) hash.update(chunk);
      return end(chunk, ...rest);
    }) as typeof request.end;
  });

  diagnostics.subscribe("http.client.response.finish", (message) => {
    const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
    const exchange = response.headers["bqtape-exchange"];
    const sent = requests.get(request);
    if (typeof exchange !== "string" || sent === undefined) return;
    const received = createHash("sha256");
    const push = response.push.bind(response);
    response.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
      if (chunk === null) {
        onSeen({ exchange, requestSha256: sent.digest("hex"), responseSha256: received.digest("hex") });
      } else {
        received.update(chunk);
      }
      return push(chunk, encoding);
    };
  });
}
