// Bounded parallelism over a list. The first failure rejects after the items under way have ended; no new
// item starts after it.

/** Runs `work` on every item, at most `width` at the same time; results in order of items. */
export async function mapParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        // oxlint-disable-next-line no-await-in-loop -- a lane takes one item after another
        results[index] = await work(items[index] as T, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  if (failure !== undefined) throw (failure as { error: unknown }).error;
  return results;
}
