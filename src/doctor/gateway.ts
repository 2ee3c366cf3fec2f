import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { Agent } from "undici";
import { formatDuration } from "../archive/print/quantities.ts";
import { BIGQUERY_HOST } from "../bigquery/hosts.ts";
import { hostPort } from "../commands/host-port.ts";
import { VERSION } from "../commands/version.ts";
import type { Config, ListenAddress } from "../config/schema.ts";
import { reachedAt } from "./addresses.ts";
import { type ConfiguredCheck, type Finding, fail, messageOf, ok, warn } from "./check.ts";
import { type Answer, connected, get, obstacleOf } from "./network.ts";

type Part = "running" | "ready" | "version" | "metrics" | "authority" | "proxy";

/** A gateway that runs here, if one does. */
export const gatewayCheck: ConfiguredCheck<Part> = {
  name: "gateway",
  needs: "configuration",
  parts: ["running", "ready", "version", "metrics", "authority", "proxy"],
  limit: 30_000,
  async *run({ config }, signal) {
    const { listen } = config.control;
    if (listen.port === 0) {
      yield ok(
        "running",
        "not looked for: control.listen has port 0, so only the gateway's log says where it is",
      );
      return;
    }
    const agent = new Agent({
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
      maxResponseSize: 16 * 1024 * 1024,
    });
    try {
      yield* look(config, agent, signal);
    } finally {
      await agent.destroy();
    }
  },
};

async function* look(config: Config, agent: Agent, signal: AbortSignal): AsyncGenerator<Finding<Part>> {
  const control = addressOf(config.control.listen);
  let ready: Answer;
  try {
    ready = await get(`http://${control}/readyz`, agent);
  } catch (error) {
    const { kind, why } = obstacleOf(error);
    if (kind === "refused") yield* notRunning(config, signal);
    else
      yield fail(
        "running",
        `${control} (control.listen): ${why}`,
        "look into the gateway's log, and restart it",
      );
    return;
  }
  const state = stateOf(ready.body);
  if (state === undefined) {
    const fix = "stop what listens there, or choose another port in control.listen";
    yield fail("running", `what listens at ${control} (control.listen) is no gateway`, fix);
    return;
  }
  yield ok("running", `a gateway answers at ${control}`);
  yield readiness(ready.status, state);
  yield* await metrics(config, control, agent);
  yield await authority(config, control, agent);
  yield await proxy(config.proxy.listen, signal);
}

function addressOf(listen: ListenAddress): string {
  const { host, port } = reachedAt(listen);
  return hostPort({ address: host, port });
}

async function* notRunning(
  { control, proxy: { listen } }: Config,
  signal: AbortSignal,
): AsyncGenerator<Finding<Part>> {
  const at = addressOf(listen);
  if (listen.port !== 0 && (await isTaken(listen, signal))) {
    const fix = "stop what listens there, or choose another port in proxy.listen";
    yield fail("running", `no gateway runs here, and something else listens at ${at} (proxy.listen)`, fix);
    return;
  }
  yield ok("running", `none runs at ${addressOf(control.listen)}; its ports are free`);
}

