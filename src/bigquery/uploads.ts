import { createHmac, timingSafeEqual } from "node:crypto";
import { type Description, refuse } from "./description.ts";
import { matchRoute } from "./routes.ts";

/** Google's two spellings of the same door (Discovery document of BigQuery v2, `mediaUpload.protocols`). */
const UPLOAD = /^\/(?:resumable\/)?upload\/bigquery\/v2\/(.*)$/;
const UPLOAD_ID = /^[\w.~-]{1,2048}$/;

/** Whether a path is one of media upload. */
export function isUploadPath(path: string): boolean {
  return UPLOAD.test(path);
}

/**
 * Says which upload, or step of a resumable one, a request is ("Upload data", BigQuery's guide to media uploads). All are
 * steps of one `jobs.insert`, though only the first has its JSON.
 */
export function describeUpload(
  method: string,
  path: string,
  parameters: URLSearchParams,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Description {
  const route = matchRoute("POST", UPLOAD.exec(path)?.[1] ?? "");
  if (route?.name !== "jobs.insert") {
    return refuse(
      403,
      "accessDenied",
      "only jobs are uploaded to (/upload/bigquery/v2/projects/{project}/jobs)",
    );
  }
  // Google's other upload protocol opens sessions by these, past the binding of those that are known here.
  if (Object.keys(headers).some((name) => name.startsWith("x-goog-upload-"))) {
    return refuse(
      403,
      "accessDenied",
      "X-Goog-Upload-* headers are not served by this gateway: use uploadType=resumable",
    );
  }
  const [type, ...otherTypes] = parameters.getAll("uploadType");
  const [uploadId, ...otherIds] = parameters.getAll("upload_id");
  if (otherTypes.length > 0 || otherIds.length > 0) {
    return refuse(400, "invalid", "uploadType and upload_id are given once");
  }
  if (uploadId !== undefined) {
    const step = method === "DELETE" ? "cancel" : method === "PUT" || method === "POST" ? "chunk" : undefined;
    if (step === undefined || !UPLOAD_ID.test(uploadId) || (type ?? "resumable") !== "resumable") {
      return refuse(
        400,
        "invalid",
        "an upload is continued by PUT, and cancelled by DELETE, to the address it was given",
      );
    }
    const uploadTag = parameters.get(UPLOAD_TAG) ?? undefined;
    return {
      known: true,
      operation: {
        ...route,
        upload: step,
        uploadId,
        ...(uploadTag !== undefined && { uploadTag }),
        body: "stream",
      },
    };
  }
  if (method !== "POST") return refuse(400, "invalid", "an upload begins with POST");
  if (type === "media") return { known: true, operation: { ...route, upload: "media", body: "stream" } };
  if (type === "multipart")
    return { known: true, operation: { ...route, upload: "multipart", body: "multipart" } };
  if (type === "resumable") return { known: true, operation: { ...route, upload: "start", body: "json" } };
  return refuse(400, "invalid", "uploadType is media, multipart or resumable");
}

/** Query parameter by which the gateway knows its own addresses again; it goes no further. */
export const UPLOAD_TAG = "bqtape_upload";
/** Bytes of a tag. */
const TAG = 16;

/**
 * Whose each resumable upload is: its `upload_id` is all that Google asks for, so another session must not use it. The
 * address that the agent gets carries a tag (HMAC-SHA-256 of both), so any gateway that has the key can tell, and none
 * has to remember.
 */
export class ResumableUploads {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  tag(uploadId: string, session: string): string {
    return this.#digest(uploadId, session).toString("base64url");
  }

  /** Whether an upload was begun by this session. */
  isOf(uploadId: string, session: string, tag: string | undefined): boolean {
    const given = Buffer.from(tag ?? "", "base64url");
    return given.length === TAG && timingSafeEqual(given, this.#digest(uploadId, session));
  }

  #digest(uploadId: string, session: string): Buffer {
    const hmac = createHmac("sha256", this.#key).update(JSON.stringify([uploadId, session]));
    return hmac.digest().subarray(0, TAG);
  }
}

/**
 * The address at which an upload goes on, with the host that the agent began it with: upstream may be another, and names
 * itself. `undefined` when it is no address of an upload.
 *
 * @param tag of the upload that it names
 */
export function uploadLocation(
  location: string,
  host: string,
  tag: (uploadId: string) => string,
): string | undefined {
  const parsed = URL.parse(location, `https://${host}`);
  const uploadId = parsed?.searchParams.get("upload_id");
  if (!parsed || !uploadId || !isUploadPath(parsed.pathname)) return undefined;
  return `https://${host}${parsed.pathname}${parsed.search}&${UPLOAD_TAG}=${tag(uploadId)}`;
}
