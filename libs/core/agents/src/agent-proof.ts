/** Headers by which an agent shows who it is, as received. */
export interface AgentProof {
  /** `Authorization`, when it carries an agent key: `Bearer fbx_…`. */
  readonly authorization?: string | undefined;
  /** `SIGN-IN-WITH-X` */
  readonly signInWithX?: string | undefined;
  /** `Signature`, `Signature-Input` and `Signature-Agent` of RFC 9421 HTTP message signatures. */
  readonly signature?: string | undefined;
  readonly signatureInput?: string | undefined;
  readonly signatureAgent?: string | undefined;
  /** Other headers that the signature covers, by lower-case name. */
  readonly covered?: Readonly<Record<string, string>> | undefined;
}

/** wallet: an address, 0x-prefixed, lower case · directory: a host that publishes signing keys, `agent.example[:8443]`. */
export const IDENTITY_KINDS = ['wallet', 'directory'] as const;

export type IdentityKind = (typeof IDENTITY_KINDS)[number];

export const isIdentityKind = (text: string): text is IdentityKind => IDENTITY_KINDS.some((kind) => kind === text);

/** How an identity came to an account: it paid, its wallet signed in, or its host signed a request. */
export const IDENTITY_PROOFS = ['payment', 'sign-in', 'message-signature'] as const;

export type IdentityProof = (typeof IDENTITY_PROOFS)[number];

export const isIdentityProof = (text: string): text is IdentityProof => IDENTITY_PROOFS.some((proof) => proof === text);
