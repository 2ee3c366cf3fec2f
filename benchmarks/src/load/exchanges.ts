import { BIGQUERY_HOST } from "../wire.ts";
import { open } from "./connect.ts";
import { type Answer, Http1Connection } from "./http1-connection.ts";
import { type ExchangesLoad, type LoadFigures, type Target, Unsupported } from "./load.ts";
import { queryRequest } from "./requests.ts";

/** Latencies kept for each agent; more exchanges than that in one run would only make the tail finer. */
const MAX_LATENCIES = 200_000;

/** Opens what is kept, and returns the load itself. */
export async function prepareExchanges(
  load: ExchangesLoad,
  target: Target,
): Promise<() => Promise<LoadFigures>> {
  const agents = await Promise.all(
    Array.from({ length: load.agents }, async (_, index) => {
      const session = `bench-${index}`;
      return load.connection === "kept" ? await keptAgent(target, session) : eachAgent(load, target, session);
    }),
  );
  // The first exchange of each: what is made once (a connection upstream, a certificate) is no part of the figures.
  await Promise.all(agents.map((agent) => agent.ask()));
  return async () => {
    const from = performance.now();
    const until = from + load.milliseconds;
    const perAgent = await Promise.all(agents.map((agent) => askUntil(agent, until)));
    const seconds = (performance.now() - from) / 1000;
    for (const agent of agents) agent.close();
    const exchanges = perAgent.reduce((sum, { count }) => sum + count, 0);
    const latencies = perAgent.flatMap(({ latencies }) => latencies).sort((a, b) => a - b);
    return {
      exchanges,
      bytes: perAgent.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
    };
  };
}

interface AskingAgent {
  ask(): Promise<Answer>;
  close(): void;
}

async function keptAgent(target: Target, session: string): Promise<AskingAgent> {
  const request = queryRequest(false);
  const connection = new Http1Connection(await open(target, { session, host: BIGQUERY_HOST }));
  return {
    ask: () => connection.exchange(request),
    close: () => connection.close(),
  };
}

function eachAgent(load: ExchangesLoad, target: Target, session: string): AskingAgent {
  const request = queryRequest(load.saysClose);
  return {
    async ask() {
      const connection = new Http1Connection(await open(target, { session, host: BIGQUERY_HOST }));
      const answer = await connection.exchange(request);
      connection.close();
      return answer;
    },
    close: () => undefined,
  };
}

async function askUntil(
  agent: AskingAgent,
  until: number,
): Promise<{ count: number; bytes: number; latencies: number[] }> {
  const latencies: number[] = [];
  let count = 0;
  let bytes = 0;
  for (let from = performance.now(); from < until; ) {
    const answer = await agent.ask();
    if (answer.status !== 200) throw new Unsupported(`${answer.status} ${answer.start.slice(0, 200)}`);
    const now = performance.now();
    if (latencies.length < MAX_LATENCIES) latencies.push(now - from);
    from = now;
    count += 1;
    bytes += answer.bytes;
  }
  return { count, bytes, latencies };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
