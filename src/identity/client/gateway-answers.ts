import { X509Certificate } from "node:crypto";
import { z } from "zod";

/*
 * What a gateway's API answers, as far as it is read. It comes over the network, and goes into an agent's environment: each value
 * has to look like what it is.
 */

const text = z.string().max(1_024);
const time = z.iso.datetime({ offset: true });

export const issuers = z.object({
  issuers: z
    .array(
      z.object({ issuer: text, clientId: text.optional(), scopes: text.default("openid email profile") }),
    )
    .max(100),
});

export const session = z.object({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  subject: text,
  issuer: text.optional(),
  user: text,
  groups: z.array(text).max(10_000),
  agent: text.optional(),
  purpose: text.optional(),
  startedAt: time,
  expiresAt: time,
  renewBefore: time.optional(),
  renewedAt: time.optional(),
  state: z.enum(["active", "ended", "revoked"]),
  because: text.optional(),
});

export const opened = z.object({
  session,
  // What it is in an agent's environment: `bqtape:TOKEN@HOST:PORT` in a URL.
  token: z.string().regex(/^[A-Za-z0-9_-]{1,12000}$/),
  proxy: z.string().regex(/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/),
  caPem: z
    .string()
    .max(256 * 1024)
    .refine(areCertificates, "expected certificates"),
  project: z.string().regex(/^[A-Za-z0-9.:_-]{1,128}$/),
  placeholder: z.object({
    client_email: z.string().regex(/^[A-Za-z0-9.@_-]{1,320}$/),
    private_key_id: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/),
  }),
});

const whole = z.number().int().nonnegative();
export const summary = z.object({
  statements: whole,
  exchanges: whole,
  bytes: z.object({ request: whole, response: whole }),
  denied: whole,
  masked: whole,
  where: text.optional(),
});

export const problem = z.object({ error: z.object({ code: text, message: text }) });

export type OfferedIssuer = z.infer<typeof issuers>["issuers"][number];
export type GatewaySession = z.infer<typeof session>;
export type OpenedSession = z.infer<typeof opened>;
export type SessionSummary = z.infer<typeof summary>;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** PEM certificates and nothing else: agents trust what is in it. */
function areCertificates(pem: string): boolean {
  const certificates = pem.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) return false;
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
    return pem.replace(CERTIFICATE, "").trim() === "";
  } catch {
    return false;
  }
}
