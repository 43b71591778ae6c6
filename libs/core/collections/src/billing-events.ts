/** An event that a rail delivered and signed. It says that something happened to an object, and is believed in nothing else. */
export interface RailEvent {
  /** `evt_…`, the rail's own. */
  readonly id: string;
  readonly type: string;
  /** Unix seconds. */
  readonly created: number;
  readonly apiVersion: string | undefined;
  readonly livemode: boolean;
  /** Id and kind of the object it is about. */
  readonly object: { readonly id: string | undefined; readonly kind: string | undefined };
}

/** Tells a rail's own deliveries from forged and stale ones. */
export abstract class RailEvents {
  /** @returns undefined when the signature is not the rail's, or too old */
  abstract read(raw: Buffer, signature: string | undefined): RailEvent | undefined;
}
