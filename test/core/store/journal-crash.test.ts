import { crashTest } from '../../sim/crash-test.ts';
import { url } from './journal-crash.ts';

crashTest('journal: every crash state shows what was acknowledged, in order', url);
