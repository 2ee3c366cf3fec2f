import { join } from "node:path";

/** Holds one folder per gateway worker's journal: `0`, `1`, … */
export function journalsDirectory(dataDir: string): string {
  return join(dataDir, "journal");
}

export function journalDirectory(dataDir: string, name: string): string {
  return join(journalsDirectory(dataDir), name);
}

/** The readable store that the embedded archive keeps. */
export function archiveFile(dataDir: string): string {
  return join(dataDir, "archive.sqlite");
}

/** The keys that sign recordings, and the public ones of those that did. */
export function keysDirectory(dataDir: string): string {
  return join(dataDir, "keys");
}

/** Placeholder credentials for agents, and the CA bundle that they trust. */
export function agentDirectory(dataDir: string): string {
  return join(dataDir, "agent");
}

/** What delivery to Kafka remembers: how far each journal is, and the gateway's name in the topics. */
export function deliveryDirectory(dataDir: string): string {
  return join(dataDir, "delivery");
}

/** Rows on their way into BigQuery, and those that it refuses. */
export function warehouseDirectory(dataDir: string): string {
  return join(dataDir, "warehouse");
}
