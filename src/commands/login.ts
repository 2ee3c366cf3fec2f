import { decodeJwt } from "jose";
import type { CommandModule, InferredOptionTypes } from "yargs";
import { visible } from "../archive/print/visible.ts";
import { chooseClient } from "../identity/client/choose-client.ts";
import { login as signIn } from "../identity/client/login.ts";
import type { Login } from "../identity/client/login-store.ts";
import { LoginStore } from "../identity/client/login-store.ts";
import { stateDirectory } from "../identity/client/state-directory.ts";
import { gatewayOf, gatewayOptions } from "./gateway-option.ts";

const options = {
  ...gatewayOptions,
  issuer: { type: "string", describe: "OpenID provider to sign in at; default: the gateway's" },
  "client-id": { type: "string", describe: "what the provider calls bqtape; default: as the gateway says" },
  scope: { type: "string", describe: "what to ask for; default: as the gateway says" },
  device: {
    type: "boolean",
    describe: "sign in with a browser on another machine; default where none is here",
  },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

/** `bqtape login`: signs a person in, for a gateway. */
export const login: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "login",
  describe: "sign in, for a gateway",
  builder: (yargs) =>
    yargs
      .options(options)
      .example("bqtape login --gateway https://gateway.example:8081", "with the browser of this machine")
      .example("bqtape login --device", "with a browser elsewhere"),
  async handler({ json, device, ...given }) {
    const gateway = await gatewayOf(given);
    const store = new LoginStore(stateDirectory());
    const gained = await signIn({
      ...{ store, gateway: gateway.origin, client: await chooseClient(gateway, given), device },
      say: (text) => void process.stderr.write(text),
    });
    const user = userOf(gained);
    const expiresAt = new Date(gained.expiresAt * 1000).toISOString();
    const { issuer, refreshToken } = gained;
    process.stdout.write(
      json === true
        ? `${JSON.stringify({ gateway: gateway.origin, issuer, user, expiresAt, refreshed: refreshToken !== undefined })}\n`
        : `Signed in as ${visible(user)} at ${issuer}, for ${gateway.origin}\n`,
    );
  },
};

/** What to call the person; the gateway has the say in what is recorded. */
function userOf({ idToken }: Login): string {
  const { email, preferred_username: name, sub } = decodeJwt(idToken);
  return String(email ?? name ?? sub);
}
