/** A process that, when told to, makes the file at the path it is given, with its own id in it; it tells whether it did. */
import { once } from "node:events";
import { createOnce } from "../../src/files/create-once.ts";

const [, , path = ""] = process.argv;
process.umask(0);
process.send?.("ready");
await once(process, "message");
const made = await createOnce(path, `process ${process.pid}`);
process.send?.(made);
process.disconnect();
