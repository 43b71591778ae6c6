import { AppModule } from '../../apps/api/src/app.module.js';
it('x', async () => {
  const m = AppModule.on({ config: { PUBLIC_URL: 'http://x', KEY_PEPPER: 'x', REDIS_URL: process.env.TEST_REDIS_URL } } as any, {} as any);
  console.log((m.providers as any[]).map((p) => String(p.provide?.name ?? String(p.provide))).join('\n'));
});
