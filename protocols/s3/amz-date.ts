// The two forms of time in signed requests: yyyyMMdd'T'HHmmss'Z' and, in a Date header, an HTTP date.
// Arithmetic only; nothing here reads a clock.

const amzDateForm = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** Milliseconds since the epoch; undefined for another form or a day that does not exist. */
export function parseAmzDate(text: string): number | undefined {
  const match = amzDateForm.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map(Number);
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date.UTC carries 31 February over into March: such a text does not come back.
  return formatAmzDate(ms) === text ? ms : undefined;
}

export function formatAmzDate(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

const httpDateForm =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/;

/** IMF-fixdate of RFC 9110 section 5.6.7 in milliseconds. */
export function parseHttpDate(text: string): number | undefined {
  if (!httpDateForm.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
