import { loadSuite } from '../tools/suite.ts';

await loadSuite('e2e');
