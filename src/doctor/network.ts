import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls, type SecureContext, TLSSocket } from "node:tls";
import { type Dispatcher, request } from "undici";

/* Reaching others, and what was in the way, in words. */

/** Milliseconds for a connection, or for a whole answer. */
const PATIENCE = 10_000;

/** An answer to a `GET`. Times are in milliseconds since the epoch, by this machine's clock. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** The header `Date`, if there is one; of an answer that a cache kept, when it was given (`Age`, RFC 9111, section 5.1). */
  readonly date: number | undefined;
  readonly sent: number;
  readonly received: number;
  /** Milliseconds from the request to the head of its answer, connecting included. */
  readonly milliseconds: number;
}

/** @param dispatcher bounds the answer's size. @throws what was in the way. */
export async function get(
  url: string,
  dispatcher: Dispatcher,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const began = performance.now();
  const sent = Date.now();
  const answer = await request(url, { dispatcher, headers, signal: AbortSignal.timeout(PATIENCE) });
  const received = Date.now();
  const milliseconds = performance.now() - began;
  const age = Number(answer.headers.age ?? 0) * 1_000;
  const date = Date.parse(String(answer.headers.date)) + age;
  return {
    status: answer.statusCode,
    body: await answer.body.text(),
    date: Number.isNaN(date) ? undefined : date,
    ...{ sent, received, milliseconds },
  };
}

export interface DialOptions {
  /** Absent: TCP alone. */
  readonly trust?: SecureContext | undefined;
  readonly signal: AbortSignal;
}

export interface Dialled {
  readonly milliseconds: number;
  /** What both speak, by ALPN (RFC 7301); absent without TLS, or where the other end does not say. */
  readonly protocol?: string;
}

/** Connects to an origin, over TLS if it is given what to trust, and hangs up. @throws what was in the way. */
export async function dial(origin: string, { trust, signal }: DialOptions): Promise<Dialled> {
  const { hostname, port, protocol } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  const at = { host, port: Number(port || (protocol === "https:" ? 443 : 80)) };
  const began = performance.now();
  const socket =
    trust === undefined
      ? connectPlain(at)
      : connectTls({
          ...at,
          ...(isIP(host) === 0 && { servername: host }),
          secureContext: trust,
          ALPNProtocols: ["h2", "http/1.1"],
        });
  try {
    await connected(socket, trust === undefined ? "connect" : "secureConnect", signal);
    const milliseconds = performance.now() - began;
    const protocol = socket instanceof TLSSocket ? socket.alpnProtocol : false;
    return { milliseconds, ...(typeof protocol === "string" && { protocol }) };
  } finally {
    socket.destroy();
  }
}

/** Resolves with a socket's event. @throws the socket's error, or a timeout's. */
export async function connected(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const over = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  const late = (): void => reject(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
  if (over.aborted) late();
  over.addEventListener("abort", late, { once: true });
  socket.once(event, () => resolve());
  socket.on("error", reject);
  socket.once("close", () =>
    reject(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" })),
  );
  try {
    await promise;
  } finally {
    over.removeEventListener("abort", late);
  }
}

/** What kept one from another: where to look for the fix. */
type Kind = "name" | "refused" | "silent" | "trust" | "certificate" | "plain" | "cut" | "other";

interface Obstacle {
  readonly kind: Kind;
  /** What it is, in words. */
  readonly why: string;
}

const OBSTACLES: readonly (readonly [codes: RegExp, kind: Kind, why: string])[] = [
  [/^(?:ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL)$/, "name", "its name is not known here"],
  [/^ECONNREFUSED$/, "refused", "nothing listens there"],
  [
    /^(?:ETIMEDOUT|UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT|EHOSTUNREACH|ENETUNREACH|TimeoutError)$/,
    "silent",
    "no answer comes from there",
  ],
  [
    /^(?:SELF_SIGNED_CERT\w*|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(?:VERIFY|GET_ISSUER)\w*|CERT_UNTRUSTED)$/,
    "trust",
    "its certificate is of an authority that is not trusted here",
  ],
  [
    /^(?:CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)$/,
    "certificate",
    "its certificate is not valid for it now",
  ],
  [/^(?:EPROTO|ERR_SSL_\w+)$/, "plain", "it does not speak TLS"],
  [/^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET)$/, "cut", "it closed the connection"],
];

/** What an error of the network means: told by all of what caused it, the outermost first. */
export function obstacleOf(error: unknown): Obstacle {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    const { code = "" } = at as Error & { code?: unknown };
    const inner = at instanceof AggregateError ? at.errors : [];
    for (const mark of [code, at.name, ...inner.map((each: { code?: unknown }) => each?.code)]) {
      const found = OBSTACLES.find(([codes]) => codes.test(String(mark)));
      if (found !== undefined) return { kind: found[1], why: `${found[2]} (${String(mark)})` };
    }
  }
  return { kind: "other", why: error instanceof Error ? error.message : String(error) };
}

/** Keys of the configuration that decide over a connection. */
export interface Keys {
  /** Names the address. */
  readonly address: string;
  /** Names more authorities to trust. */
  readonly trust: string;
}

/** How to mend what kept one from `where`. */
export function fixOf({ kind }: Obstacle, where: string, { address, trust }: Keys): string {
  switch (kind) {
    case "name":
      return `mend the name in ${address}, or this machine's DNS: getent hosts must know it`;
    case "refused":
      return `start what should listen at ${where}, or mend the address in ${address}`;
    case "silent":
      return `open the way from here to ${where} (firewall, route), without a proxy: the gateway uses none`;
    case "trust":
      return `name its authority, PEM, in ${trust}; if something on the way replaces certificates, let it leave this host alone`;
    case "certificate":
      return `renew the certificate of ${where}, or name the host as its certificate does in ${address}; check this machine's clock`;
    case "plain":
      return `name it with http:// in ${address}, or let ${where} speak TLS`;
    case "cut":
      return `look into the log of ${where}, and of what is on the way to it`;
    case "other":
      return `check ${address} and ${trust}`;
  }
}
