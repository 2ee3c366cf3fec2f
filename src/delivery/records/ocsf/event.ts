import { ceType, type EventName, wholeMilliseconds } from "../headers.ts";
import { jsonLength, oneLine, short } from "../text.ts";
import type { Activity } from "./activity.ts";
import { OCSF_VERSION } from "./classes.ts";

/** An event on its way into JSON: what is `undefined` is left out. */
export type Attributes = Record<string, unknown>;

/** What every event says of itself. */
export interface Context {
  /** `ce_id` of its record. */
  readonly id: string;
  readonly name: EventName;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  /** Position in the source's journal. */
  readonly sequence: number;
  /** The gateway instance, `ce_source`. */
  readonly source: string;
  /** The run of the gateway that recorded it; unknown when its beginning was not read. */
  readonly run?: Run | undefined;
}

export interface Run {
  readonly gateway: string;
  readonly version: string;
}

export const SEVERITY = { informational: 1, low: 2, medium: 3, high: 4 } as const;
const SEVERITY_NAMES = ["Unknown", "Informational", "Low", "Medium", "High"];

/** An event as the topic has it, read back; see the schemas in `deploy/schemas`. */
export interface OcsfEvent {
  readonly activity_id: number;
  readonly category_uid: number;
  readonly class_uid: number;
  readonly type_uid: number;
  readonly time: number;
  readonly severity_id: number;
  readonly message: string;
  readonly metadata: {
    readonly uid: string;
    readonly event_code: string;
    readonly sequence: number;
    readonly version: string;
    readonly correlation_uid?: string;
    readonly is_truncated?: boolean;
    readonly untruncated_size?: number;
  };
  readonly unmapped?: Readonly<Record<string, unknown>>;
  readonly [attribute: string]: unknown;
}

export interface Headline {
  readonly activity: Activity;
  readonly severity: keyof typeof SEVERITY;
  /** For people; becomes one line. */
  readonly message: string;
  readonly session?: string | undefined;
  readonly profiles?: readonly string[];
}

const MESSAGE_BYTES = 512;

/** Attributes of OCSF's base event, and the metadata object. */
export function baseEvent(context: Context, headline: Headline): Attributes {
  const { activity, severity, message, session, profiles } = headline;
  const { uid, name, category, activities } = activity.class;
  const caption = activities[activity.id] ?? "Other";
  return {
    activity_id: activity.id,
    activity_name: caption,
    category_uid: category.uid,
    category_name: category.name,
    class_uid: uid,
    class_name: name,
    // OCSF: the class's number, two digits further left, and the activity's.
    type_uid: uid * 100 + activity.id,
    type_name: `${name}: ${caption}`,
    time: wholeMilliseconds(context.time),
    severity_id: SEVERITY[severity],
    severity: SEVERITY_NAMES[SEVERITY[severity]],
    message: oneLine(message, MESSAGE_BYTES),
    metadata: {
      version: OCSF_VERSION,
      uid: context.id,
      event_code: ceType(context.name),
      sequence: context.sequence,
      correlation_uid: session,
      log_provider: context.source,
      profiles: profiles === undefined || profiles.length === 0 ? undefined : profiles,
      product: product(context),
    },
  };
}

/** The gateway. */
export function product({ source, run }: Context): Attributes {
  return {
    name: "bqtape",
    vendor_name: "bqtape",
    uid: source,
    version: run === undefined ? undefined : short(run.version, 64),
  };
}

/** Bytes of an event's value at most (DESIGN, "Topics"). */
export const MAX_EVENT_BYTES = 32 * 1024;

/** Bytes of SQL that are left when an event would be too large otherwise. */
const LEAST_SQL = 2 * 1024;

/** What {@link encodeEvent} may take from an event that is too large, in this order. */
const EXPENDABLE: readonly ((event: Attributes) => void)[] = [
  (event) => remove(event.http_request, "http_headers"),
  (event) => remove(event.http_response, "http_headers"),
  (event) => remove(event.unmapped, "columns"),
  (event) => {
    const query = event.query_info as Attributes | undefined;
    if (typeof query?.query_string === "string") query.query_string = short(query.query_string, LEAST_SQL);
  },
];

/** What was left out of an event already. */
export interface Loss {
  readonly cut: boolean;
  /** Bytes, as far as they are known. */
  readonly bytes: number;
}

/** The value of an event's record: JSON of {@link MAX_EVENT_BYTES} at most. */
export function encodeEvent(event: Attributes, loss: Loss = { cut: false, bytes: 0 }): string {
  if (loss.cut) noteLoss(event, jsonLength(event) + loss.bytes);
  let value = JSON.stringify(event);
  if (fits(value)) return value;
  const untruncated = Buffer.byteLength(value) + loss.bytes;
  for (const take of EXPENDABLE) {
    take(event);
    noteLoss(event, untruncated);
    value = JSON.stringify(event);
    if (fits(value)) return value;
  }
  throw new RangeError(`an event of ${value.length} bytes cannot be made small enough`);
}

/** UTF-8 has three bytes at most for each of UTF-16's units. */
function fits(json: string): boolean {
  return json.length * 3 <= MAX_EVENT_BYTES || Buffer.byteLength(json) <= MAX_EVENT_BYTES;
}

/** OCSF counts `untruncated_size` of an event in kilobytes. */
function noteLoss(event: Attributes, bytes: number): void {
  const metadata = event.metadata as Attributes;
  metadata.is_truncated = true;
  metadata.untruncated_size = Math.ceil(bytes / 1024);
}

function remove(from: unknown, name: string): void {
  if (typeof from === "object" && from !== null) delete (from as Attributes)[name];
}
