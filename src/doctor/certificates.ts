import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { duplexPair } from "node:stream";
import { checkServerIdentity, connect, createServer } from "node:tls";
import { INTERCEPTED_HOSTS } from "../bigquery/hosts.ts";
import type { Authority } from "../certificates/authority.ts";
import { readAuthority } from "../certificates/authority-files.ts";
import { AuthorityError } from "../certificates/errors.ts";
import { issueLeaf, type LeafKind } from "../certificates/leaf.ts";
import { certificatesIn } from "../certificates/parse-authority.ts";
import { type ConfiguredCheck, type Finding, fail, halves, messageOf, ok, warn } from "./check.ts";
import { gatewayUserOf } from "./gateway-user.ts";
import { couldMake, isThere, nearest } from "./nearest.ts";
import { connected } from "./network.ts";

type Part = "authority" | "expiry" | "leaf" | "upstream";

const DAY = 86_400_000;
/** Days before its end from which an authority of the upstream's is told. */
const SOON = 30;

/** The authority that agents trust, and those that the gateway trusts. */
export const certificatesCheck: ConfiguredCheck<Part> = {
  name: "certificates",
  needs: "configuration",
  parts: ["authority", "expiry", "leaf", "upstream"],
  limit: 20_000,
  async *run({ config: { ca, dataDir, upstream } }, signal) {
    yield* own(ca, await gatewayUserOf(dataDir), signal);
    if (upstream.caFile !== undefined) yield* trusted(upstream.caFile);
  },
};

async function* own(
  files: { readonly cert: string; readonly key: string },
  reader: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Finding<Part>> {
  const [cert, key] = [await isThere(files.cert), await isThere(files.key)];
  if (!cert && !key) {
    for (const file of [files.cert, files.key]) {
      if (await couldMake(file)) continue;
      const fix = `let the gateway's user write there, or set other paths in ca.cert and ca.key`;
      yield fail("authority", `not there yet, and ${file} cannot be made in ${await nearest(file)}`, fix);
      return;
    }
    yield ok("authority", `not there yet: the gateway makes it at its first start, as ${files.cert}`);
    return;
  }
  // Reading would put it there, and nothing is changed here.
  if (!cert) {
    yield warn(
      "authority",
      `${files.cert} is not there, but its key ${files.key} is`,
      "start the gateway, or bqtape ca init: the certificate is put back where the key file has it, too",
    );
    return;
  }
  try {
    const authority = await readAuthority(files, { reader });
    if (authority === undefined) return;
    yield ok("authority", `${files.cert} and its key are sound`, `sha256 ${authority.fingerprint256}`);
    const until = authority.notAfter.toISOString().slice(0, 10);
    yield authority.expiresSoon
      ? warn("expiry", `the authority ends on ${until}`, RENEW)
      : ok("expiry", `the authority is valid until ${until}`);
    yield* leaves(authority, signal);
  } catch (error) {
    if (!(error instanceof AuthorityError)) throw error;
    const { summary, fix } = halves(error.message, "see certs/README.md");
    yield fail(error.code === "expired" ? "expiry" : "authority", summary, fix);
  }
}

const RENEW =
  "before then put another in ca.cert and ca.key (certs/README.md), and run bqtape env again for each agent: none trusts the new one by itself";

/** Makes leaves as agents are shown them, and looks at them as agents do: chain, names, purpose, in a handshake. */
async function* leaves(authority: Authority, signal: AbortSignal): AsyncGenerator<Finding<Part>> {
  for (const kind of ["ec", "rsa"] as const) {
    try {
      await handshake(authority, kind, signal);
    } catch (error) {
      yield fail(
        "leaf",
        `an agent would not take an ${kind.toUpperCase()} certificate of this authority: ${messageOf(error)}`,
        "use an authority that may issue for googleapis.com (see certs/README.md), or remove ca.cert and ca.key to have one made",
      );
      return;
    }
  }
  yield ok("leaf", `certificates for ${INTERCEPTED_HOSTS.join(", ")} hold in a handshake`);
}

async function handshake(authority: Authority, kind: LeafKind, signal: AbortSignal): Promise<void> {
  const { key, cert } = await issueLeaf(authority, { hosts: INTERCEPTED_HOSTS, key: kind });
  const [leaf, issuer] = certificatesIn(cert).map((pem) => new X509Certificate(pem));
  if (leaf === undefined || issuer === undefined || !leaf.checkIssued(issuer))
    throw new Error("it does not name its issuer, or its issuer's key, as strict verifiers want");
  const [ours, theirs] = duplexPair();
  const server = createServer({ key, cert });
  // What goes wrong the other end tells better.
  server.on("tlsClientError", () => undefined);
  server.emit("connection", ours);
  const [servername = ""] = INTERCEPTED_HOSTS;
  const socket = connect({ socket: theirs, servername, ca: authority.certificatePem });
  try {
    await connected(socket, "secureConnect", signal);
    for (const host of INTERCEPTED_HOSTS) {
      const fault = checkServerIdentity(host, socket.getPeerCertificate());
      if (fault !== undefined) throw fault;
    }
  } finally {
    socket.destroy();
    ours.destroy();
  }
}

/** What the gateway trusts upstream besides the usual roots. */
async function* trusted(caFile: string): AsyncGenerator<Finding<Part>> {
  let certificates: X509Certificate[];
  try {
    certificates = certificatesIn(await readFile(caFile, "utf8")).map((pem) => new X509Certificate(pem));
  } catch (error) {
    yield fail("upstream", `upstream.caFile ${caFile}: ${messageOf(error)}`, PEM);
    return;
  }
  if (certificates.length === 0) {
    yield fail("upstream", `upstream.caFile ${caFile} holds no certificate`, PEM);
    return;
  }
  const [first, ...others] = certificates.toSorted(
    (a, b) => a.validToDate.getTime() - b.validToDate.getTime(),
  );
  const until = first?.validToDate ?? new Date(0);
  const day = until.toISOString().slice(0, 10);
  const name = (first?.subject ?? "").replaceAll("\n", ", ");
  const fix = `put the one that is valid into ${caFile}`;
  if (until.getTime() <= Date.now()) {
    // With others beside it, it may be one that was left there.
    const tell = others.length === 0 ? fail : warn;
    yield tell("upstream", `in upstream.caFile ${caFile} ${name} ended on ${day}`, fix);
  } else if (until.getTime() - Date.now() < SOON * DAY)
    yield warn("upstream", `in upstream.caFile ${caFile} ${name} ends on ${day}`, `${fix}, before then`);
  else yield ok("upstream", `upstream.caFile is valid until ${day}`);
}

const PEM =
  "name a file with certificates in PEM, as of the authority of upstream.overrides, or leave the key out";
