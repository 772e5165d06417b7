import { crashTest } from '../../sim/crash-test.ts';
import { url } from './engine-crash.ts';

crashTest('chunk engine: every crash state shows what was acknowledged', url);
