import type { Adapter, AdapterPayload } from "oidc-provider";

interface Entry {
  readonly payload: AdapterPayload;
  readonly expiresAt: number;
}

/** A provider's state, apart from the provider: one takes over from another with changed settings, and nobody is signed out. */
export class Storage {
  readonly #entries = new Map<string, Entry>();

  /** What `oidc-provider` asks for, for one kind of things. */
  adapter(kind: string): Adapter {
    const entries = this.#entries;
    const find = (id: string): AdapterPayload | undefined => {
      const entry = entries.get(`${kind}:${id}`);
      return entry !== undefined && entry.expiresAt > Date.now() ? entry.payload : undefined;
    };
    const findBy = (matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined => {
      const ours = [...entries].filter(
        ([key, { payload }]) => key.startsWith(`${kind}:`) && matches(payload),
      );
      return ours.find(([, { expiresAt }]) => expiresAt > Date.now())?.[1].payload;
    };
    return {
      async upsert(id, payload, expiresIn = Number.POSITIVE_INFINITY) {
        entries.set(`${kind}:${id}`, { payload, expiresAt: Date.now() + expiresIn * 1000 });
      },
      find: async (id) => find(id),
      findByUid: async (uid) => findBy((payload) => payload.uid === uid),
      findByUserCode: async (userCode) => findBy((payload) => payload.userCode === userCode),
      async consume(id) {
        const payload = find(id);
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
      },
      async destroy(id) {
        entries.delete(`${kind}:${id}`);
      },
      async revokeByGrantId(grantId) {
        for (const [key, { payload }] of entries) if (payload.grantId === grantId) entries.delete(key);
      },
    };
  }
}
