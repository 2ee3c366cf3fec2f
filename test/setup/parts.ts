import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { type Found, find, type Part } from "./cache.ts";
import { run } from "./run.ts";

const HERE = import.meta.dirname;
const MINUTE = 60_000;

/** BigQuery in one process, with GoogleSQL and the Storage API. */
const emulator = goTool({
  name: "emulator",
  title: "goccy/bigquery-emulator v0.8.1, built by Go 1.25 or later in some minutes",
  package: "github.com/goccy/bigquery-emulator/cmd/bigquery-emulator",
  product: "bigquery-emulator",
});

/** Kubernetes' package manager, which checks and renders charts. */
const helm = goTool({
  name: "helm",
  title: "Helm v3.22.0, built by Go 1.25 or later in some minutes",
  package: "helm.sh/helm/v3/cmd/helm",
  product: "helm",
});

/** What `docker compose config` reads a file with: its own reference implementation. */
const compose = goTool({
  name: "compose",
  title: "compose-go v2.16.2, built by Go 1.25 or later",
  package: "github.com/compose-spec/compose-go/v2/cmd",
  product: "compose",
});

/** The formatter of Terraform's language. */
const hcl = goTool({
  name: "hcl",
  title: "hclfmt of HCL v2.25.0, built by Go 1.25 or later",
  package: "github.com/hashicorp/hcl/v2/cmd/hclfmt",
  product: "hclfmt",
});

interface GoTool extends Pick<Part, "name" | "title" | "product"> {
  /** The program's import path; the module that pins it is in the part's own folder here. */
  readonly package: string;
}

/** A program that is built from source, pinned by go.sum. */
function goTool({ name, title, product, package: path }: GoTool): Part {
  return {
    ...{ name, title, product },
    inputs: [join(HERE, name, "go.mod"), join(HERE, name, "go.sum")],
    async install(folder) {
      await run({
        command: "go",
        // As a tool of a module of its own rather than by `go install …@VERSION`, so that every dependency has its sum.
        args: [
          ...["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w"],
          ...["-o", join(folder, product), path],
        ],
        cwd: join(HERE, name),
        env: { CGO_ENABLED: "0", GOWORK: "off" },
        limit: 20 * MINUTE,
      });
    },
  };
}

/** A virtual environment with Google's clients; pinned, with hashes. */
const python: Part = {
  name: "python",
  title: "google-cloud-bigquery 3.47.0 in a virtual environment of Python 3.10 or later",
  inputs: [join(HERE, "python/requirements.txt")],
  product: "bin/python",
  install: (folder) => installEnvironment(folder, join(HERE, "python/requirements.txt")),
};

/** A virtual environment with a reader of WARC files. */
const warcio: Part = {
  name: "warcio",
  title: "warcio 1.8.1 in a virtual environment of Python 3.10 or later",
  inputs: [join(HERE, "warcio/requirements.txt")],
  product: "bin/python",
  install: (folder) => installEnvironment(folder, join(HERE, "warcio/requirements.txt")),
};

/** What checks a Dockerfile, and Kubernetes' objects by the schemas that it carries. */
const linters: Part = {
  name: "linters",
  title: "hadolint 2.15.1 and kubernetes-validate 1.37.0 in a virtual environment of Python 3.10 or later",
  inputs: [join(HERE, "linters/requirements.txt")],
  product: "bin",
  install: (folder) => installEnvironment(folder, join(HERE, "linters/requirements.txt")),
};

async function installEnvironment(folder: string, requirements: string): Promise<void> {
  await run({ command: "python3", args: ["-m", "venv", folder], limit: 2 * MINUTE });
  await run({
    command: join(folder, "bin/python"),
    args: [
      ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"],
      // The list is whole: to look for what it needs would be to ask what newer versions there are today.
      ...["--no-deps", "--require-hashes", "--only-binary", ":all:"],
      ...["-r", requirements],
    ],
    limit: 5 * MINUTE,
  });
}

/** Google's MCP server for databases, a program of its own. */
const toolbox: Part = {
  name: "toolbox",
  title: "MCP Toolbox, @toolbox-sdk/server 1.12.0",
  inputs: [join(HERE, "toolbox/package.json"), join(HERE, "toolbox/package-lock.json")],
  product: `node_modules/@toolbox-sdk/server-${process.platform}-${process.arch}/bin/toolbox`,
  async install(folder) {
    for (const file of ["package.json", "package-lock.json"])
      await copyFile(join(HERE, "toolbox", file), join(folder, file));
    await run({
      command: "npm",
      // `npm ci` wants every platform's package in the lock, and not all of them are published.
      args: ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"],
      cwd: folder,
      limit: 5 * MINUTE,
    });
  },
};

/** A Kafka broker, as jars. Maven finds them where the machine's settings say. */
const kafka: Part = {
  name: "kafka",
  title: "Apache Kafka 4.1.0, by Maven, for Java 17 or later",
  inputs: [join(HERE, "kafka/pom.xml")],
  product: "libs",
  async install(folder) {
    // Maven runs without it being on the path by that name, and then no broker would.
    await run({ command: "java", args: ["-version"], limit: MINUTE });
    await run({
      command: "mvn",
      args: [
        ...["--batch-mode", "--quiet", "-f", join(HERE, "kafka/pom.xml")],
        ...["dependency:copy-dependencies", "-DincludeScope=runtime"],
        `-DoutputDirectory=${join(folder, "libs")}`,
      ],
      limit: 5 * MINUTE,
    });
  },
};

/** A Kafka client that is not ours, on librdkafka. */
const kcat: Part = {
  name: "kcat",
  title: "kcat, the machine's own or as its Debian or Ubuntu packages it",
  inputs: [join(HERE, "kcat/install.sh")],
  product: "kcat",
  async install(folder) {
    await run({ command: "sh", args: [join(HERE, "kcat/install.sh"), folder], limit: 3 * MINUTE });
  },
};

/** What says whether systemd takes a unit, and how much of the system the unit is kept from. */
const systemd: Part = {
  name: "systemd",
  title: "systemd-analyze, the machine's own or as its Debian or Ubuntu packages it",
  inputs: [join(HERE, "systemd/install.sh")],
  product: "systemd-analyze",
  async install(folder) {
    await run({ command: "sh", args: [join(HERE, "systemd/install.sh"), folder], limit: 3 * MINUTE });
  },
};

/** A browser, for people who sign in. */
const chromium: Part = {
  name: "chromium",
  title: "Chromium, the machine's own or as its Debian packages it",
  inputs: [join(HERE, "chromium/install.sh")],
  product: "chromium",
  async install(folder) {
    await run({ command: "sh", args: [join(HERE, "chromium/install.sh"), folder], limit: 5 * MINUTE });
  },
};

/** What gateways are watched with, and what tests its rules. */
const prometheus: Part = {
  name: "prometheus",
  title: "Prometheus and promtool, the machine's own or as its Debian or Ubuntu packages them",
  inputs: [join(HERE, "prometheus/install.sh")],
  product: "bin",
  async install(folder) {
    await run({ command: "sh", args: [join(HERE, "prometheus/install.sh"), folder], limit: 5 * MINUTE });
  },
};

export const PARTS = {
  ...{ toolbox, python, warcio, kafka, kcat, chromium, prometheus },
  ...{ linters, systemd, compose, hcl, helm, emulator },
} as const;
export type PartName = keyof typeof PARTS;

/** Where what tests use of a part is, or why it is not. */
export function findPart(name: PartName): Found {
  return find(PARTS[name]);
}
