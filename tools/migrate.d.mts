/** Brings the database up to the newest migration. Two at once wait for each other. @param ownerUrl the tables' owner */
export function migrate(ownerUrl: string): Promise<void>;