async function isTaken(listen: ListenAddress, signal: AbortSignal): Promise<boolean> {
  const socket = connect(reachedAt(listen));
  try {
    await connected(socket, "connect", signal);
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

interface State {
  readonly status: string;
  readonly reason?: unknown;
  readonly warning?: unknown;
}

function stateOf(body: string): State | undefined {
  try {
    const state = JSON.parse(body) as Partial<State> | null;
    return typeof state?.status === "string" ? { ...state, status: state.status } : undefined;
  } catch {
    return undefined;
  }
}

function readiness(status: number, { reason, warning }: State): Finding<Part> {
  if (status !== 200) {
    const fix = "mend what it says: until then agents get 503, or no session; its log tells more";
    return fail("ready", `it takes no traffic: ${String(reason)}`, fix);
  }
  return warning === undefined
    ? ok("ready", "it takes traffic")
    : warn(
        "ready",
        `it takes traffic, and warns: ${String(warning)}`,
        "see disk and kafka here, and the gateway's log",
      );
}

async function metrics(config: Config, control: string, agent: Agent): Promise<Finding<Part>[]> {
  const { listen, tokenFile } = config.metrics;
  if (listen?.port === 0) return [];
  const url = `http://${listen === undefined ? control : addressOf(listen)}/metrics`;
  try {
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, "utf8")).trim();
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { status, body, milliseconds } = await get(url, agent, headers);
    if (status !== 200) {
      const fix =
        "set metrics.tokenFile to a file with a token for Prometheus, or metrics.listen to a listener of their own, and restart";
      return [warn("metrics", `${url} answers with status ${status}`, fix)];
    }
    return [...version(body), ok("metrics", `${url} can be read in ${formatDuration(milliseconds)}`)];
  } catch (error) {
    return [
      fail(
        "metrics",
        `${url}: ${obstacleOf(error).why}`,
        "look into the gateway's log; see metrics in the configuration",
      ),
    ];
  }
}

function* version(exposition: string): Generator<Finding<Part>> {
  const [, running] = /^bqtape_build_info\{[^}]*version="([^"]+)"/m.exec(exposition) ?? [];
  if (running === undefined) return;
  yield running === VERSION
    ? ok("version", `version ${running}`)
    : warn(
        "version",
        `it is version ${running}, and this is ${VERSION}`,
        "restart the gateway, or look with its own version",
      );
}

/** Whether agents that have the authority's file trust what runs. */
async function authority({ ca }: Config, control: string, agent: Agent): Promise<Finding<Part>> {
  try {
    const [served, file] = await Promise.all([
      get(`http://${control}/ca.pem`, agent),
      readFile(ca.cert, "utf8"),
    ]);
    const [ours, theirs] = [file, served.body].map((pem) => new X509Certificate(pem).fingerprint256);
    if (ours === theirs) return ok("authority", `it signs with the authority of ${ca.cert}`);
    const fix = "restart it, or put the file back; then run bqtape env again for each agent";
    return fail("authority", `it signs with another authority than ${ca.cert} has`, fix);
  } catch (error) {
    return fail(
      "authority",
      `/ca.pem and ${ca.cert} cannot be compared: ${messageOf(error)}`,
      "see certificates here",
    );
  }
}

/**
 * Knocks with a password that can be no session's, and wants 407: so nothing is opened or begun. The refusal is on record as
 * any other is, with this program's name.
 */
async function proxy(listen: ListenAddress, signal: AbortSignal): Promise<Finding<Part>> {
  if (listen.port === 0) return ok("proxy", "not looked at: proxy.listen has port 0");
  const at = addressOf(listen);
  try {
    const status = await knock(listen, signal);
    if (status === 407) return ok("proxy", `the proxy answers at ${at}, and asks strangers who they are`);
    const fix = `see what listens at ${at}: a gateway answers 407`;
    return fail("proxy", `a stranger's CONNECT at ${at} is answered with status ${status}`, fix);
  } catch (error) {
    return fail(
      "proxy",
      `${at} (proxy.listen): ${obstacleOf(error).why}`,
      "restart the gateway; its log says why it does not listen",
    );
  }
}

async function knock(listen: ListenAddress, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = httpRequest({
    ...reachedAt(listen),
    method: "CONNECT",
    path: `${BIGQUERY_HOST}:443`,
    headers: {
      "proxy-authorization": `Basic ${Buffer.from("bqtape:no session").toString("base64")}`,
      "user-agent": `bqtape-doctor/${VERSION}`,
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  request.once("connect", ({ statusCode = 0 }, socket) => {
    socket.destroy();
    resolve(statusCode);
  });
  request.once("response", ({ statusCode = 0 }) => resolve(statusCode));
  request.once("error", reject);
  request.end();
  try {
    return await promise;
  } finally {
    request.destroy();
  }
}
