import { LoginStore } from "../../../src/identity/client/login-store.ts";
import { freshLogin } from "../../../src/identity/client/refresh.ts";

/* Prints the ID token for the gateway at `origin` as soon as its standard input ends. */

const [directory = "", origin = "", issuedSince = "0"] = process.argv.slice(2);
process.stdout.write("ready\n");
for await (const _ of process.stdin);
const login = await freshLogin(new LoginStore(directory), origin, { issuedSince: Number(issuedSince) });
process.stdout.write(`${login?.idToken}\n`);
