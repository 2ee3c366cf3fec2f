import { setTimeout as delay } from "node:timers/promises";
import { BIGQUERY_HOST } from "../wire.ts";
import { open } from "./connect.ts";
import { type Answer, Http1Connection } from "./http1-connection.ts";
import { type ExchangesLoad, type LoadFigures, type Target, Unsupported } from "./load.ts";
import { quantile } from "./quantile.ts";
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
    const perAgent = await Promise.all(
      agents.map((agent, index) => askUntil(agent, until, dueTimes(load, from, index))),
    );
    const seconds = (performance.now() - from) / 1000;
    for (const agent of agents) agent.close();
    const exchanges = perAgent.reduce((sum, { count }) => sum + count, 0);
    const latencies = perAgent.flatMap(({ latencies }) => latencies).sort((a, b) => a - b);
    return {
      exchanges,
      bytes: perAgent.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds,
      mean: latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length,
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

/** When an agent asks for the nth time; undefined: as soon as it can. Agents take turns. */
function dueTimes(
  { rate, agents }: ExchangesLoad,
  from: number,
  agent: number,
): ((asked: number) => number) | undefined {
  if (rate === undefined) return undefined;
  return (asked) => from + ((asked * agents + agent) * 1000) / rate;
}

async function askUntil(
  agent: AskingAgent,
  until: number,
  due?: (asked: number) => number,
): Promise<{ count: number; bytes: number; latencies: number[] }> {
  const latencies: number[] = [];
  let count = 0;
  let bytes = 0;
  for (let from = performance.now(); from < until; ) {
    const wait = due === undefined ? 0 : due(count) - from;
    if (wait > 0) {
      await delay(Math.min(wait, until - from));
      from = performance.now();
      if (from >= until) break;
    }
    const answer = await agent.ask();
    if (answer.status !== 200) throw new Unsupported(`${answer.status} ${answer.start.slice(0, 200)}`);
    const now = performance.now();
    // Of the exchange itself: not from when it was due, since timers are no finer than a millisecond.
    if (latencies.length < MAX_LATENCIES) latencies.push(now - from);
    from = now;
    count += 1;
    bytes += answer.bytes;
  }
  return { count, bytes, latencies };
}
