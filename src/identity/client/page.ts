import { once } from "node:events";
import type { ServerResponse } from "node:http";

/** Answers a browser with a page of fixed text; resolves when it is sent, or the browser has gone. */
export async function page(
  response: ServerResponse,
  status: number,
  title: string,
  text: string,
): Promise<void> {
  const closed = once(response, "close");
  response
    .writeHead(status, {
      "content-type": "text/html; charset=utf-8",
      // The address has the code in it: nothing is loaded, kept, framed or told of it.
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      connection: "close",
    })
    .end(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title} · bqtape</title>
<style>
  body { font: 1.125rem/1.5 system-ui, sans-serif; margin: 20vh auto 0; max-width: 32rem; padding: 0 1rem }
  @media (prefers-color-scheme: dark) { body { background: #1b1b1f; color: #e6e6ea } }
</style>
<h1>${title}</h1>
<p>${text}</p>
</html>
`);
  await closed;
}
