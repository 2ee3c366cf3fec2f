import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import type Provider from "oidc-provider";

/** Where the provider's pages for people are. */
export const INTERACTION = "/interaction/";

/** The pages where a person says who they are (by e-mail address alone) and that the client may know it. */
export async function interact(
  provider: Provider,
  subjectOf: (email: string) => string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (request.method !== "POST") return page(response, prompt.name === "login" ? LOGIN : CONSENT);
  const form = new URLSearchParams(await text(request));
  if (form.has("refuse")) {
    const refused = { error: "access_denied", error_description: "the person said no" };
    return await provider.interactionFinished(request, response, refused);
  }
  if (prompt.name === "login") {
    const accountId = subjectOf(form.get("email") ?? "");
    if (accountId === undefined) return page(response, `<p>Nobody here has that address.</p>${LOGIN}`);
    return await provider.interactionFinished(request, response, { login: { accountId } });
  }
  const found = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const grant =
    found ?? new provider.Grant({ clientId: String(params.client_id), accountId: session?.accountId ?? "" });
  grant.addOIDCScope(String(params.scope));
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const LOGIN = `<form method="post">
  <label>E-mail <input name="email" autofocus></label> <button>Sign in</button>
</form>`;
const CONSENT = `<form method="post"><button>Allow</button> <button name="refuse" value="yes">Refuse</button></form>`;

/** The pages where a person confirms the code that another machine shows. */
export const DEVICE_PAGES = {
  userCodeConfirmSource(
    context: { body: unknown },
    form: string,
    _client: object,
    _device: object,
    code: string,
  ): void {
    context.body = `<!doctype html><title>Device</title><h1>Confirm Device</h1><code>${code}</code> ${form}
      <button type="submit" form="op.deviceConfirmForm">Continue</button>`;
  },
  successSource(context: { body: unknown }): void {
    context.body = "<!doctype html><title>Device</title><h1>Sign-in Success</h1>";
  },
};

function page(response: ServerResponse, body: string): void {
  response
    .writeHead(200, { "content-type": "text/html; charset=utf-8" })
    .end(`<!doctype html><title>Test identity provider</title>${body}`);
}
