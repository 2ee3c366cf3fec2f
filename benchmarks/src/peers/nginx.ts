import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Child } from "../processes/children.ts";
import { BIGQUERY_HOST, STORAGE_HOST } from "../wire.ts";
import { issueIdentity } from "./authority.ts";
import type { Peer, Surroundings } from "./peer.ts";

/** Attempts to reach it after its start, 50 ms apart. */
const ATTEMPTS = 100;

/** nginx from TLS to TLS, as a reverse proxy: it has no CONNECT, and no Node. */
export const nginx: Peer = {
  name: "nginx",
  about: "nginx, TLS to TLS, a reverse proxy with one worker",
  parts: ["kept", "per-query", "bodies"],
  missing: () => (findNginx() === undefined ? "nginx is not installed" : undefined),
  async start(surroundings) {
    const { directory, joins } = surroundings;
    const identity = await issueIdentity("bench nginx", [BIGQUERY_HOST, STORAGE_HOST]);
    writeFileSync(join(directory, "nginx.key"), identity.key, { mode: 0o600 });
    writeFileSync(join(directory, "nginx.pem"), identity.cert);
    const port = await freePort();
    const file = join(directory, "nginx.conf");
    writeFileSync(file, configuration(surroundings, port));
    mkdirSync(join(directory, "temp"));
    const args = ["-p", directory, "-c", file, "-e", "stderr"];
    const child = Child.program(findNginx() ?? "nginx", args, { directory, name: "nginx", joins });
    await reachable(port, child);
    const target = { via: "tls", port, ca: identity.ca } as const;
    return { pid: child.pid, rest: target, stop: () => child.stop() };
  },
};

function findNginx(): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return directories.map((directory) => join(directory, "nginx")).find((path) => existsSync(path));
}

/** Bodies stream in both directions, as in the other peers; connections to the upstream are kept. */
function configuration({ directory, upstream, upstreamCaFile }: Surroundings, port: number): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${join(directory, "temp", name)};`)
    .join("\n");
  return `
daemon off;
worker_processes 1;
pid ${join(directory, "nginx.pid")};
events { worker_connections 1024; }
http {
${temporary}
  access_log off;
  client_max_body_size 0;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  upstream rest { server 127.0.0.1:${upstream.rest}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${join(directory, "nginx.pem")};
    ssl_certificate_key ${join(directory, "nginx.key")};
    location / {
      proxy_pass https://rest;
      proxy_http_version 1.1;
      proxy_set_header Host ${BIGQUERY_HOST};
      proxy_set_header Connection "";
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${upstreamCaFile};
      proxy_ssl_name ${BIGQUERY_HOST};
      proxy_ssl_server_name on;
      proxy_buffering off;
      proxy_request_buffering off;
    }
  }
}
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function reachable(port: number, child: Child): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS && !child.ended; attempt += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (open) return;
    await delay(50);
  }
  throw child.failure("cannot be reached");
}
