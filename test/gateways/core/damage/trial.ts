// One damage, one verdict: the damaged system is opened and asked everything. Good outcomes are a refusal with
// a reason, an error, the right answers, or a lost key that fsck reports; anything else is a finding.

import { isCoreError } from '../../../../core/base/errors.ts';
import type { ErrorName } from '../../../../core/base/errors.ts';
import { type Answers, type Question, absent, answer, errorOf } from './questions.ts';
import type { Opened } from './opened.ts';

export type Outcome = 'refused' | 'error' | 'lost' | 'right' | 'WRONG';

export interface Verdict {
  readonly outcome: Outcome;
  /** The refusal, the first error, or what is wrong. */
  readonly detail: string;
}

/** A system that does not answer by then hangs. */
const trialMs = 60_000;

const refusals: readonly ErrorName[] = ['DISK_REFUSED', 'VERSION_UNSUPPORTED', 'CORRUPT'];
const errors: readonly ErrorName[] = [...refusals, 'DISK_OFFLINE'];
const absences: ReadonlySet<ErrorName> = new Set([
  'BUCKET_NOT_FOUND',
  'KEY_NOT_FOUND',
  'VERSION_NOT_FOUND',
  'UPLOAD_NOT_FOUND',
  'CHUNK_NOT_FOUND',
  'IDENTITY_NOT_FOUND',
  'NO_TAGS',
]);

export async function examine(
  open: () => Promise<Opened>,
  questions: readonly Question[],
  expected: Answers,
): Promise<Verdict> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<Verdict>((resolve) => {
    timer = setTimeout(() => resolve({ outcome: 'WRONG', detail: 'it hangs' }), trialMs);
  });
  try {
    return await Promise.race([judged(open, questions, expected), hang]);
  } finally {
    clearTimeout(timer);
  }
}

async function judged(
  open: () => Promise<Opened>,
  questions: readonly Question[],
  expected: Answers,
): Promise<Verdict> {
  let system: Opened;
  try {
    system = await open();
  } catch (error) {
    if (refusals.some((name) => isCoreError(error, name)))
      return { outcome: 'refused', detail: (error as Error).message };
    const stack = error instanceof Error ? error.stack : String(error);
    return { outcome: 'WRONG', detail: `the start fails with ${stack}` };
  }
  try {
    return await asked(system, questions, expected);
  } finally {
    // A disk that is offline says so again.
    await system.close().catch((error: unknown) => {
      if (!errors.some((name) => isCoreError(error, name))) throw error;
    });
  }
}

/** Asks all of `questions`; the verdict over the answers. */
export async function asked(
  system: Opened,
  questions: readonly Question[],
  expected: Answers,
): Promise<Verdict> {
  const verdict = { outcome: 'right' as Outcome, detail: '' };
  for (const question of questions) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const found = await answer(question, system);
    const right = expected.get(question.name);
    if (found === right) continue;
    const name = errorOf(found);
    const detail = `${question.name}: ${found.slice(0, 400)} instead of ${right?.slice(0, 400)}`;
    if (found === absent || (name !== undefined && absences.has(name)))
      Object.assign(verdict, { outcome: 'lost', detail });
    else if (name === undefined || !errors.includes(name)) return { outcome: 'WRONG', detail };
    else if (verdict.outcome === 'right') Object.assign(verdict, { outcome: 'error', detail });
  }
  // oxlint-disable-next-line typescript/no-unnecessary-condition -- set in the loop
  if (verdict.outcome === 'lost' && (await system.fsckIsClean()))
    return { outcome: 'WRONG', detail: `lost in silence: ${verdict.detail}` };
  return verdict;
}
