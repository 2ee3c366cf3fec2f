import type { ChainLink } from "../../../recording/events.ts";
import { ceType, type EventName, wholeMilliseconds } from "../headers.ts";
import { oneLine, short } from "../text.ts";
import type { Activity } from "./activity.ts";
import { OCSF_VERSION } from "./classes.ts";
import { type Json, json, list, member, part } from "./json.ts";

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
  /** Its place in the recording; absent of what was not recorded as an event. */
  readonly place?: Place | undefined;
}

/** An event's place in its chain, and the hexadecimal SHA-256 of its canonical JSON. */
export type Place = Omit<ChainLink, "cut"> & { readonly hash: string };

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

/** The beginning of an event: attributes of OCSF's base event, and the metadata object. Its own attributes follow. */
export function baseEvent(context: Context, headline: Headline): string {
  const { activity, severity, message, session, profiles = [] } = headline;
  const { id, name, time, sequence } = context;
  const severityId = SEVERITY[severity];
  return `{${activityPart(activity)},"time":${wholeMilliseconds(time)},"severity_id":${severityId},"severity":"${
    SEVERITY_NAMES[severityId]
  }","message":${json(oneLine(message, MESSAGE_BYTES))},"metadata":{"version":"${OCSF_VERSION}","uid":${json(
    id,
  )},"event_code":"${ceType(name)}","sequence":${json(sequence)}${member(',"correlation_uid":', session)}${provider(
    context,
    profiles,
  )}}`;
}

/** By the number of the event's type. */
const activities = new Map<number, string>();

function activityPart({ class: { uid, name, category, activities: captions }, id }: Activity): string {
  // OCSF: the class's number, two digits further left, and the activity's.
  const type = uid * 100 + id;
  const known = activities.get(type);
  if (known !== undefined) return known;
  const caption = captions[id] ?? "Other";
  const made =
    `"activity_id":${id},"activity_name":"${caption}","category_uid":${category.uid},"category_name":"${category.name}",` +
    `"class_uid":${uid},"class_name":"${name}","type_uid":${type},"type_name":"${name}: ${caption}"`;
  activities.set(type, made);
  return made;
}

/** What of the metadata is the same for all events of a run that have the same profiles: as it was last. */
let lastProvider: { source: string; run: Run | undefined; byProfiles: Map<string, string> } | undefined;

function provider(context: Context, profiles: readonly string[]): string {
  const { source, run } = context;
  if (lastProvider?.source !== source || lastProvider.run !== run) {
    lastProvider = { source, run, byProfiles: new Map() };
  }
  const key = profiles.join();
  const known = lastProvider.byProfiles.get(key);
  if (known !== undefined) return known;
  const made = `,"log_provider":${json(source)}${part(',"profiles":', list(profiles.map(json)))},"product":${product(context)}`;
  lastProvider.byProfiles.set(key, made);
  return made;
}

/**
 * An event's place in the recording, for `unmapped`. OCSF's own `attestation` (profile `record_integrity`, since 1.9.0) has a
 * digest and signatures over the OCSF event itself; these are over what the gateway recorded, which is made of it again.
 */
export function chainMembers({ place }: Context): Attributes {
  if (place === undefined) return {};
  const { id, previous, sequence, hash } = place;
  return { chain_uid: id, chain_previous: previous, chain_sequence: sequence, chain_hash: hash };
}

/** The gateway. */
export function product({ source, run }: Context): Json {
  const version = run === undefined ? undefined : short(run.version, 64);
  return `{"name":"bqtape","vendor_name":"bqtape","uid":${json(source)}${member(',"version":', version)}}`;
}

/** Bytes of an event's value at most (DESIGN, "Topics"). */
export const MAX_EVENT_BYTES = 32 * 1024;

/** Bytes of SQL that are left when an event would be too large otherwise. */
const LEAST_SQL = 2 * 1024;

/** An event on its way into something smaller. */
type Attributes = Record<string, unknown>;

/** What {@link fitEvent} may take from an event that is too large, in this order. */
const EXPENDABLE: readonly ((event: Attributes) => void)[] = [
  (event) => remove(event.http_request, "http_headers"),
  (event) => remove(event.http_response, "http_headers"),
  (event) => remove(event.unmapped, "response_trailers"),
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

/** The value of an event's record: the event, made smaller where it would have more than {@link MAX_EVENT_BYTES}. */
export function fitEvent(event: Json, loss: Loss = { cut: false, bytes: 0 }): Json {
  if (!loss.cut && fits(event)) return event;
  const smaller = JSON.parse(event) as Attributes;
  const untruncated = Buffer.byteLength(event) + loss.bytes;
  noteLoss(smaller, untruncated);
  let value = JSON.stringify(smaller);
  if (fits(value)) return value;
  for (const take of EXPENDABLE) {
    take(smaller);
    value = JSON.stringify(smaller);
    if (fits(value)) return value;
  }
  throw new RangeError(`an event of ${Buffer.byteLength(value)} bytes cannot be made small enough`);
}

/** UTF-8 has three bytes at most for each of UTF-16's units. */
function fits(event: Json): boolean {
  return event.length * 3 <= MAX_EVENT_BYTES || Buffer.byteLength(event) <= MAX_EVENT_BYTES;
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
