import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createAuthority } from "../../src/certificates/authority.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";

/** An upstream that does exactly what a test tells it to: for faults that no real one shows on demand. */
export interface TestUpstream {
  readonly url: string;
  readonly caFile: string;
  /** A service account whose token endpoint is this upstream's, at /token. */
  readonly keyFile: string;
  /** Every access token that was given out. */
  readonly tokens: readonly string[];
  readonly tokenRequests: number;
  close(): Promise<void>;
}

export type Serve = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

export async function startUpstream(directory: string, serve: Serve): Promise<TestUpstream> {
  const authority = await createAuthority({ commonName: "test upstream" });
  const { key, cert } = await issueLeaf(authority, { hosts: ["127.0.0.1"] });
  const tokens: string[] = [];
  let tokenRequests = 0;
  const server = createTlsServer({ key, cert });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.url !== "/token") return serve(request, response, Buffer.concat(chunks));
      tokenRequests += 1;
      const access_token = `gateway-token-${randomBytes(16).toString("hex")}`;
      tokens.push(access_token);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ access_token, expires_in: 3600, token_type: "Bearer" }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const caFile = join(directory, "upstream-ca.pem");
  writeFileSync(caFile, authority.certificatePem);
  return {
    url,
    caFile,
    keyFile: writeServiceAccount(directory, `${url}/token`),
    tokens,
    get tokenRequests() {
      return tokenRequests;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A service account's key file, with a key of its own. */
export function writeServiceAccount(directory: string, tokenUri: string): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const file = join(directory, "service-account.json");
  const account = {
    type: "service_account",
    project_id: "test-project",
    private_key_id: "1",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    client_email: "gateway@test-project.iam.gserviceaccount.com",
    token_uri: tokenUri,
  };
  writeFileSync(file, JSON.stringify(account), { mode: 0o600 });
  return file;
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
