#!/usr/bin/env node
import { readFileSync } from "node:fs";

/*
 * `bqtape` as it is installed. A Node that is too old fails at whatever it meets first that it does not know, with a stack trace,
 * and npm warns at most; so this file looks first, and loads the program then. It holds nothing that Node 12.20 cannot read.
 */

const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  engines: { node: string };
};
const [neededMajor = 0, neededMinor = 0] = numbers(engines.node);
const [major = 0, minor = 0] = numbers(process.versions.node);

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  process.stderr.write(
    `bqtape: needs Node.js ${neededMajor}.${neededMinor} or later, and ${process.execPath} is ${process.versions.node}. ` +
      "Install a newer one (https://nodejs.org, or your version manager) and put it first in PATH.\n",
  );
  process.exitCode = 1;
} else {
  void import("./main.ts");
}

/** Major and minor of a version, or of a range with one. */
function numbers(version: string): number[] {
  return (version.match(/\d+/g) || []).map(Number);
}
