/** Results kept where nothing else is said; from there on it begins anew, so that what comes from the network cannot fill the memory. */
const MAX_KEPT = 1_000;

/**
 * The same function, which looks up what it has found before: agents send the same few header names again and again.
 *
 * @param max results that it keeps.
 */
export function memoize<Value>(compute: (key: string) => Value, max = MAX_KEPT): (key: string) => Value {
  const kept = new Map<string, Value>();
  return (key) => {
    const known = kept.get(key);
    if (known !== undefined) return known;
    if (kept.size >= max) kept.clear();
    const value = compute(key);
    kept.set(key, value);
    return value;
  };
}
