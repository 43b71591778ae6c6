import type { PaymentRequirements } from '@x402/core/types';
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from '@x402/core/http';
import { instant } from '@core/time';
import type { AgentHost } from './agent-scene.js';
import type { Called } from './api.js';

type Signing = NonNullable<Parameters<AgentHost['sign']>[1]>;

/** What a paid request carries. */
export type Paid = Readonly<Record<string, string>>;

/** An agent that pays on credit, with the public libraries: it signs as its host, and gets attestations by its key. */
export class CreditAgent {
  constructor(
    private readonly apiUrl: string,
    private readonly key = '',
    private readonly host?: AgentHost,
  ) {}

  /** The offer of credit that a resource makes. */
  async offer(url: string, method = 'GET'): Promise<PaymentRequirements> {
    const challenge = (await fetch(url, { method })).headers.get('payment-required') ?? '';
    const offer = decodePaymentRequiredHeader(challenge).accepts.find(({ network }) => network === 'farebox:credit');
    if (!offer) throw new Error(`${url} offers no credit`);
    return offer;
  }

  /** Headers of a request that is signed together with its payment. `said`: what the payment says otherwise than the offer. */
  async signed(
    url: string,
    offer: PaymentRequirements,
    {
      said = {},
      method = 'GET',
      name,
      ...signing
    }: Partial<Signing> & { said?: object; method?: string; name?: string } = {},
  ): Promise<Paid> {
    if (!this.host) throw new Error('an agent without a host signs nothing');
    const paid = this.presented(offer, { amount: offer.amount, asset: offer.asset, ...said }, name);
    const components: Signing['components'] = ['@authority', 'signature-agent', 'payment-signature'];
    const proof = await this.host.sign(
      { method, url, headers: paid },
      { now: instant(Date.now()), components, ...signing },
    );
    return {
      ...paid,
      signature: proof.signature,
      'signature-input': proof.signatureInput,
      'signature-agent': proof.signatureAgent,
    };
  }

  /** Asks for an attestation of what an offer asks for; `other` terms instead. */
  async authorize(
    resource: string,
    { amount, asset, payTo }: PaymentRequirements,
    other: object = {},
  ): Promise<Pick<Called, 'status' | 'json'>> {
    const idempotencyKey = crypto.randomUUID();
    const response = await fetch(`${this.apiUrl}/v1/credit/authorize`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.key}` },
      body: JSON.stringify({ audience: payTo, amount, asset, resource, idempotencyKey, ...other }),
    });
    return { status: response.status, json: await response.json() };
  }

  /** Headers that present a payload for an offer. */
  presented(accepted: PaymentRequirements, payload: Record<string, unknown>, name?: string): Paid {
    const extensions =
      name === undefined ? {} : { extensions: { 'payment-identifier': { info: { required: false, id: name } } } };
    return { 'payment-signature': encodePaymentSignatureHeader({ x402Version: 2, accepted, payload, ...extensions }) };
  }

  consume(accepted: PaymentRequirements, attestation: string): Paid {
    return this.presented(accepted, { type: 'consume', attestation });
  }
}
