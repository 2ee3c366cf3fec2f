import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { partFor } from "../clients/support/parts.ts";
import { check } from "./run.ts";

/*
 * The providers are not to be had without a network, so `terraform validate` is not run here: syntax and form are checked by
 * HCL's own program, and names by what follows.
 */

const FOLDER = join(import.meta.dirname, "../../deploy/terraform");
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".tf"));
const all = FILES.map((name) => readFileSync(join(FOLDER, name), "utf8")).join("\n");
const code = all.replaceAll(/(?:^|\s)#.*$/gm, "");

function found(pattern: RegExp): string[] {
  return [...new Set([...code.matchAll(pattern)].map(([, name]) => name ?? ""))].sort();
}

test("every file is Terraform's language, in its form", { timeout: 60_000 }, async (t) => {
  const hclfmt = partFor(t, "hcl");
  if (hclfmt === undefined) return;
  for (const file of FILES) {
    const { code: exit, stderr } = await check(hclfmt, ["-require-no-change", join(FOLDER, file)]);
    assert.equal(exit, 0, stderr);
  }
});

test("every variable is declared, described and used", () => {
  const declared = found(/^variable "(\w+)"/gm);
  assert.deepEqual(declared, found(/\bvar\.(\w+)/g));
  for (const [, name, block = ""] of code.matchAll(/^variable "(\w+)" \{\n([\s\S]*?)^\}/gm)) {
    assert.match(block, /^ {2}type +=/m, name);
    assert.match(block, /^ {2}description +=/m, name);
  }
});

test("every resource that is named is declared", () => {
  const declared = [...code.matchAll(/^resource "(\w+)" "(\w+)"/gm)].map(
    ([, type, name]) => `${type}.${name}`,
  );
  const named = found(/\b(google_\w+\.\w+)/g);
  assert.equal(named.length > 5, true);
  assert.deepEqual(
    named.filter((name) => !declared.includes(name)),
    [],
  );
});

test("the gateway's account has no role that is for owners, editors or administrators", () => {
  const roles = found(/"roles\/([\w.]+)"/g);
  assert.deepEqual(roles, [
    "bigquery.dataEditor",
    "bigquery.dataViewer",
    "bigquery.jobUser",
    "cloudkms.cryptoKeyEncrypterDecrypter",
    "iam.serviceAccountTokenCreator",
    "iam.workloadIdentityUser",
  ]);
  assert.doesNotMatch(code, /google_service_account_key/);
});

test("Data Access logs are turned on for IAM, since IAM Credentials cannot have them by itself", () => {
  const [, block = ""] =
    /^resource "google_project_iam_audit_config" "\w+" \{\n([\s\S]*?)^\}/m.exec(code) ?? [];
  assert.match(block, /service = "iam\.googleapis\.com"/);
  const types = [...block.matchAll(/log_type = "(\w+)"/g)].map(([, type]) => type);
  assert.deepEqual(types, ["ADMIN_READ", "DATA_READ"]);
  assert.match(code, /protoPayload\.serviceName="iamcredentials\.googleapis\.com"/);
});

test("each account can be used without a key: in Kubernetes, and by impersonation", () => {
  for (const role of ["workloadIdentityUser", "serviceAccountTokenCreator"]) {
    const blocks = [...code.matchAll(/^resource "google_service_account_iam_member" [\s\S]*?^\}/gm)];
    const accounts = blocks
      .filter(([block]) => block.includes(`"roles/iam.${role}"`))
      .map(([block]) => /google_service_account\.(\w+)/.exec(block)?.[1]);
    assert.deepEqual(accounts.sort(), ["archive", "gateway"], role);
  }
});

test("the page names every variable and output", () => {
  const page = readFileSync(join(FOLDER, "README.md"), "utf8");
  for (const name of [...found(/^variable "(\w+)"/gm), ...found(/^output "(\w+)"/gm)])
    assert.equal(page.includes(`\`${name}\``), true, name);
});
