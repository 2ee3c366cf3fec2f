import { setTimeout as delay } from "node:timers/promises";
import { ask, connect, proxyAuthorization, type Target } from "../../support/gateway.ts";

/* Traffic of all the kinds that panels show. */

const QUERIES = "/bigquery/v2/projects/p/queries";

export interface TrafficOptions {
  readonly target: Target;
  /** An ID token that the gateway knows somebody by. */
  readonly token: () => Promise<string>;
  /** `host:port` of a tunnel that may be opened. */
  readonly tunnel: string | undefined;
}

/** Goes on until it is stopped: queries, one that is traced, ways that are refused, strangers, a tunnel. */
export function traffic({ target, token, tunnel }: TrafficOptions): { stop(): Promise<void> } {
  let stopped = false;
  const run = async (): Promise<void> => {
    while (!stopped) {
      const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
      await ask(target, { path: QUERIES, body: '{"query":"SELECT 1"}', session: "agent", headers });
      await ask(target, { path: "/batch/bigquery/v2", body: "{}", session: "agent" });
      const known = { "proxy-authorization": `Bearer ${await token()}` };
      (await connect(target.port, "bigquery.googleapis.com:443", known)).socket.destroy();
      const stranger = proxyAuthorization("no.such.token");
      (await connect(target.port, "bigquery.googleapis.com:443", stranger)).socket.destroy();
      if (tunnel !== undefined)
        (await connect(target.port, tunnel, proxyAuthorization("agent"))).socket.destroy();
      await delay(100);
    }
  };
  const running = run();
  // Awaited at its end; until then a failure is no unhandled one.
  running.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await running;
    },
  };
}
