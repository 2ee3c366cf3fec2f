import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { applyFieldsMask, parseFieldsMask } from "../../src/sandbox/fields-mask.ts";

const value = {
  kind: "k",
  items: [
    { id: 1, owner: { name: "a", mail: "b" } },
    { id: 2, owner: { name: "c", mail: "d" } },
  ],
  page: { token: "t", size: 3 },
};

suite("a fields mask keeps what it names", () => {
  const masks: [mask: string, kept: unknown][] = [
    ["kind", { kind: "k" }],
    ["kind,page", { kind: "k", page: value.page }],
    ["page/token", { page: { token: "t" } }],
    ["page(token,size)", { page: value.page }],
    ["items/id", { items: [{ id: 1 }, { id: 2 }] }],
    [
      "items(id,owner/name)",
      {
        items: [
          { id: 1, owner: { name: "a" } },
          { id: 2, owner: { name: "c" } },
        ],
      },
    ],
    ["items/owner(mail)", { items: [{ owner: { mail: "b" } }, { owner: { mail: "d" } }] }],
    [
      "items/id,items/owner/name",
      {
        items: [
          { id: 1, owner: { name: "a" } },
          { id: 2, owner: { name: "c" } },
        ],
      },
    ],
    ["page,page/token", { page: value.page }],
    ["*", value],
    ["*/token", { kind: "k", items: [{}, {}], page: { token: "t" } }],
    ["nothing", {}],
  ];
  for (const [mask, kept] of masks) {
    test(mask, () => assert.deepEqual(applyFieldsMask(value, parseFieldsMask(mask)), kept));
  }

  test("one that nests without end is refused, not followed", () => {
    assert.throws(() => parseFieldsMask("a(".repeat(100_000)), /Invalid field selection/);
    assert.throws(() => parseFieldsMask("a/".repeat(100_000)), /Invalid field selection/);
  });
});
