import { Fault } from '@core/faults';
import { createLogger } from '@platform/telemetry';
import { RollUpLoop } from './roll-up-loop.js';

interface Pass {
  readonly entries: number;
  readonly events: number;
  readonly behind: number;
}

const NOTHING: Pass = { entries: 0, events: 0, behind: 0 };

/** A roll-up whose passes are ended by the test. */
class HeldRollUp {
  begun = 0;
  #end: (() => void) | undefined;

  run(): Promise<Pass> {
    this.begun += 1;
    return new Promise((resolve, reject) => {
      this.#end = () => (this.outcome instanceof Error ? reject(this.outcome) : resolve(this.outcome));
    });
  }

  outcome: Pass | Error = NOTHING;

  async end(outcome: Pass | Error): Promise<void> {
    this.outcome = outcome;
    this.#end?.();
    await jest.advanceTimersByTimeAsync(0);
  }
}

describe('the loop of the roll-up', () => {
  let rollUp: HeldRollUp;
  let loop: RollUpLoop;
  const seen: Pass[] = [];
  const said: string[] = [];

  beforeEach(() => {
    jest.useFakeTimers();
    rollUp = new HeldRollUp();
    seen.length = said.length = 0;
    const logger = createLogger({ service: 'worker', level: 'info' }, { write: (line) => void said.push(line) });
    loop = new RollUpLoop({ rollUp, figures: { rolledUp: (pass) => void seen.push(pass) }, logger });
    loop.start();
  });

  afterEach(() => jest.useRealTimers());

  it('never begins a pass before the last one has ended', async () => {
    await jest.advanceTimersByTimeAsync(60_000);
    expect(rollUp.begun).toBe(1);
  });

  it('gathers more for the next pass when usage pours in', async () => {
    await rollUp.end({ entries: 4_000, events: 400_000, behind: 20 });
    await jest.advanceTimersByTimeAsync(499);
    expect(rollUp.begun).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(rollUp.begun).toBe(2);
  });

  it('goes on soon while there is work, and rests when there is none', async () => {
    await rollUp.end({ entries: 3, events: 30, behind: 0 });
    await jest.advanceTimersByTimeAsync(250);
    expect(rollUp.begun).toBe(2);
    await rollUp.end({ entries: 0, events: 0, behind: 7 });
    await jest.advanceTimersByTimeAsync(250);
    expect(rollUp.begun).toBe(3);
    await rollUp.end(NOTHING);
    await jest.advanceTimersByTimeAsync(999);
    expect(rollUp.begun).toBe(3);
    await jest.advanceTimersByTimeAsync(1);
    expect(rollUp.begun).toBe(4);
    expect(seen).toHaveLength(3);
  });

  it('repeats a pass that failed, reports a run of failures once, and says when it works again', async () => {
    for (let i = 0; i < 3; i += 1) {
      await rollUp.end(new Fault('unavailable', 'the database is away'));
      await jest.advanceTimersByTimeAsync(1_000);
    }
    expect(rollUp.begun).toBe(4);
    expect(said.filter((line) => line.includes('could not be rolled up'))).toHaveLength(1);
    await rollUp.end(NOTHING);
    expect(said.some((line) => line.includes('rolled up again'))).toBe(true);
  });

  it('stops when the pass under way has ended, and begins no other', async () => {
    let stopped = false;
    const stopping = loop.stop().then(() => (stopped = true));
    await jest.advanceTimersByTimeAsync(5_000);
    expect(stopped).toBe(false);
    await rollUp.end({ entries: 1, events: 1, behind: 5 });
    await stopping;
    await jest.advanceTimersByTimeAsync(5_000);
    expect(rollUp.begun).toBe(1);
  });
});
