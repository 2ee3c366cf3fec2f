import assert from "node:assert/strict";
import { test } from "node:test";
import { allPages, blocksOf, readBlocks, textHere } from "./blocks.ts";

/** The pages whose commands tests run. */
const WALKED = ["README.md", "docs/getting-started.md"];
/** Command blocks that no test runs, over all of them. */
const MOST_NOT_RUN = 7;

const commands = WALKED.flatMap(blocksOf).filter(({ language }) => language === "sh");
const place = ({ page, line }: { page: string; line: number }): string => `${page}:${line}`;

test("every command block says what it prints or writes, or why no test runs it", () => {
  assert.notEqual(commands.length, 0);
  const silent = commands.filter(
    ({ prints, writes, notRun }) => prints.length === 0 && writes.length === 0 && notRun === undefined,
  );
  assert.deepEqual(silent.map(place), []);
});

test("no more than a handful of command blocks are not run", (t) => {
  const notRun = commands.filter(({ notRun }) => notRun !== undefined);
  for (const block of notRun) t.diagnostic(`not run: ${place(block)}: ${block.notRun}`);
  assert.ok(notRun.length <= MOST_NOT_RUN, `${notRun.length} are not run; find a way to run some`);
});

test("commands stand in fences of one kind, so that none hides from these tests", () => {
  const shells = allPages()
    .flatMap(blocksOf)
    .filter(({ language }) => /^(bash|shell|console|zsh)$/.test(language));
  assert.deepEqual(shells.map(place), []);
});

test("what a comment says is of the fence that follows it, and of no other", () => {
  const page = [
    ...["<!-- stays up: one -->", "<!-- prints: ready -->", "<!-- prints: set -->"],
    ...["```sh", "serve", "```", "", "text", "", "```yaml", "a: 1", "```"],
  ].join("\n");
  assert.deepEqual(readBlocks("page.md", page), [
    {
      ...{ page: "page.md", line: 4, language: "sh", text: "serve\n", here: [] },
      ...{ prints: ["ready", "set"], writes: [], staysUp: "one" },
    },
    {
      ...{ page: "page.md", line: 10, language: "yaml", text: "a: 1\n", here: [] },
      ...{ prints: [], writes: [] },
    },
  ]);
});

test("what stands for something here does so from its comment on, the longer text first", () => {
  const page = [
    ...["```sh", "b", "```", "<!-- here: b is x -->", "<!-- here: bb is y$ -->", "```sh", "bb b", "```"],
  ].join("\n");
  const [before, after] = readBlocks("page.md", page);
  assert.ok(before !== undefined && after !== undefined);
  assert.equal(
    textHere(before, (other) => other),
    "b\n",
  );
  assert.equal(
    textHere(after, (other) => `<${other}>`),
    "<y$> <x>\n",
  );
});

test("a comment that no fence follows, and a fence without an end, are mistakes", () => {
  assert.throws(() => readBlocks("page.md", "<!-- not run: no -->\n\ntext\n"), /page\.md:1: nothing follows/);
  assert.throws(() => readBlocks("page.md", "```sh\nls\n"), /page\.md:1: the fence does not end/);
  assert.throws(() => readBlocks("page.md", "<!-- here: nothing -->\n"), /page\.md:1: not "here/);
});
