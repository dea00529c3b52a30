/** Who signs. Ed25519 (RFC 8032); signatures are over exact bytes, verification is one strict predicate on every platform. */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes R ‖ S. */
  sign(message: Uint8Array): Uint8Array;
}
