import assert from "node:assert/strict";
import { test } from "node:test";
import { multipartMetadata } from "../../src/bigquery/multipart.ts";

const TYPE = "multipart/related; boundary=sep";
const JSON_HEAD = "Content-Type: application/json";

function body(head = JSON_HEAD, json = "{}"): Buffer {
  const media = "Content-Type: text/csv\r\n\r\n1,2";
  return Buffer.from(`--sep\r\n${head}\r\n\r\n${json}\r\n--sep\r\n${media}\r\n--sep--`, "latin1");
}

/** The JSON that is found, or why there is none. */
function found(contentType: string | undefined, bytes = body()): string {
  const metadata = multipartMetadata(bytes, contentType);
  return metadata.state === "part" ? metadata.json.toString() : metadata.state;
}

const TYPES = [
  ...[TYPE, 'multipart/related; boundary="sep"', "Multipart/Related;Boundary=sep", `${TYPE};`],
  ...['multipart/related; type="application/json"; boundary=sep', `${TYPE} ; type=x ; charset="a;b=c"`],
];

for (const type of TYPES) {
  test(`the first part is found by ${type}`, () => assert.equal(found(type), "{}"));
}

test("a boundary as Python's clients make it is found", () => {
  const boundary = "===============0123456789==";
  const bytes = Buffer.from(body().toString("latin1").replaceAll("--sep", `--${boundary}`), "latin1");
  assert.equal(found(`multipart/related; boundary="${boundary}"`, bytes), "{}");
});

/** Of these, different readers take different boundaries, or none. */
const AMBIGUOUS_TYPES = [
  ...[undefined, "", "multipart/related", "multipart/mixed; boundary=sep", "multipart/related, text/plain"],
  ...[`${TYPE}; boundary=sep`, `${TYPE}; Boundary=other`, "multipart/related; boundary=other; boundary=sep"],
  ...[
    `${TYPE}; x="; boundary=other"`,
    'multipart/related; x="; boundary=sep"',
    `${TYPE}; x="boundary=other"`,
  ],
  ...[`${TYPE}; boundary*=other`, `${TYPE}; boundary*0=other`, `${TYPE}; start="<other>"`],
  ...[
    "multipart/related; boundary = sep",
    "multipart/related; boundary= sep",
    "multipart/related boundary=sep",
  ],
  ...[
    'multipart/related; boundary="s\\ep"',
    `${TYPE}; x="\\"; boundary=other"`,
    `${TYPE}; x="a`,
    `${TYPE}; x`,
  ],
  ...[
    `${TYPE}, multipart/related; boundary=other`,
    "multipart/related; boundary=",
    'multipart/related; boundary=""',
  ],
  ...["multipart/related; boundary='sep'", `multipart/related; boundary="${"s".repeat(71)}"`],
  ...[
    'multipart/related; boundary="sep "',
    "multipart/related; boundary=s*p",
    "multipart/related; boundary=sép",
  ],
];

for (const type of AMBIGUOUS_TYPES) {
  test(`no part is found by ${type?.slice(0, 60)}`, () => assert.equal(found(type), "malformed"));
}

const HEADS = [
  ...[JSON_HEAD, "content-type:application/json; charset=UTF-8", `MIME-Version: 1.0\r\n${JSON_HEAD}`],
  ...["binary", "8bit", "7BIT"].map((encoding) => `${JSON_HEAD}\r\nContent-Transfer-Encoding: ${encoding}`),
  `Content-Length: 2\r\n${JSON_HEAD}\r\nContent-Encoding: binary`,
];

for (const head of HEADS) {
  test(`a part with the head ${JSON.stringify(head)} is taken`, () =>
    assert.equal(found(TYPE, body(head)), "{}"));
}

/** Where these end, and what they say of the part, differs from reader to reader. */
const AMBIGUOUS_HEADS = [
  ...["", "Content-Type: text/csv", "X-A: 1", "Content-Type: application/jsonx", `\r\n${JSON_HEAD}`],
  ...[
    `${JSON_HEAD}\r\nContent-Type: text/csv`,
    `Content-Type: text/csv\r\n${JSON_HEAD}`,
    `${JSON_HEAD}\r\n${JSON_HEAD}`,
  ],
  ...[`${JSON_HEAD}\nX-A: 1`, `X-A: 1\n\n{}\n${JSON_HEAD}`, `X-A: 1\r${JSON_HEAD}`, `X-A: 1\n${JSON_HEAD}`],
  ...["Content-Type:\r\n application/json", `X-A: 1\r\n ${JSON_HEAD}`, `X-A: 1\r\n\tfolded\r\n${JSON_HEAD}`],
  ...[
    "Content-Type : application/json",
    "Content-Type:\u00a0application/json",
    `nothing\r\n${JSON_HEAD}`,
    `: x\r\n${JSON_HEAD}`,
    `X-A: \0\r\n${JSON_HEAD}`,
  ],
  ...["base64", "quoted-printable", "", "binary, base64", "x-unknown"].map(
    (encoding) => `${JSON_HEAD}\r\nContent-Transfer-Encoding: ${encoding}`,
  ),
  `${JSON_HEAD}\r\nContent-Transfer-Encoding: binary\r\nContent-Transfer-Encoding: base64`,
  ...[
    `${JSON_HEAD}\r\nContent-Encoding: gzip`,
    `${JSON_HEAD}; charset=utf-16`,
    `${JSON_HEAD}; charset=utf-7`,
  ],
  `${JSON_HEAD}\r\nX-A: ${"x".repeat(4_096)}`,
];

for (const head of AMBIGUOUS_HEADS) {
  test(`a part with the head ${JSON.stringify(head.slice(0, 80))} is refused`, () => {
    assert.equal(found(TYPE, body(head)), "malformed");
  });
}

test("a line that only begins as the boundary ends no part, to some, so nothing is taken", () => {
  for (const line of ["--separator", "--sep ", "--sep-", "--sep\n", "--sep\r{"]) {
    assert.equal(found(TYPE, body(JSON_HEAD, `{}\r\n${line}\r\n{}`)), "malformed", line);
  }
});

test("a part is waited for until its boundary is whole", () => {
  const whole = body();
  const end = whole.indexOf("\r\n--sep\r\nContent-Type: text/csv") + "\r\n--sep\r\n".length;
  for (let length = 0; length < end; length += 1) {
    assert.equal(found(TYPE, whole.subarray(0, length)), "more", String(length));
  }
  assert.equal(found(TYPE, whole.subarray(0, end)), "{}");
});
