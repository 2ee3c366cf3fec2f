/** Reads attributes of a JSON object whose shape is not certain: one of another type than asked for counts as absent. */
export interface Fields {
  text(name: string): string | undefined;
  number(name: string): number | undefined;
  truth(name: string): boolean;
  /** Empty when absent. */
  object(name: string): Fields;
  /** The objects of a list. */
  list(name: string): readonly Fields[];
  /** The texts of a list; undefined when there is none. */
  texts(name: string): readonly string[] | undefined;
  /** All attributes that are numbers. */
  numbers(): Readonly<Record<string, number>>;
}

export function fields(value: unknown): Fields {
  const object =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : {};
  const get = (name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined);
  return {
    text(name) {
      const found = get(name);
      return typeof found === "string" ? found : undefined;
    },
    number(name) {
      const found = get(name);
      return typeof found === "number" ? found : undefined;
    },
    truth: (name) => get(name) === true,
    object: (name) => fields(get(name)),
    list(name) {
      const found = get(name);
      return Array.isArray(found) ? found.map(fields) : [];
    },
    texts(name) {
      const found = get(name);
      return Array.isArray(found) ? found.filter((each) => typeof each === "string") : undefined;
    },
    numbers: () =>
      Object.fromEntries(
        Object.entries(object).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
      ),
  };
}
