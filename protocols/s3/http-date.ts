// Dates of HTTP headers and of S3 documents. HTTP knows seconds only, so S3 shows every time in whole seconds:
// a listing and a HEAD of the same object agree.

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
/** IMF-fixdate, RFC 850 and asctime (RFC 9110 section 5.6.7), and the offset form of RFC 5322. */
const forms = new RegExp(
  `^(?:${days.join('|')})[a-z]*,? (?:\\d{1,2}[ -][A-Z][a-z]{2}[ -]\\d{2,4}|[A-Z][a-z]{2} {1,2}\\d{1,2}) \\d\\d:\\d\\d:\\d\\d(?: (?:GMT|UTC|[+-]\\d{4}|\\d{4}))?$`,
);
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970; undefined for what is no date, which HTTP says to ignore. */
export function parseHttpDate(text: string): number | undefined {
  if (!forms.test(text) && !iso.test(text)) return undefined;
  const zoned = /^[A-Z][a-z]{2} [A-Z]/.test(text) ? `${text} GMT` : text;
  const ms = Date.parse(zoned);
  return Number.isNaN(ms) ? undefined : ms;
}

export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** `2009-10-12T17:50:30.000Z`. */
export function isoSeconds(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString();
}
