/** `host:port`, with brackets around IPv6. */
export function hostPort({ address, port }: { address: string; port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
