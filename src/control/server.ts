import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import type { PublicJwk } from "../recording/keys/jwk.ts";
import { type MetricsRouteOptions, metricsRoute } from "./metrics-route.ts";
import { answerErrors, type SessionRoutesOptions, sessionRoutes } from "./session-routes.ts";

export interface ControlOptions {
  /** What agents trust, as it is now. */
  readonly caPem: () => string;
  /** The public keys that check recordings, as they are now. */
  readonly keys: () => Promise<readonly PublicJwk[]>;
  /** Absent when the gateway can take traffic, else the reason why not. */
  readonly notReady: () => string | undefined;
  /** What will stop traffic before long, if nobody does anything; absent when nothing will. */
  readonly warning: () => string | undefined;
  readonly metrics: MetricsRouteOptions;
  /** Absent where nobody is known by a token. */
  readonly sessions?: Omit<SessionRoutesOptions, "onError"> | undefined;
  /** Told of failures that only the operator can mend. */
  readonly onError: (error: unknown, message: string) => void;
}

/** The listener for operators, and for whoever opens sessions. */
export interface Control {
  listen(host: string, port: number): Promise<AddressInfo>;
  close(): Promise<void>;
}

/** Milliseconds for a request to arrive. */
const REQUEST_TIMEOUT = 30_000;

export function createControl({
  caPem,
  keys,
  notReady,
  warning,
  metrics,
  sessions,
  onError,
}: ControlOptions): Control {
  const server = fastify({ forceCloseConnections: true, requestTimeout: REQUEST_TIMEOUT });
  answerErrors(server, onError);
  server.get("/healthz", () => ({ status: "ok" }));
  server.get("/readyz", (_request, reply) => {
    const reason = notReady();
    if (reason !== undefined) return reply.code(503).send({ status: "unavailable", reason });
    return { status: "ok", warning: warning() };
  });
  server.get("/ca.pem", (_request, reply) => reply.type("application/x-pem-file").send(caPem()));
  metricsRoute(server, metrics);
  // Public, as keys are that check: RFC 7517, section 8.5.2, has the type.
  server.get("/api/v1/keys", async (_request, reply) =>
    reply.type("application/jwk-set+json").send(JSON.stringify({ keys: await keys() })),
  );
  if (sessions === undefined) server.get("/api/v1/login", () => ({ issuers: [] }));
  else sessionRoutes(server, { ...sessions, onError });
  return listener(server);
}

/** A listener for Prometheus alone. */
export function createMetricsListener(
  metrics: MetricsRouteOptions,
  onError: (error: unknown, message: string) => void,
): Control {
  const server = fastify({ forceCloseConnections: true, requestTimeout: REQUEST_TIMEOUT });
  answerErrors(server, onError);
  metricsRoute(server, metrics);
  return listener(server);
}

function listener(server: FastifyInstance): Control {
  return {
    async listen(host, port) {
      await server.listen({ host, port });
      return server.server.address() as AddressInfo;
    },
    close: () => server.close(),
  };
}
