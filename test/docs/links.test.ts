import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

const PAGES = globSync(["*.md", "{docs,certs,deploy,benchmarks,test}/**/*.md"], {
  exclude: (path) => path.includes("node_modules"),
});

test("there are pages whose links are checked", () => {
  for (const page of ["README.md", "docs/README.md", "docs/reference/errors.md"])
    assert.ok(PAGES.includes(page), page);
});

for (const page of PAGES) {
  test(`every relative link of ${page} leads somewhere`, () => {
    const broken = linksOf(page).flatMap((link) => {
      const fault = faultOf(page, link);
      return fault === undefined ? [] : [`${link}: ${fault}`];
    });
    assert.deepEqual(broken, []);
  });
}

test("what the threat model names in code and tests is there", () => {
  const spans = [...readFileSync("docs/threat-model.md", "utf8").matchAll(/`([a-z][\w-]*\/[\w./-]*)`/g)];
  const paths = spans.map(([, path = ""]) => path);
  assert.ok(paths.length > 50, "paths are found");
  assert.deepEqual(
    paths.filter((path) => !existsSync(path) && !existsSync(join("src", path))),
    [],
  );
});

/** Of links and images, those that stay in the tree; not what only looks like one in code. */
function linksOf(page: string): string[] {
  const text = withoutCode(readFileSync(page, "utf8"));
  const links = [...text.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => !/^[a-z][a-z0-9+.-]*:/i.test(link));
}

function withoutCode(text: string): string {
  return text.replaceAll(/^ *```[\s\S]*?^ *```/gm, "").replaceAll(/(?<!\[)`[^`\n]*`(?!\])/g, "");
}

/** Why a link leads nowhere; `undefined` of one that does not. */
function faultOf(page: string, link: string): string | undefined {
  const [path = "", anchor] = link.split("#", 2);
  const target =
    path === "" ? page : normalize(join(dirname(page), decodeURIComponent(path))).replace(/\/$/, "");
  if (!existsSync(target)) return "no such file";
  if (anchor === undefined || statSync(target).isDirectory() || !target.endsWith(".md")) return undefined;
  return anchorsOf(target).has(anchor) ? undefined : "no such heading";
}

/** Headings as GitHub makes anchors of them. */
function anchorsOf(page: string): ReadonlySet<string> {
  const text = readFileSync(page, "utf8").replaceAll(/^ *```[\s\S]*?^ *```/gm, "");
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ""] of text.matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    anchors.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return anchors;
}
