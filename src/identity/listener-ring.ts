/**
 * Listeners that come and go with each exchange, in a ring of links. V8's maps and sets are not for these: they keep alive
 * what went through them, and what hangs on it, long after it was deleted.
 */
export class ListenerRing<News> {
  readonly #ring = new Link<(news: News) => void>();

  /** @returns what ends listening; to call it again changes nothing. */
  add(listener: (news: News) => void): () => void {
    const link = this.#ring.insert(listener);
    return () => link.remove();
  }

  /** Tells those that listen now, in the order in which they came; whoever comes or goes meanwhile changes nothing. */
  tell(news: News): void {
    for (const listener of this.#ring.others()) listener(news);
  }
}

/** One of a ring; by itself, an empty one. */
class Link<Value> {
  #previous: Link<Value> = this;
  #next: Link<Value> = this;
  readonly #value: Value | undefined;

  constructor(value?: Value) {
    this.#value = value;
  }

  insert(value: Value): Link<Value> {
    const link = new Link(value);
    link.#previous = this.#previous;
    link.#next = this;
    this.#previous.#next = link;
    this.#previous = link;
    return link;
  }

  remove(): void {
    this.#previous.#next = this.#next;
    this.#next.#previous = this.#previous;
    this.#previous = this.#next = this;
  }

  /** Those of the ring besides this one, as it is now. */
  others(): Value[] {
    const others: Value[] = [];
    for (let at = this.#next; at !== this; at = at.#next) if (at.#value !== undefined) others.push(at.#value);
    return others;
  }
}
