import { z } from "zod";
import type { Notes } from "../catalog.ts";
import { labelsSchema, parseBody } from "./bodies.ts";

/** What a request says about a dataset or a table. `null` takes a note away, and so does a label of `null` the label. */
export interface NoteChanges {
  description?: string | null | undefined;
  friendlyName?: string | null | undefined;
  labels?: Record<string, string | null> | undefined;
}

export function applyNotes(notes: Notes, changes: NoteChanges, now: number): void {
  const labels = { ...notes.labels };
  for (const [key, value] of Object.entries(changes.labels ?? {})) {
    if (value === null) delete labels[key];
    else labels[key] = value;
  }
  parseBody(z.object({ labels: labelsSchema }), { labels });
  if (changes.labels !== undefined) notes.labels = labels;
  if (changes.description !== undefined) notes.description = changes.description ?? undefined;
  if (changes.friendlyName !== undefined) notes.friendlyName = changes.friendlyName ?? undefined;
  notes.modified = now;
}

/** The notes that there are, as resources carry them. */
export function notesOf({ description, friendlyName, labels }: Notes): object {
  return {
    ...(description === undefined ? {} : { description }),
    ...(friendlyName === undefined ? {} : { friendlyName }),
    ...(labels === undefined || Object.keys(labels).length === 0 ? {} : { labels }),
  };
}
