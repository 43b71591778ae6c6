import { type Holder, ORDINAL_WORD, PAGE_RECORD_WORDS, POSITION_WORD, markAt, wordsOf } from './identity-record.js';
import { type Querying, queryRows } from '../log/query-rows.js';

/** Identities of a page, on the average: a page stays below 2 KiB. */
const PAGE_IDENTITIES = 32;
const SPAN = 2 ** 32;

/** Where an identity may be in a segment. */
export interface Probe {
  readonly place: number;
  readonly segment: number;
  readonly bucket: number;
}

/** How many pages so many identities are spread over. */
export const bucketsFor = (identities: number): number => Math.max(1, Math.ceil(identities / PAGE_IDENTITIES));

/** The page of an identity that begins with a word. */
export const bucketOf = (word: number, buckets: number): number => Math.floor((word / SPAN) * buckets);

/** Looks into the pages where identities may be and adds those that are there, by place. */
export async function addPageHolders(
  on: Querying,
  probes: readonly Probe[],
  words: Uint32Array,
  width: number,
  taken: Map<number, Holder>,
): Promise<void> {
  const bySegment = new Map<number, Probe[]>();
  for (const probe of probes) {
    const own = bySegment.get(probe.segment);
    if (own) own.push(probe);
    else bySegment.set(probe.segment, [probe]);
  }
  // The numbers stand in the statement, so that it is planned for the partitions that are looked into and no others.
  const parts = [...bySegment].map(
    ([segment, own]) =>
      `SELECT segment, bucket, records FROM identity_pages WHERE segment = ${segment} AND bucket = ANY ('{${own.map(({ bucket }) => bucket).join(',')}}')`,
  );
  const rows = await queryRows<{ segment: number; bucket: number; records: Buffer }>(on, parts.join(' UNION ALL '));
  const pages = new Map(rows.map(({ segment, bucket, records }) => [`${segment} ${bucket}`, records]));
  for (const { place, segment, bucket } of probes) {
    const page = pages.get(`${segment} ${bucket}`);
    const holder = page && holderIn(wordsOf(page), words, place * width);
    if (holder) taken.set(place, holder);
  }
}

function holderIn(page: Uint32Array, words: Uint32Array, at: number): Holder | undefined {
  for (let own = 0; own < page.length; own += PAGE_RECORD_WORDS) {
    if (
      page[own] === words[at] &&
      page[own + 1] === words[at + 1] &&
      page[own + 2] === words[at + 2] &&
      page[own + 3] === words[at + 3]
    ) {
      return {
        position: BigInt(page[own + POSITION_WORD] ?? 0) + (BigInt(page[own + POSITION_WORD + 1] ?? 0) << 32n),
        ordinal: page[own + ORDINAL_WORD] ?? 0,
        mark: markAt(page, own),
      };
    }
  }
  return undefined;
}
