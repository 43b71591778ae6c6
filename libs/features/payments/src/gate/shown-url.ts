/** A URL as others are shown it. Query strings may carry personal data; and it is echoed in payments, which have to stay short. */
export const shownUrl = (url: string): string => url.split(/[?#]/, 1)[0]?.slice(0, 512) ?? '';
