import type { AddressInfo } from "node:net";
import fastify from "fastify";

export interface ControlOptions {
  readonly caPem: string;
  /** Absent when the gateway can take traffic, else the reason why not. */
  readonly notReady: () => string | undefined;
  /** What will stop traffic before long, if nobody does anything; absent when nothing will. */
  readonly warning: () => string | undefined;
}

/** The listener for operators. */
export interface Control {
  listen(host: string, port: number): Promise<AddressInfo>;
  close(): Promise<void>;
}

export function createControl({ caPem, notReady, warning }: ControlOptions): Control {
  const server = fastify({ forceCloseConnections: true });
  server.get("/healthz", () => ({ status: "ok" }));
  server.get("/readyz", (_request, reply) => {
    const reason = notReady();
    if (reason !== undefined) return reply.code(503).send({ status: "unavailable", reason });
    return { status: "ok", warning: warning() };
  });
  server.get("/ca.pem", (_request, reply) => reply.type("application/x-pem-file").send(caPem));
  return {
    async listen(host, port) {
      await server.listen({ host, port });
      return server.server.address() as AddressInfo;
    },
    close: () => server.close(),
  };
}
