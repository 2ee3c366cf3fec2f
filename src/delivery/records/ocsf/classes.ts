/*
 * The classes of OCSF 1.8.0 (github.com/ocsf/ocsf-schema, tag 1.8.0) that events take, and their activities. Numbers and
 * captions are OCSF's own.
 */
export const OCSF_VERSION = "1.8.0";

export interface EventClass {
  readonly uid: number;
  readonly name: string;
  readonly category: { readonly uid: number; readonly name: string };
  readonly activities: Readonly<Record<number, string>>;
}

const APPLICATION = { uid: 6, name: "Application Activity" };
const IAM = { uid: 3, name: "Identity & Access Management" };
const NETWORK = { uid: 4, name: "Network Activity" };

/** Queries, reads and writes of data, and of what describes data. */
export const DATASTORE: EventClass = {
  uid: 6005,
  name: "Datastore Activity",
  category: APPLICATION,
  activities: {
    1: "Read",
    2: "Update",
    3: "Connect",
    4: "Query",
    5: "Write",
    6: "Create",
    7: "Delete",
    8: "List",
    99: "Other",
  },
};

/** Control of jobs, access to tables, tokens, and what is no operation that is known. */
export const API: EventClass = {
  uid: 6003,
  name: "API Activity",
  category: APPLICATION,
  activities: { 1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other" },
};

/** Tunnels, and CONNECT requests that were refused. */
export const HTTP: EventClass = {
  uid: 4002,
  name: "HTTP Activity",
  category: NETWORK,
  activities: { 1: "Connect" },
};

/** Sessions: how they begin, are renewed and end; and who was not let in. */
export const AUTHENTICATION: EventClass = {
  uid: 3002,
  name: "Authentication",
  category: IAM,
  // OCSF's renewals are Kerberos's.
  activities: { 1: "Logon", 2: "Logoff", 99: "Session Renewal" },
};

/** Start and stop of a gateway, and what it signs. */
export const LIFECYCLE: EventClass = {
  uid: 6002,
  name: "Application Lifecycle",
  category: APPLICATION,
  activities: { 3: "Start", 4: "Stop", 99: "Checkpoint" },
};

/** Gaps in a recording. */
export const APPLICATION_ERROR: EventClass = {
  uid: 6008,
  name: "Application Error",
  category: APPLICATION,
  activities: { 1: "General Error" },
};

export const DATASTORE_ACTIVITY = {
  read: 1,
  update: 2,
  query: 4,
  write: 5,
  create: 6,
  delete: 7,
  list: 8,
  other: 99,
} as const;

export const AUTHENTICATION_ACTIVITY = { logon: 1, logoff: 2, other: 99 } as const;

export const API_ACTIVITY = { create: 1, read: 2, update: 3, delete: 4, other: 99 } as const;
