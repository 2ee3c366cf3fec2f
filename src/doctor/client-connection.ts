import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { connect as connectTls, rootCertificates } from "node:tls";
import { BIGQUERY_HOST } from "../bigquery/hosts.ts";
import { VERSION } from "../commands/version.ts";
import { type Finding, fail, ok } from "./check.ts";
import { connected, obstacleOf } from "./network.ts";

type Part = "connection";

/**
 * Connects as an agent does: through its proxy, with its session, over TLS by its authorities. Nothing is asked of BigQuery.
 * As with an agent, the session begins with its first connection.
 *
 * @param caFile NODE_EXTRA_CA_CERTS, which holds the gateway's authority alone.
 */
export async function askAsAgent(
  proxy: URL,
  caFile: string | undefined,
  signal: AbortSignal,
): Promise<Finding<Part>[]> {
  let granted: Granted;
  try {
    granted = await connectThrough(proxy, signal);
  } catch (error) {
    const { kind, why } = obstacleOf(error);
    const fix =
      kind === "refused"
        ? `start the gateway, or have the environment made anew for where it is: ${proxy.host} is where this one says`
        : `see that ${proxy.host} can be reached from here (name, route, firewall)`;
    return [fail("connection", `the proxy ${proxy.host}: ${why}`, fix)];
  }
  const { status, socket, said } = granted;
  if (status !== 200 || socket === undefined) return [refused(proxy, status, said)];
  const file =
    caFile === undefined || caFile === "" ? undefined : await readFile(caFile, "utf8").catch(() => undefined);
  const ca = file === undefined ? [...rootCertificates] : [...rootCertificates, file];
  const secure = connectTls({ socket, servername: BIGQUERY_HOST, ca });
  try {
    await connected(secure, "secureConnect", signal);
  } catch (error) {
    const { kind, why } = obstacleOf(error);
    const fix =
      kind === "trust"
        ? "name the gateway's authority in NODE_EXTRA_CA_CERTS, and the bundle with it in the others: run bqtape env again"
        : "look into the gateway's log, and certificates on its machine";
    return [fail("connection", `TLS to ${BIGQUERY_HOST} through ${proxy.host}: ${why}`, fix)];
  } finally {
    secure.destroy();
    socket.destroy();
  }
  return [
    ok(
      "connection",
      `${BIGQUERY_HOST} through ${proxy.host}: the session is taken, and the certificate trusted`,
    ),
  ];
}

interface Granted {
  readonly status: number;
  readonly socket?: Socket;
  /** A refusal's words. */
  readonly said: string;
}

/** Characters of a refusal that are told. */
const MAX_SAID = 300;

async function connectThrough(proxy: URL, signal: AbortSignal): Promise<Granted> {
  const { promise, resolve, reject } = Promise.withResolvers<Granted>();
  const secret = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const request = httpRequest({
    host: proxy.hostname.replace(/^\[|\]$/g, ""),
    port: Number(proxy.port || 80),
    method: "CONNECT",
    path: `${BIGQUERY_HOST}:443`,
    headers: {
      host: `${BIGQUERY_HOST}:443`,
      ...(proxy.username !== "" && {
        "proxy-authorization": `Basic ${Buffer.from(secret).toString("base64")}`,
      }),
      "user-agent": `bqtape-doctor/${VERSION}`,
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  request.once("connect", ({ statusCode: status = 0 }, socket, head) => {
    if (status === 200) return resolve({ status, socket, said: "" });
    let said = head.toString();
    socket.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, MAX_SAID);
    });
    socket.once("error", () => undefined);
    socket.once("close", () => resolve({ status, said: said.trim() }));
  });
  request.once("error", reject);
  request.end();
  return await promise;
}

function refused(proxy: URL, status: number, said: string): Finding<Part> {
  const words = said === "" ? "" : `: ${said}`;
  if (status === 407) {
    const fix =
      "open a session anew: bqtape session create, then bqtape env with it, or start the agent by bqtape run";
    return fail(
      "connection",
      `the gateway at ${proxy.host} does not take this session: it is over, revoked, or of another gateway`,
      fix,
    );
  }
  const fix =
    status === 503
      ? "look into the gateway's /readyz and log: it records nothing now"
      : `see what ${proxy.host} is: a gateway answers 200, 407 or 503`;
  return fail("connection", `${proxy.host} answers with status ${status}${words}`, fix);
}
