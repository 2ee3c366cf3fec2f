import { hash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { isLoopback } from "../identity/loopback.ts";
import type { Exposition } from "../metrics/exposition.ts";
import { ApiError } from "./api-error.ts";

export interface MetricsRouteOptions {
  /** All that is measured, in the format that `Accept` asks for. */
  readonly expose: (accept: string | undefined) => Promise<Exposition>;
  /** Who may read it. */
  readonly access: MetricsAccess;
}

/** Whoever has the token; without one, whoever asks from this machine, or everybody who reaches the listener. */
export type MetricsAccess =
  | { readonly type: "token"; readonly token: string }
  | { readonly type: "loopback" }
  | { readonly type: "everybody" }
  | { readonly type: "nobody" };

/** `GET /metrics`, as Prometheus scrapes it. */
export function metricsRoute(server: FastifyInstance, { expose, access }: MetricsRouteOptions): void {
  server.get("/metrics", async (request, reply) => {
    check(access, request);
    const { contentType, text } = await expose(request.headers.accept);
    // Fastify would add a charset of its own.
    return reply.header("content-type", contentType).send(text);
  });
}

/** @throws {ApiError} 401, 403 */
function check(access: MetricsAccess, { headers, socket }: FastifyRequest): void {
  switch (access.type) {
    case "everybody":
      return;
    case "token": {
      const given = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
      if (timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", access.token, "buffer"))) return;
      throw new ApiError(401, "unauthenticated", "metrics want the bearer token of metrics.tokenFile");
    }
    case "loopback":
      if (isLoopback(socket.remoteAddress ?? "")) return;
      throw new ApiError(403, "forbidden", "without metrics.tokenFile, only this machine may read metrics");
    case "nobody":
      throw new ApiError(
        403,
        "forbidden",
        "set metrics.tokenFile to read metrics here, or metrics.listen to give them a listener of their own",
      );
  }
}
