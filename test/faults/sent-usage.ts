/** A use as a sender's log has it. What it counts follows from its name, so that the log says all that must be in the books. */
export interface Sent {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Whether its name is also its id, so that it counts once whoever sends it. */
  readonly own: boolean;
}

export const ACCOUNTS = ['killed-1', 'killed-2', 'killed-3'] as const;

const numberOf = (name: string): number => name.split('-').reduce((sum, part) => sum * 31 + Number(part), 7);

export const accountOf = (name: string): string => ACCOUNTS[numberOf(name) % ACCOUNTS.length] ?? ACCOUNTS[0];
export const valueOf = (name: string): number => 1 + (numberOf(name) % 89);

export const lineOf = (mark: '+' | '=', { name, time, own }: Sent): string =>
  `${mark} ${name} ${time} ${own ? 'own' : 'stream'}\n`;

/** The lines of a log. A last one that was torn by the kill was not said. */
export const readLines = (text: string): (Sent & { readonly mark: string })[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [mark = '', name = '', time = '', kind] = line.split(' ');
      return { mark, name, time: Number(time), own: kind === 'own' };
    });
