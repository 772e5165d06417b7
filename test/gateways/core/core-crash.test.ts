import { crashTest } from '../../sim/crash-test.ts';
import { url } from './core-crash.ts';

crashTest('core: every crash state shows what was acknowledged, metadata with its bytes', url);
