import { readArguments } from './arguments.js';

const folders = { of: '/home/someone', usual: '/checkout/.data' };
const read = (...args: string[]) => readArguments(args, folders);

describe('the flags of npm start', () => {
  it('starts the demo over the usual folder when nothing is said', () => {
    expect(read()).toEqual({
      ask: 'start',
      options: { demo: true, fresh: false, exit: false, data: '/checkout/.data', port: 3000 },
    });
  });

  it('takes every flag', () => {
    expect(read('--no-demo', '--fresh', '--exit', '--data', 'here', '--port=4100')).toEqual({
      ask: 'start',
      options: { demo: false, fresh: true, exit: true, data: '/home/someone/here', port: 4100 },
    });
    expect(read('--help')).toEqual({ ask: 'help' });
  });

  it.each([
    [['--frsh'], '--frsh'],
    [['now'], 'now'],
    [['--data'], '--data'],
    [['--data='], '--data'],
    [['--port', 'x'], '--port'],
    [['--port', '80'], '--port'],
    [['--port', '70000'], '--port'],
    [['--fresh=yes'], '--fresh'],
  ])('refuses %j and names it', (args, named) => {
    const answer = read(...args);
    expect(answer.ask).toBe('nothing');
    expect(answer).toMatchObject({ problem: expect.stringContaining(named) });
  });
});
