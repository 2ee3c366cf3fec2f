import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { createAuthority } from "../../src/certificates/authority.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";
import { signCertificate } from "../../src/certificates/sign-certificate.ts";
import { startCluster } from "../kafka/cluster.ts";
import { createTopic } from "../kafka/read.ts";
import { addScramUser } from "../kafka/scram.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { CLIENTS, connectedSink, newSink, record, rejectsWith } from "./support.ts";

limitProcess(120_000);

const PASSWORD = `secret=${randomBytes(9).toString("base64")},ü`;
const LOGIN_MODULES = "org.apache.kafka.common.security";

/** A token as an unsecured JWS (RFC 7515, appendix A.5), which a broker takes that has no keys. */
function bearer(subject: string): string {
  const now = Math.floor(Date.now() / 1_000);
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  return `${encode({ alg: "none" })}.${encode({ sub: subject, iat: now, exp: now + 600 })}.`;
}

/** A certificate that its holder issued; those of `src/certificates` are for servers only. */
async function selfSigned(commonName: string): Promise<{ key: string; cert: string }> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const der = await signCertificate({
    subject: { organization: "test", commonName },
    publicKey,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [],
    signingKey: privateKey,
  });
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: new X509Certificate(der).toString(),
  };
}

test("a sink and who is at its other end", { timeout: 90_000 }, async (t) => {
  const directory = temporaryDirectory();
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const [authority, another] = await Promise.all([
    createAuthority({ commonName: "test brokers" }),
    createAuthority({ commonName: "somebody else" }),
  ]);
  const [own, elsewhere] = await Promise.all([
    issueLeaf(authority, { hosts: ["127.0.0.1"] }),
    issueLeaf(authority, { hosts: ["elsewhere.example"] }),
  ]);
  const visitor = await selfSigned("visitor");
  const caFile = file("ca.pem", authority.certificatePem);
  const tls = (leaf: { key: string; cert: string }, name: string) => ({
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": file(name, `${leaf.key}\n${leaf.cert}`),
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": file("clients.pem", visitor.cert),
  });
  const cluster = await startCluster(t, {
    listeners: [
      {
        name: "SASL",
        protocol: "SASL_PLAINTEXT",
        properties: {
          "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
          "plain.sasl.jaas.config": `${LOGIN_MODULES}.plain.PlainLoginModule required user_bqtape="${PASSWORD.replace("ü", "\\u00fc")}";`,
          "scram-sha-256.sasl.jaas.config": `${LOGIN_MODULES}.scram.ScramLoginModule required;`,
          "scram-sha-512.sasl.jaas.config": `${LOGIN_MODULES}.scram.ScramLoginModule required;`,
          "oauthbearer.sasl.jaas.config": `${LOGIN_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
        },
      },
      { name: "TLS", protocol: "SSL", properties: tls(own, "own.pem") },
      {
        name: "MUTUAL",
        protocol: "SSL",
        properties: { ...tls(own, "own.pem"), "ssl.client.auth": "required" },
      },
      { name: "ELSEWHERE", protocol: "SSL", properties: tls(elsewhere, "elsewhere.pem") },
    ],
  });
  if (cluster === undefined) return;
  const [broker] = cluster.brokers;
  assert.ok(broker);
  for (const mechanism of ["scram-sha-256", "scram-sha-512"] as const)
    await addScramUser(broker.port(), { mechanism, username: "bqtape", password: PASSWORD });
  await createTopic(cluster.addresses(), "topic");
  const passwordFile = file("password", `${PASSWORD}\n`);
  const wrongFile = file("wrong", "wrong");

  for (const client of CLIENTS) {
    const sasl = { client, brokers: cluster.addresses("SASL") };
    const works = async (t: Parameters<typeof connectedSink>[0], keys: Record<string, unknown>) => {
      const sink = await connectedSink(t, keys);
      await sink.sendBatch("topic", 0, [record("a")]);
    };

    for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"]) {
      const user = { mechanism, username: "bqtape" };
      await t.test(`${client}: ${mechanism} with the password from a file`, (t) =>
        works(t, { ...sasl, sasl: { ...user, passwordFile } }),
      );
      await t.test(`${client}: ${mechanism} with a wrong password is authentication, in words`, async (t) => {
        const sink = await newSink(t, { ...sasl, sasl: { ...user, passwordFile: wrongFile } });
        await rejectsWith(sink.connect(), "authentication", /Check kafka\.sasl: mechanism, user and secret/);
      });
    }

    await t.test(`${client}: a password from an environment variable`, async (t) => {
      process.env.TEST_KAFKA_PASSWORD = PASSWORD;
      t.after(() => delete process.env.TEST_KAFKA_PASSWORD);
      const user = { mechanism: "plain", username: "bqtape", passwordEnv: "TEST_KAFKA_PASSWORD" };
      await works(t, { ...sasl, sasl: user });
    });

    await t.test(`${client}: a bearer token from a file`, (t) =>
      works(t, { ...sasl, sasl: { mechanism: "oauthbearer", tokenFile: file("token", bearer("bqtape")) } }),
    );

    await t.test(
      `${client}: a bearer token that the broker does not take is told with the key`,
      async (t) => {
        const tokenFile = file("token", "not.a.token");
        const sink = await newSink(t, { ...sasl, sasl: { mechanism: "oauthbearer", tokenFile } });
        // The broker closes the connection, and kafkajs hears no more than that.
        await assert.rejects(sink.connect(), /kafka\.sasl/);
      },
    );

    await t.test(`${client}: a listener that asks for credentials, and none are set`, async (t) => {
      const sink = await newSink(t, { ...sasl, connectTimeout: "2s" });
      await rejectsWith(sink.connect(), "unreachable", /kafka\.sasl/);
    });

    await t.test(`${client}: TLS with the brokers' authority`, (t) =>
      works(t, { client, brokers: cluster.addresses("TLS"), tls: { caFile } }),
    );

    await t.test(`${client}: TLS with another authority is tls, in words`, async (t) => {
      const wrong = { caFile: file("another.pem", another.certificatePem) };
      const sink = await newSink(t, { client, brokers: cluster.addresses("TLS"), tls: wrong });
      await rejectsWith(sink.connect(), "tls", /kafka\.tls\.caFile/);
    });

    await t.test(`${client}: a certificate for another host is tls`, async (t) => {
      const sink = await newSink(t, { client, brokers: cluster.addresses("ELSEWHERE"), tls: { caFile } });
      await rejectsWith(sink.connect(), "tls", /127\.0\.0\.1/);
    });

    await t.test(`${client}: a client certificate where the brokers ask for one`, async (t) => {
      const { key, cert } = visitor;
      const certificate = { caFile, keyFile: file("client.key", key), certFile: file("client.pem", cert) };
      const brokers = cluster.addresses("MUTUAL");
      const without = await newSink(t, { client, brokers, tls: { caFile } });
      await rejectsWith(without.connect(), "tls", /certFile/);
      await works(t, { client, brokers, tls: certificate });
    });

    await t.test(`${client}: TLS to a listener that does not speak it is tls`, async (t) => {
      const sink = await newSink(t, { client, brokers: cluster.addresses(), tls: { caFile } });
      await rejectsWith(sink.connect(), "tls", /Check that the listener speaks TLS/);
    });

    await t.test(`${client}: no TLS to a listener that speaks it is told with the mend`, async (t) => {
      const sink = await newSink(t, { client, brokers: cluster.addresses("TLS"), connectTimeout: "1s" });
      await assert.rejects(sink.connect(), /kafka\.tls/);
    });
  }

  await t.test("a bearer token from an endpoint, for the client's id and secret", async (t) => {
    const asked: (string | undefined)[] = [];
    const endpoint = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      asked.push(request.headers.authorization, body);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ access_token: bearer("bqtape"), token_type: "Bearer", expires_in: 600 }));
    });
    await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve));
    t.after(() => endpoint.close());
    const tokenUrl = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`;
    const sink = await connectedSink(t, {
      brokers: cluster.addresses("SASL"),
      sasl: {
        mechanism: "oauthbearer",
        ...{ tokenUrl, clientId: "a:b", clientSecretFile: file("secret", "s cret\n"), scope: "kafka" },
      },
    });
    await sink.sendBatch("topic", 0, [record("a")]);
    assert.deepEqual(asked, [
      `Basic ${Buffer.from("a%3Ab:s+cret").toString("base64")}`,
      "grant_type=client_credentials&scope=kafka",
    ]);
  });

  await t.test("a secret that is not to be had is misconfigured, by its key", async (t) => {
    const brokers = ["127.0.0.1:1"];
    const user = { mechanism: "plain", username: "bqtape" };
    const absent = newSink(t, { brokers, sasl: { ...user, passwordFile: join(directory, "absent") } });
    await rejectsWith(absent, "misconfigured", /kafka\.sasl\.passwordFile .*absent cannot be read/);
    const unset = newSink(t, { brokers, sasl: { ...user, passwordEnv: "TEST_KAFKA_UNSET" } });
    await rejectsWith(
      unset,
      "misconfigured",
      /kafka\.sasl\.passwordEnv names TEST_KAFKA_UNSET, which is not set/,
    );
    const noCa = newSink(t, { brokers, tls: { caFile: join(directory, "absent.pem") } });
    await rejectsWith(noCa, "misconfigured", /kafka\.tls\.caFile .*absent\.pem cannot be read/);
  });
});
