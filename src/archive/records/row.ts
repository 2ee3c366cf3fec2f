import type { SQLOutputValue } from "node:sqlite";

/** A row of the archive. What it has not, or has as something else, is undefined. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

export function text(row: Row, column: string): string | undefined {
  const value = row[column];
  return typeof value === "string" ? value : undefined;
}

export function number(row: Row, column: string): number | undefined {
  const value = row[column];
  return typeof value === "number" ? value : undefined;
}

export function flag(row: Row, column: string): boolean | undefined {
  const value = number(row, column);
  return value === undefined ? undefined : value !== 0;
}

export function json<T>(row: Row, column: string, absent: T): T {
  const value = text(row, column);
  return value === undefined ? absent : (JSON.parse(value) as T);
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
type OptionalKeys<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];

/** Leaves out what is undefined, so that it does not appear as present and empty. */
export function definedOnly<T extends object>(
  value: T,
): Omit<T, OptionalKeys<T>> & Partial<Defined<Pick<T, OptionalKeys<T>>>> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Omit<
    T,
    OptionalKeys<T>
  > &
    Partial<Defined<Pick<T, OptionalKeys<T>>>>;
}
