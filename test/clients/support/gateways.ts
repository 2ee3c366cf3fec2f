import { join } from "node:path";
import type { TestContext } from "node:test";
import { BIGQUERY_HOST } from "../../../src/bigquery/hosts.ts";
import { agentEnvironment } from "../../../src/commands/agent-environment.ts";
import { openAgentFiles, openGatewayAuthority } from "../../../src/commands/agent-files.ts";
import { hostPort } from "../../../src/commands/host-port.ts";
import { configSchema } from "../../../src/config/schema.ts";
import { type Sandbox, startSandbox } from "../../../src/sandbox/sandbox.ts";
import { type GatewayUnderTest, gatewayUnderTest, testConfig } from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { Agent, type SeenRequest } from "./agent.ts";
import { startEmulator } from "./emulator.ts";
import { startFront } from "./front.ts";
import { startStorageFront } from "./storage-front.ts";

const STORAGE_HOST = "bigquerystorage.googleapis.com";

/** A gateway with BigQuery, or what stands for it, behind it. */
export interface ClientsGateway {
  readonly project: string;
  readonly gateway: GatewayUnderTest;
  /** All that arrived behind the gateway. */
  readonly seen: readonly SeenRequest[];
  /** An agent with a session of its own, and in its environment besides what that session needs. */
  agent(more?: (session: string) => Readonly<Record<string, string>>): Agent;
}

/** What a test wants of the gateway, and of the sandbox behind it. */
export interface SandboxSite {
  readonly accounts?: readonly string[];
  readonly config?: (sandbox: Sandbox) => Partial<ReturnType<typeof testConfig>>;
  readonly network?: Parameters<typeof gatewayUnderTest>[2];
}

/** A gateway before the sandbox, with its `shop.customers` and 6,000 `shop.orders`. */
export async function gatewayBeforeSandbox(
  test: TestContext,
  { accounts = [], config = () => ({}), network }: SandboxSite = {},
): Promise<ClientsGateway> {
  const directory = temporaryDirectory();
  const seen: SeenRequest[] = [];
  const sandbox = await startSandbox({
    directory: join(directory, "sandbox"),
    rows: 6_000,
    accounts,
    onRequest({ method, url, rawHeaders, body }) {
      if (url.startsWith("/bigquery/")) seen.push({ method, target: url, headers: rawHeaders, body });
    },
  });
  test.after(() => sandbox.close());
  return await gatewayBefore(
    test,
    sandbox.project,
    seen,
    testConfig(directory, sandbox, config(sandbox)),
    network,
  );
}

/** A gateway before an emulator of its own, with 300 rows in `shop.orders`. */
export async function gatewayBeforeEmulator(
  test: TestContext,
  binary: string,
  network?: SandboxSite["network"],
): Promise<ClientsGateway> {
  const directory = temporaryDirectory();
  const project = "test-project";
  const emulator = await startEmulator(test, binary, project);
  const front = await startFront(directory, emulator.rest);
  test.after(() => front.close());
  const seen: SeenRequest[] = front.seen;
  const storage = await startStorageFront(test, emulator.grpc, seen);
  const config = testConfig(directory, front, {
    upstream: {
      overrides: { [BIGQUERY_HOST]: front.url, [STORAGE_HOST]: storage },
      caFile: front.caFile,
    },
  });
  return await gatewayBefore(test, project, seen, config, network);
}

async function gatewayBefore(
  test: TestContext,
  project: string,
  seen: readonly SeenRequest[],
  input: ReturnType<typeof testConfig>,
  network?: SandboxSite["network"],
): Promise<ClientsGateway> {
  const gateway = await gatewayUnderTest(test, input, network);
  const config = configSchema.parse(input);
  const files = await openAgentFiles({ authority: await openGatewayAuthority(config), config });
  const proxy = hostPort(gateway.proxy);
  const environment = (session: string) => agentEnvironment({ files, proxy, session });
  return {
    project,
    gateway,
    seen,
    agent: (more = () => ({})) =>
      new Agent({
        environment: (session) => ({ ...environment(session), ...more(session) }),
        exchanges: () => gateway.exchanges(),
        seen,
      }),
  };
}
