/** Why nobody could be signed in, or a gateway gave no session; the message says what to do. */
export class LoginError extends Error {
  override readonly name = "LoginError";
}
