/** A process that opens the authority at the two paths it is given, and prints what it got. */
import { openAuthority } from "../../src/certificates/authority-files.ts";

const [, , cert = "", key = ""] = process.argv;
const { certificatePem, created } = await openAuthority(
  { cert, key },
  { commonName: `process ${process.pid}` },
);
process.stdout.write(JSON.stringify({ certificatePem, created }));
