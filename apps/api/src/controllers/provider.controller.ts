import { type ProviderSettings, ReadProvider, UpdateProvider } from '@features/accounts';
import { Body, Controller } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { atomicText, label, needs, shown, time } from '../fields.js';

const provider = z.object({
  id: z.string(),
  name: z.string(),
  payTo: z.string().describe('Address that receives what agents pay.'),
  exposureCapPayer: shown.atomic.describe('Most that may be unsettled at once from one payer.'),
  exposureCapProvider: shown.atomic.describe('Most that may be unsettled at once in all.'),
  raiseAbove: shown.atomic
    .nullable()
    .describe('Amounts above it wait one release level longer; null: none does for its amount.'),
  raiseFirstPayment: z.boolean().describe('Whether the first payment of a payer waits one release level longer.'),
  createdAt: shown.time,
});

const view = (settings: ProviderSettings) => ({
  id: settings.id,
  name: settings.name,
  payTo: settings.payTo,
  exposureCapPayer: settings.exposureCapPayer.toString(),
  exposureCapProvider: settings.exposureCapProvider.toString(),
  raiseAbove: settings.raiseAbove?.toString() ?? null,
  raiseFirstPayment: settings.raiseFirstPayment,
  createdAt: time(settings.createdAt),
});

const changes = z
  .strictObject({
    name: label(),
    payTo: z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address: 0x and 40 hex digits'),
    exposureCapPayer: atomicText,
    exposureCapProvider: atomicText,
    raiseAbove: atomicText.nullable(),
    raiseFirstPayment: z.boolean(),
  })
  .partial();
type Changes = z.output<typeof changes>;

const read: Operation = {
  method: 'GET',
  path: '/v1/provider',
  summary: 'Read your settings',
  area: 'provider',
  access: needs('read'),
  answers: { 200: { description: 'The provider whose key this is.', schema: provider } },
};

const update: Operation = {
  method: 'PATCH',
  path: '/v1/provider',
  summary: 'Change your settings',
  description: 'What is left out stays. Quotes that were given keep the address they were given with.',
  area: 'provider',
  access: needs('manage'),
  body: changes,
  answers: { 200: { description: 'The settings as they are now.', schema: provider } },
};

export const providerOperations = [read, update];

@Controller()
export class ProviderController {
  constructor(
    private readonly readProvider: ReadProvider,
    private readonly updateProvider: UpdateProvider,
  ) {}

  @Serves(read)
  async read(@By() caller: Caller) {
    return view(await this.readProvider.run(caller.provider));
  }

  @Serves(update)
  async update(@By() caller: Caller, @Body() body: Changes) {
    return view(await this.updateProvider.run({ provider: caller.provider, changes: body }));
  }
}
