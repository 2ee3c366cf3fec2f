import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { test } from "node:test";
import { localUser } from "../../src/identity/local-user.ts";

test("whoever runs this is called as the system calls them", () => {
  assert.equal(localUser(), userInfo().username);
});

test("a user that the system has no name for is called by number", {
  skip: process.platform === "win32",
}, () => {
  const nameless = (): never => {
    throw new Error("uv_os_get_passwd returned ENOENT");
  };
  assert.equal(localUser(nameless), `uid-${process.geteuid?.()}`);
});
