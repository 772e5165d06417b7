import { loadSuite } from '../tools/suite.ts';

await loadSuite('states');
