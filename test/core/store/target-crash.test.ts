import { crashTest } from '../../sim/crash-test.ts';
import { url } from './target-crash.ts';

crashTest('replicated target: every crash state shows what was acknowledged', url);
