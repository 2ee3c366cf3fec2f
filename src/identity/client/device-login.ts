import { type Configuration, initiateDeviceAuthorization, pollDeviceAuthorizationGrant } from "openid-client";
import { visible } from "../../archive/print/visible.ts";
import { LoginError } from "./errors.ts";
import { isSafe, type LoginClient, reasonOf, toLogin } from "./issuer.ts";
import type { Login } from "./login-store.ts";

/** What a person has to do, with a browser anywhere. */
export interface DeviceInstructions {
  /** To open; with the code in it where the provider can do that. */
  readonly url: URL;
  /** To compare, or to type in. */
  readonly code: string;
}

/**
 * Signs in where there is no browser: a person opens an address on any machine and enters a code (RFC 8628).
 *
 * @throws {LoginError} when the provider cannot do that, the person refuses, or the code expires.
 */
export async function deviceLogin(
  configuration: Configuration,
  client: LoginClient,
  show: (instructions: DeviceInstructions) => void,
): Promise<Login> {
  if (configuration.serverMetadata().device_authorization_endpoint === undefined)
    throw new LoginError(
      `the OpenID provider ${client.issuer} has no device flow: sign in on a machine with a browser`,
    );
  try {
    const device = await initiateDeviceAuthorization(configuration, { scope: client.scope });
    const url = URL.parse(device.verification_uri_complete ?? device.verification_uri);
    if (url === null || !isSafe(url)) throw new LoginError("the provider's sign-in page is not on https");
    show({ url, code: visible(device.user_code).slice(0, 64) });
    return toLogin(client, await pollDeviceAuthorizationGrant(configuration, device));
  } catch (error) {
    if (error instanceof LoginError) throw error;
    throw new LoginError(`not signed in: ${reasonOf(error)}`, { cause: error });
  }
}
