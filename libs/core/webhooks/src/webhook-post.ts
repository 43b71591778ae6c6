/** What came of a POST. `why` is for people: it names no address. */
export type PostAnswer =
  | { readonly outcome: 'answered'; readonly status: number }
  /** Nothing was connected to: the URL, or an address of its name, may not be asked. */
  | { readonly outcome: 'refused'; readonly why: string }
  | { readonly outcome: 'failed'; readonly why: string };

/** Reaches receivers that providers name, and nothing inside. */
export abstract class WebhookPost {
  /** Why a URL can never be posted to; undefined when its text tells nothing against it. */
  abstract refusalOf(url: string): string | undefined;

  /** One POST, without redirects, in bounded time. Never throws. */
  abstract post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<PostAnswer>;
}
