/** Google's "System parameters" that change how an answer looks, and nothing else; the others could make a request another one. */
const HARMLESS: ReadonlySet<string> = new Set(["$.xgafv", "$prettyPrint", "$fields"]);
/** Parameters that say which upload a request is, in any spelling that a server might take for them. */
const OF_UPLOADS = /^upload_?(?:type|id|protocol)$/i;

/** Why a request with these parameters must not pass: BigQuery could read it otherwise than it is described here. */
export function unsafeParameter(parameters: URLSearchParams, upload: boolean): string | undefined {
  // Where a job is asked for: who reads the first and who reads the last mean different ones.
  if (parameters.getAll("location").length > 1) return "the parameter location is there twice";
  for (const [name, value] of parameters) {
    const shown = name.slice(0, 40);
    if (name.startsWith("$") && !HARMLESS.has(name)) return notServed(`the system parameter ${shown}`);
    if (/^callback$/i.test(name)) return notServed("the parameter callback (JSONP)");
    if (/^alt$/i.test(name) && (name !== "alt" || value !== "json")) {
      return `${notServed(`${name}=${value.slice(0, 20)}`)}, only alt=json`;
    }
    if (!OF_UPLOADS.test(name)) continue;
    if (!upload) return `the parameter ${shown} goes with an upload (/upload/bigquery/v2/...)`;
    if (!saysWhichUpload(name, value, parameters)) {
      return notServed(`${shown}=${value.slice(0, 20)}`);
    }
  }
  return undefined;
}

/** Google's addresses of resumable uploads may name the protocol, too. */
function saysWhichUpload(name: string, value: string, parameters: URLSearchParams): boolean {
  if (name === "upload_protocol") return value === "resumable" && parameters.has("upload_id");
  return name === "uploadType" || name === "upload_id";
}

function notServed(what: string): string {
  return `${what} is not served by this gateway`;
}
