/** What is used here of mockttp 4.4.2: types can be checked without it, as peers are installed apart. */
declare module "mockttp" {
  /** PEM. */
  export function generateCACertificate(): Promise<{ readonly cert: string; readonly key: string }>;

  export interface LocalOptions {
    readonly https: { readonly cert: string; readonly key: string };
    readonly http2: "fallback";
    readonly recordTraffic: boolean;
    /** Bytes. */
    readonly maxBodySize: number;
  }

  export interface PassThroughOptions {
    readonly additionalTrustedCAs: readonly { readonly cert: string }[];
    readonly transformRequest: {
      readonly replaceHost: { readonly targetHost: string; readonly updateHostHeader: boolean };
    };
  }

  export interface RequestRule {
    forHost(host: string): RequestRule;
    thenPassThrough(options: PassThroughOptions): Promise<unknown>;
  }

  export interface Mockttp {
    readonly port: number;
    start(): Promise<void>;
    forAnyRequest(): RequestRule;
    forUnmatchedRequest(): RequestRule;
  }

  export function getLocal(options: LocalOptions): Mockttp;
}
