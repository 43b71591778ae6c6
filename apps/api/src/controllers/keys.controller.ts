import { CreateKey, KEY_SCOPES, type ListedKey, ListKeys, RevokeKey } from '@features/accounts';
import { Body, Controller, Param } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { idText, instantText, label, needs, optionalTime, scopeName, shown, time } from '../fields.js';

const key = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: shown.time,
  expiresAt: shown.time.optional(),
  revokedAt: shown.time.optional(),
});

const view = ({ createdAt, expiresAt, revokedAt, ...rest }: ListedKey) => ({
  ...rest,
  createdAt: time(createdAt),
  expiresAt: optionalTime(expiresAt),
  revokedAt: optionalTime(revokedAt),
});

const newKey = z.strictObject({
  name: label().describe('What the key is for.'),
  scopes: z.array(scopeName).min(1, `must name at least one of ${KEY_SCOPES.join(', ')}`),
  expiresAt: instantText.optional(),
});
type NewKeyBody = z.output<typeof newKey>;

const keyPath = z.strictObject({ id: idText('key') });

const list: Operation = {
  method: 'GET',
  path: '/v1/keys',
  summary: 'List keys',
  description: 'Oldest first, revoked and expired ones too. Secrets are not kept and cannot be shown again.',
  area: 'keys',
  access: needs('manage'),
  answers: { 200: { description: 'All keys of the provider.', schema: z.object({ data: z.array(key) }) } },
};

const create: Operation = {
  method: 'POST',
  path: '/v1/keys',
  summary: 'Make a key',
  description:
    'The answer shows the key once, in `secret`. A repeat with the same Idempotency-Key does not show it again. A key cannot give scopes that it does not have.',
  area: 'keys',
  access: needs('manage'),
  body: newKey,
  idempotency: 'once',
  answers: {
    201: {
      description: 'The key, and its secret for the only time.',
      schema: key.extend({ secret: z.string().describe('The key to authenticate with.') }),
    },
  },
};

const revoke: Operation = {
  method: 'DELETE',
  path: '/v1/keys/:id',
  summary: 'Revoke a key',
  description: 'Takes effect everywhere within 5 seconds. Repeating it changes nothing.',
  area: 'keys',
  access: needs('manage'),
  params: keyPath,
  answers: { 200: { description: 'The key, revoked.', schema: key } },
};

export const keyOperations = [list, create, revoke];

@Controller()
export class KeysController {
  constructor(
    private readonly listKeys: ListKeys,
    private readonly createKey: CreateKey,
    private readonly revokeKey: RevokeKey,
  ) {}

  @Serves(list)
  async list(@By() caller: Caller) {
    return { data: (await this.listKeys.run(caller.provider)).map(view) };
  }

  @Serves(create)
  async create(@By() caller: Caller, @Body() body: NewKeyBody) {
    const { key: made, text } = await this.createKey.run({
      provider: caller.provider,
      name: body.name,
      scopes: body.scopes,
      environment: caller.environment === 'live' ? 'live' : 'test',
      expiresAt: body.expiresAt,
      within: caller.scopes,
    });
    return { ...view(made), secret: text };
  }

  @Serves(revoke)
  async revoke(@By() caller: Caller, @Param('id') id: string) {
    return view(await this.revokeKey.run({ provider: caller.provider, key: id }));
  }
}
