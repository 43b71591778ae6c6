import { ChannelTurns } from './channel-turns.js';

describe('turns of a channel', () => {
  it('correct one payer at a time, until its next call has ended', () => {
    const turns = new ChannelTurns();
    expect(turns.takeCorrection('one')).toBe(true);
    expect(turns.takeCorrection('one')).toBe(false);
    expect(turns.takeCorrection('other')).toBe(true);
    turns.began('one', 'call 2');
    expect(turns.takeCorrection('one')).toBe(false);
    turns.ended('one', 'call 2');
    expect(turns.takeCorrection('one')).toBe(true);
  });

  it('keep a correction when the end of a call before it is heard of late', () => {
    const turns = new ChannelTurns();
    turns.began('one', 'call 1');
    expect(turns.takeCorrection('one')).toBe(true);
    turns.ended('one', 'call 1');
    expect(turns.takeCorrection('one')).toBe(false);
    turns.began('one', 'call 2');
    turns.began('one', 'call 3');
    turns.ended('one', 'call 3');
    expect(turns.takeCorrection('one')).toBe(false);
    turns.ended('one', 'call 2');
    expect(turns.takeCorrection('one')).toBe(true);
  });

  it('wake who waits when any call ends, and free a correction that nobody followed', async () => {
    jest.useFakeTimers();
    try {
      const turns = new ChannelTurns();
      expect(turns.takeCorrection('one')).toBe(true);
      let woken = 0;
      const wait = () => void turns.end('one', 60_000).then(() => (woken += 1));
      wait();
      turns.ended('one', 'any');
      await Promise.resolve();
      await Promise.resolve();
      expect([woken, turns.takeCorrection('one')]).toEqual([1, false]);
      wait();
      await jest.advanceTimersByTimeAsync(1_500);
      expect([woken, turns.takeCorrection('one')]).toEqual([2, true]);
    } finally {
      jest.useRealTimers();
    }
  });
});
