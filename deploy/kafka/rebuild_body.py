#!/usr/bin/env python3
"""Rebuilds one body from bqtape's topic of bodies and verifies it. Nothing but Python's standard library.

    kcat -C -b BROKER -t bqtape.bodies.v1 -o beginning -e -q -f '%k\\n%h\\n%S\\n%s\\n' \\
      | python3 rebuild_body.py EXCHANGE request|response > body

Exit codes: 0 whole and sound (or withheld on purpose, then said so), 1 something is missing or damaged, 2 wrong usage.
"""
import hashlib
import re
import sys


def records(stream):
    """Yields (key, headers, value): a line each of key, headers and length, then so many bytes and a newline."""
    while key := stream.readline():
        line, length = stream.readline().decode().rstrip("\n"), int(stream.readline())
        # A value may have commas (Content-Encoding), so only those in front of a header's name divide headers.
        headers = dict(part.split("=", 1) for part in re.split(r",(?=(?:ce_[a-z0-9]+|content-type)=)", line))
        value = stream.read(max(length, 0))
        stream.read(1)
        yield key.decode().rstrip("\n"), headers, value


def main(exchange, direction):
    chunks, close = {}, None
    for key, headers, value in records(sys.stdin.buffer):
        if key != exchange or headers["ce_direction"] != direction:
            continue
        if headers["ce_final"] == "true":
            close = headers
        else:  # What is delivered twice has the same id, so the same number, and the same bytes.
            chunks[int(headers["ce_sequence"])] = value
    if close is None:
        return f"not closed: {len(chunks)} chunks are there, more may come"
    if close.get("ce_withheld") == "true":
        return print(f"withheld: {close['ce_totallength']} bytes, SHA-256 {close['ce_bodysha256']}", file=sys.stderr)
    if missing := [str(n) for n in range(int(close["ce_chunkcount"])) if n not in chunks]:
        return f"missing chunks: {' '.join(missing)}"
    body = b"".join(chunks[n] for n in sorted(chunks))
    if len(body) != int(close["ce_totallength"]):
        return f"{len(body)} bytes, {close['ce_totallength']} expected"
    if hashlib.sha256(body).hexdigest() != close.get("ce_bodysha256", hashlib.sha256(body).hexdigest()):
        return "the SHA-256 is another"
    sys.stdout.buffer.write(body)
    verified = "sound" if "ce_bodysha256" in close else "no digest was taken"
    return print(f"{len(body)} bytes, {close['ce_outcome']}, {verified}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("request", "response"):
        sys.exit(print(__doc__, file=sys.stderr) or 2)
    sys.exit(main(*sys.argv[1:]))
