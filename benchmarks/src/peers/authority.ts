import { createAuthority } from "../../../src/certificates/authority.ts";
import { issueLeaf } from "../../../src/certificates/leaf.ts";

/** A server's P-256 key and certificate, and the authority behind it. PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

export async function issueIdentity(commonName: string, hosts: readonly string[]): Promise<Identity> {
  const authority = await createAuthority({ commonName });
  const { key, cert } = await issueLeaf(authority, { hosts: [...hosts, "127.0.0.1"] });
  return { key, cert, ca: authority.certificatePem };
}
