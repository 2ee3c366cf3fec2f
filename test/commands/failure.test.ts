import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthorityError } from "../../src/certificates/errors.ts";
import { isGiven, UsageError } from "../../src/commands/failure.ts";
import { ConfigError } from "../../src/config/errors.ts";
import { CredentialError } from "../../src/credentials/credential.ts";

test("what a command was given is wrong whenever it is tried", () => {
  for (const error of [
    new UsageError("--since is later than --until"),
    new ConfigError("nobody could be identified"),
    new CredentialError("credential.keyFile cannot be read"),
    new AuthorityError("mismatched", "the certificate belongs to another key"),
  ])
    assert.equal(isGiven(error), true, error.message);
});

test("what may be otherwise at the next try is not what the command was given", () => {
  for (const error of [
    new ConfigError("the port is in use", { passing: true }),
    new CredentialError("the metadata server does not answer", { passing: true }),
    new AuthorityError("unwritable", "the directory is read-only"),
    new Error("anything else"),
    "no error at all",
  ])
    assert.equal(isGiven(error), false, String(error));
});
