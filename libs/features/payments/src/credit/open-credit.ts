import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { DocumentSigner } from '@core/records';
import type { Clock } from '@core/time';
import type { Agents } from '@features/accounts';
import { AssignHold, type Holds } from '@features/wallet';
import type { Writer } from '@platform/database';
import { FacilitateCredit } from '../facilitator/credit/facilitate-credit.js';
import type { PaymentIdentifiers } from '../gate/payment-identifiers.js';
import type { PrepaidWay } from '../prepaid/prepaid-way.js';
import { AttestationStore } from './attestations.store.js';
import { AuthorizeCredit } from './authorize-credit.js';
import { type CheckOwnSignature, CreditAuthority } from './credit-authority.js';
import { CreditWay } from './credit-way.js';
import { PresentAttestation } from './present-attestation.js';

/** Wires credit on the wire. */
export function openCredit(parts: {
  readonly writer: Writer;
  readonly prepaid: PrepaidWay;
  readonly holds: Holds;
  readonly names: PaymentIdentifiers;
  readonly agents: Pick<Agents, 'authenticate' | 'offerSignIn'>;
  /** Absent where nothing is signed: then only signed requests pay on credit. */
  readonly signer: DocumentSigner | undefined;
  readonly checkSignature: CheckOwnSignature | undefined;
  readonly assets: PayableAssets;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly settings: { readonly publicUrl: string };
}) {
  const { writer, prepaid, holds, names, agents, signer, checkSignature, assets, clock, ids, settings } = parts;
  const { publicUrl } = settings;
  const store = new AttestationStore(writer);
  const authority = signer && checkSignature && new CreditAuthority(publicUrl, signer, checkSignature);
  const present = new PresentAttestation(writer, store, new AssignHold(ids), clock);
  const networks = () => [...new Set(assets().map(({ network }) => network))];
  return {
    way: new CreditWay(prepaid, agents.authenticate, holds, present, names, authority, clock, settings),
    authorize: new AuthorizeCredit(
      agents.authenticate,
      agents.offerSignIn,
      holds,
      store,
      authority,
      networks,
      clock,
      publicUrl,
    ),
    facilitated: authority && new FacilitateCredit(authority, store, holds, writer, clock, publicUrl),
  };
}
