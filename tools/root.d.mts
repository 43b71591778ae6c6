/** The folder of the checkout. */
export const root: string;

/** Everything that a run leaves behind lies here; git does not see it. */
export const dataFolder: string;
