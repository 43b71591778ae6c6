import { Running } from './running.js';

describe('what was started', () => {
  const made = (name: string, log: string[], stop?: () => Promise<void>) => ({
    name,
    stop: async (): Promise<void> => {
      log.push(name);
      await stop?.();
    },
  });

  it('is stopped in reverse, once, whoever asks', async () => {
    const log: string[] = [];
    const running = new Running();
    for (const name of ['database', 'api', 'shop']) await running.add(made(name, log));
    await Promise.all([running.stopAll(), running.stopAll()]);
    expect(log).toEqual(['shop', 'api', 'database']);
  });

  it('is stopped although something above it refuses', async () => {
    const log: string[] = [];
    const running = new Running();
    await running.add(made('database', log));
    await running.add(made('api', log, () => Promise.reject(new Error('no'))));
    const said = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    await running.stopAll();
    expect(log).toEqual(['api', 'database']);
    expect(said.mock.calls[0]?.[0]).toContain('api did not stop');
    said.mockRestore();
  });

  it('does not stay when it arrives after the stop began', async () => {
    const log: string[] = [];
    const running = new Running();
    await running.stopAll();
    await expect(running.add(made('late', log))).rejects.toThrow('late');
    expect(log).toEqual(['late']);
  });
});
