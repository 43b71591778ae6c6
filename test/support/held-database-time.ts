import pg from 'pg';
import { formatInstant, type Instant } from '@core/time';

/**
 * Holds the time by which a test's database says when postings are effective that are posted now. When they are recorded stays the time
 * of the machine, and so does what the database refuses about closed books.
 */
export class HeldDatabaseTime {
  private constructor(private readonly owner: pg.Client) {}

  static async open(ownerUrl: string): Promise<HeldDatabaseTime> {
    const owner = new pg.Client({ connectionString: ownerUrl });
    await owner.connect();
    await owner.query(`
      CREATE TABLE held_time (at timestamptz NOT NULL);
      GRANT SELECT ON held_time TO PUBLIC;
      CREATE OR REPLACE FUNCTION effective_instant() RETURNS timestamptz LANGUAGE sql STABLE RETURN coalesce(
        nullif(current_setting('farebox.effective_at', true), '')::timestamptz, (SELECT at FROM held_time), now())`);
    return new HeldDatabaseTime(owner);
  }

  async set(at: Instant): Promise<void> {
    await this.owner.query('DELETE FROM held_time');
    await this.owner.query('INSERT INTO held_time VALUES ($1)', [formatInstant(at)]);
  }

  async close(): Promise<void> {
    await this.owner.end();
  }
}
