/** What a payment was asked for, as its digest covers it. */
interface BoundRequest {
  /** Upper case. */
  readonly method: string;
  /** Absolute URL with its query. */
  readonly url: string;
  /** Lower-case hex SHA-256 of the body; empty when there is none. */
  readonly bodyDigest: string;
  readonly meter: string;
  /** The quantity that was checked, a plain decimal in shortest form. */
  readonly quantity: string;
}

// The parts cannot run into each other: each is followed by a line feed, and none holds one.

/** The text whose SHA-256, in base64url, is the digest of a request. */
export const requestText = ({ method, url, bodyDigest, meter, quantity }: BoundRequest): string =>
  `${method}\n${url}\n${bodyDigest}\n${meter}\n${quantity}\n`;

/** The text whose SHA-256, in lower-case hex, is `quote.digest` of a payment of scheme `exact`. */
export const exactBindingText = (terms: {
  readonly provider: string;
  /** SHA-256 of `requestText`, base64url. */
  readonly request: string;
  readonly network: string;
  readonly asset: string;
  readonly payTo: string;
  readonly amount: bigint | string;
}): string =>
  `gate\n${terms.provider}\n${terms.request}\n${terms.network}\n${terms.asset}\n${terms.payTo}\n${terms.amount}\n`;
