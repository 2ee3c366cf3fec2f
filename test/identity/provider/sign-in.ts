import { createHash, randomBytes } from "node:crypto";

export interface Tokens {
  readonly id_token: string;
  readonly access_token: string;
  readonly refresh_token?: string;
}

const REDIRECT = "http://127.0.0.1:1/callback";

/** Signs in as a person with a browser does, without one: follows the provider's pages and fills in its forms. */
export async function codeFlow(issuer: string, clientId: string, email: string): Promise<Tokens> {
  const verifier = randomBytes(32).toString("base64url");
  const start = new URL("/auth", issuer);
  start.search = String(
    new URLSearchParams({
      client_id: clientId,
      redirect_uri: REDIRECT,
      response_type: "code",
      scope: "openid email profile offline_access",
      prompt: "consent",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    }),
  );
  const callback = await visit(start, { email });
  const code = callback.searchParams.get("code");
  if (code === null) throw new Error(`the provider gave no code: ${callback.search}`);
  const answer = await fetch(new URL("/token", issuer), {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: clientId,
      code,
      code_verifier: verifier,
      redirect_uri: REDIRECT,
    }),
  });
  if (!answer.ok) throw new Error(`the provider gave no token: ${await answer.text()}`);
  return (await answer.json()) as Tokens;
}

/** Goes from page to page, sending each form, until it is sent away from the provider. */
async function visit(start: URL, form: Record<string, string>): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = start;
  let posted = false;
  for (let step = 0; step < 20; step += 1) {
    const answer = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map((pair) => pair.join("=")).join("; ") },
      ...(posted && { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [name = "", value = ""] = cookie.split(";")[0]?.split("=") ?? [];
      cookies.set(name, value);
    }
    const body = await answer.text();
    const location = answer.headers.get("location");
    if (location === null) {
      if (posted || !answer.ok)
        throw new Error(`the provider answered ${answer.status}: ${body.slice(0, 500)}`);
      posted = true;
      continue;
    }
    posted = false;
    url = new URL(location, url);
    if (url.origin !== start.origin) return url;
  }
  throw new Error("the provider has no end of pages");
}
