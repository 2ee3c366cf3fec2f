import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parse, parseAllDocuments, stringify } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { partFor } from "../clients/support/parts.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { RULES, readRules } from "./monitoring/rules.ts";
import { check } from "./run.ts";

/*
 * The chart, by Helm itself and by Kubernetes' schemas, with each set of values in its folder ci. No cluster runs it here.
 */

const CHART = join(import.meta.dirname, "../../deploy/helm/bqtape");
const VALUES = readdirSync(join(CHART, "ci")).map((name) => join(CHART, "ci", name));
const RENDERED_FOR = "1.34.0";

/** Seconds that docs/operations.md has a process given beyond `drainTimeout`. */
const AFTER_DRAIN = 45;

const OPTIONS = { timeout: 60_000 } as const;

interface Manifest {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came.
  readonly [key: string]: any;
}

interface Rendering {
  readonly text: string;
  of(kind: string, name?: string): Manifest;
  all(kind: string): Manifest[];
}

async function render(helm: string, values: string, ...more: string[]): Promise<Rendering> {
  const args = ["template", "gw", CHART, "--namespace", "data", "--kube-version", RENDERED_FOR];
  const { code, stdout, stderr } = await check(helm, [...args, "--values", values, ...more]);
  assert.equal(code, 0, stderr);
  const manifests = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
  const all: Rendering["all"] = (kind) => manifests.filter((manifest) => manifest?.kind === kind);
  return {
    text: stdout,
    all,
    of: (kind, name) =>
      all(kind).find(({ metadata }) => name === undefined || metadata.name === name) ??
      assert.fail(`there is no ${kind} ${name ?? ""}`),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: values as a person writes them.
type Values = Record<string, any>;

/** A set of values of the folder, changed. */
function changed(change: (values: Values) => void): string {
  const values = parse(readFileSync(join(CHART, "ci/key-file-values.yaml"), "utf8")) as Values;
  change(values);
  const file = join(temporaryDirectory(), "values.yaml");
  writeFileSync(file, stringify(values));
  return file;
}

for (const values of VALUES) {
  suite(`with ${values.slice(CHART.length + 1)}`, OPTIONS, () => {
    test("Helm has nothing to say of it", async (t) => {
      const helm = partFor(t, "helm");
      if (helm === undefined) return;
      const { code, stdout, stderr } = await check(helm, [
        "lint",
        "--strict",
        "--quiet",
        CHART,
        "-f",
        values,
      ]);
      assert.equal(code, 0, stdout + stderr);
    });

    test("every object has the shape that Kubernetes' schemas want, and nothing more", async (t) => {
      const helm = partFor(t, "helm");
      const linters = partFor(t, "linters");
      if (helm === undefined || linters === undefined) return;
      const { text, all } = await render(helm, values);
      const file = join(temporaryDirectory(), "manifests.yaml");
      writeFileSync(file, text);
      const args = ["--strict", "--kubernetes-version", "1.34", file];
      // Not its script, which names the folder that it was installed in: a checkout may be moved.
      const validate = ["-m", "kubernetes_validate", ...args];
      const { code, stdout, stderr } = await check(join(linters, "python"), validate);
      const said = stdout + stderr;
      assert.equal(code, 0, said);
      // ServiceMonitor and PrometheusRule are an operator's, and no schema is here for them.
      const unknown = ["ServiceMonitor", "PrometheusRule"].flatMap((kind) => all(kind)).length;
      const known = parseAllDocuments(text).length - unknown;
      assert.equal(said.match(/ passed for resource /g)?.length, known, said);
    });

    test("the gateway takes its bqtape.yaml, and its files are where volumes are mounted", async (t) => {
      const helm = partFor(t, "helm");
      if (helm === undefined) return;
      const { of } = await render(helm, values);
      const file = join(temporaryDirectory(), "bqtape.yaml");
      writeFileSync(file, of("ConfigMap").data["bqtape.yaml"]);
      const { proxy, control, metrics, ca, identity, dataDir } = await loadConfig({ file, environment: {} });
      const [gateway] = of("StatefulSet").spec.template.spec.containers;
      assert.deepEqual(
        [proxy.listen, control.listen, metrics.listen],
        gateway.ports.map(({ containerPort: port }: { containerPort: number }) => ({
          host: "0.0.0.0",
          port,
        })),
      );
      const mounts: string[] = gateway.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
      const named = of("ConfigMap").data["bqtape.yaml"].match(/\/etc\/bqtape\/secrets\/[\w./-]+/g) ?? [];
      for (const path of [ca.cert, ca.key, identity.session.keyFile, ...named])
        assert.equal(
          mounts.some((mount) => path.startsWith(`${mount}/`)),
          true,
          path,
        );
      assert.equal(mounts.includes(dataDir), true);
    });

    test("a pod is stopped after its exchanges' time and not before", async (t) => {
      const helm = partFor(t, "helm");
      if (helm === undefined) return;
      const { of } = await render(helm, values);
      const { drainTimeout } = parse(of("ConfigMap").data["bqtape.yaml"]).proxy;
      const drain = { "30s": 30, "5m": 300 }[drainTimeout as "30s" | "5m"];
      const { terminationGracePeriodSeconds, containers } = of("StatefulSet").spec.template.spec;
      const [, preStop] = containers[0].lifecycle.preStop.exec.command;
      assert.equal(terminationGracePeriodSeconds, Number(preStop) + drain + AFTER_DRAIN);
    });

    test("a pod is nobody of importance on a file system that it cannot write", async (t) => {
      const helm = partFor(t, "helm");
      if (helm === undefined) return;
      const { of } = await render(helm, values);
      const { securityContext, containers, automountServiceAccountToken } =
        of("StatefulSet").spec.template.spec;
      assert.partialDeepStrictEqual(securityContext, {
        runAsNonRoot: true,
        seccompProfile: { type: "RuntimeDefault" },
      });
      assert.deepEqual(containers[0].securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      assert.equal(automountServiceAccountToken, false);
    });

    test("journals outlive their pods", async (t) => {
      const helm = partFor(t, "helm");
      if (helm === undefined) return;
      const { spec } = (await render(helm, values)).of("StatefulSet");
      assert.deepEqual(spec.persistentVolumeClaimRetentionPolicy, {
        whenDeleted: "Retain",
        whenScaled: "Retain",
      });
      assert.equal(spec.volumeClaimTemplates[0].metadata.name, "data");
    });

    test("what no rule lets in or out is refused", async (t) => {
      const helm = partFor(t, "helm");
      if (helm === undefined) return;
      const { of } = await render(helm, values);
      const policy = of("NetworkPolicy", "gw-bqtape").spec;
      assert.deepEqual(policy.policyTypes, ["Ingress", "Egress"]);
      assert.deepEqual(policy.podSelector.matchLabels, of("StatefulSet").spec.selector.matchLabels);
      for (const rule of [...policy.ingress, ...policy.egress]) {
        assert.equal((rule.from ?? rule.to).length > 0, true);
        assert.equal(rule.ports.length > 0, true);
      }
    });
  });
}

suite("the chart", OPTIONS, () => {
  test("is of the version that package.json has", () => {
    const { version, appVersion } = parse(readFileSync(join(CHART, "Chart.yaml"), "utf8"));
    const own = JSON.parse(readFileSync(join(CHART, "../../../package.json"), "utf8")).version;
    assert.deepEqual([version, appVersion], [own, own]);
  });

  for (const [what, change, reason] of [
    ["no image", (values) => delete values.image, /image/],
    ["no authority", (values) => delete values.authority, /authority\/existingSecret/],
    ["nobody to identify people", (values) => delete values.config.identity, /identity/],
    ["no credential", (values) => delete values.config.credential, /credential/],
    [
      "a listener of its own",
      (values) => (values.config.control = { listen: "0.0.0.0:1" }),
      /config\/control/,
    ],
    ["a misspelt value", (values) => (values.replicas = 3), /replicas/],
    [
      "a load balancer for agents that no rule lets in",
      (values) => delete values.networkPolicy.agents,
      /service\.proxy\.type is LoadBalancer, but networkPolicy lets in pods alone/,
    ],
    [
      "a control listener for outside that no rule lets in",
      (values) => {
        delete values.networkPolicy.agents;
        values.service = { control: { type: "NodePort", port: 8081 } };
      },
      /service\.control\.type is NodePort/,
    ],
    [
      "a drain of no known length",
      (values) => (values.config.proxy.drainTimeout = "soon"),
      /drainTimeout is "soon": expected a length of time, such as 30s or 5m/,
    ],
  ] as readonly (readonly [string, (values: Values) => unknown, RegExp])[]) {
    test(`refuses values with ${what}`, async (t) => {
      const helm = partFor(t, "helm");
      if (helm === undefined) return;
      const file = changed(change);
      const args = ["template", "gw", CHART, "--kube-version", RENDERED_FOR, "--values", file];
      const { code, stderr } = await check(helm, args);
      assert.equal(code, 1);
      assert.match(stderr, reason);
    });
  }

  test("with an autoscaler says how many exchanges a pod takes, and takes no pod away by itself", async (t) => {
    const helm = partFor(t, "helm");
    if (helm === undefined) return;
    const { of } = await render(helm, join(CHART, "ci/workload-identity-values.yaml"));
    const { metrics, behavior, scaleTargetRef } = of("HorizontalPodAutoscaler").spec;
    assert.equal(metrics[0].pods.metric.name, "bqtape_exchanges_in_flight");
    assert.deepEqual(behavior.scaleDown, { selectPolicy: "Disabled" });
    assert.deepEqual(scaleTargetRef, { apiVersion: "apps/v1", kind: "StatefulSet", name: "gw-bqtape" });
    assert.equal("replicas" in of("StatefulSet").spec, false);
  });

  test("keeps agents of a confined namespace from everything but the gateway and DNS", async (t) => {
    const helm = partFor(t, "helm");
    if (helm === undefined) return;
    const { of } = await render(helm, join(CHART, "ci/workload-identity-values.yaml"));
    const { metadata, spec } = of("NetworkPolicy", "gw-bqtape-only");
    assert.equal(metadata.namespace, "agents");
    assert.deepEqual([spec.podSelector, spec.policyTypes], [{}, ["Egress"]]);
    const ports = spec.egress.map((rule: { ports: { port: number }[] }) =>
      rule.ports.map(({ port }) => port),
    );
    assert.deepEqual(ports, [
      [53, 53],
      [8080, 8081],
    ]);
  });

  test("lets a load balancer's agents in by their addresses, and out what values add as it is", async (t) => {
    const helm = partFor(t, "helm");
    if (helm === undefined) return;
    const values = join(CHART, "ci/key-file-values.yaml");
    const { ingress, egress } = (await render(helm, values)).of("NetworkPolicy", "gw-bqtape").spec;
    assert.deepEqual(ingress[0].from, [{ ipBlock: { cidr: "10.0.0.0/8" } }]);
    const { networkPolicy } = parse(readFileSync(values, "utf8")) as Values;
    assert.deepEqual(egress.at(-1), networkPolicy.egress[0]);
  });

  test("asks resolvers of the cluster, and of the node itself", async (t) => {
    const helm = partFor(t, "helm");
    if (helm === undefined) return;
    const { of } = await render(helm, join(CHART, "ci/workload-identity-values.yaml"));
    for (const policy of ["gw-bqtape", "gw-bqtape-only"]) {
      const [dns] = of("NetworkPolicy", policy).spec.egress;
      assert.deepEqual(dns.ports, [
        { port: 53, protocol: "UDP" },
        { port: 53, protocol: "TCP" },
      ]);
      assert.deepEqual(dns.to.at(-1), { ipBlock: { cidr: "169.254.0.0/16" } });
    }
  });

  test("takes the rules of deploy/prometheus, and has gateways scraped as the job that they know", async (t) => {
    const helm = partFor(t, "helm");
    if (helm === undefined) return;
    const { of, all } = await render(
      helm,
      join(CHART, "ci/key-file-values.yaml"),
      ...[
        "--set",
        "serviceMonitor.enabled=true,prometheusRule.enabled=true",
        "--set-file",
        `prometheusRule.file=${RULES}`,
      ],
    );
    assert.deepEqual(of("PrometheusRule").spec, readRules());
    const { jobLabel, selector } = of("ServiceMonitor").spec;
    const wanted = Object.entries(selector.matchLabels as Record<string, string>);
    const scraped = all("Service").filter((service) =>
      wanted.every(([label, value]) => service.metadata.labels?.[label] === value),
    );
    assert.deepEqual(
      scraped.map((service) => service.metadata.labels?.[jobLabel]),
      ["bqtape"],
    );
  });
});
