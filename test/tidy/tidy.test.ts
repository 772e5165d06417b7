import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { errorTable } from '../../core/base/errors.ts';
import { findTests, suiteNames, suiteOf } from '../tools/suite.ts';
import { homeOf, layers, nodeModules, packageHomes } from './layers.ts';
import { findAll, root, sourceFiles, textFiles } from './repository.ts';

// Checks of the repository itself: what no compiler and no linter says. Every failure names file and line.

const files = textFiles();
const sources = sourceFiles(files);
const documents = files.filter(({ path }) => path.endsWith('.md'));
const paths = new Set(files.map(({ path }) => path));

function none(found: readonly string[], rule: string): void {
  assert.equal(found.length, 0, `${rule}\n  ${found.join('\n  ')}`);
}

function textOf(path: string): string {
  const file = files.find((other) => other.path === path);
  assert.ok(file !== undefined, `${path} is missing`);
  return file.text;
}

describe('layers', () => {
  test('every file imports only what its layer may see', () => {
    const wrong = sources.flatMap(({ path, imports }) => {
      const home = homeOf(layers, path);
      if (home === undefined) return [`${path} is in no layer: add its folder to layers.ts`];
      const allowed = [home, ...(layers[home] ?? [])];
      return imports
        .filter((target) => target.endsWith('.ts'))
        .filter((target) => {
          const targetHome = homeOf(layers, target);
          // gateways may import any of its own subfolders; elsewhere a listed folder is that folder.
          return !allowed.some(
            (folder) =>
              folder === targetHome || (folder !== 'core/env' && target.startsWith(`${folder}/`)),
          );
        })
        .map((target) => `${path} imports ${target}`);
    });
    none(wrong, 'an import goes against the layers (docs/architecture.md)');
  });

  test('npm packages stay at home', () => {
    const wrong = sources
      .filter(({ path }) => !path.startsWith('test/'))
      .flatMap(({ path, imports }) =>
        imports
          .filter((target) => !target.startsWith('node:') && !target.endsWith('.ts'))
          .filter((target) => {
            const name = /^(?:@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? target;
            const homes = packageHomes[name] ?? [];
            return !homes.some((home) => path === home || path.startsWith(`${home}/`));
          })
          .map((target) => `${path} imports ${target}`),
      );
    none(wrong, 'a package is imported outside its home (test/tidy/layers.ts)');
  });

  test('cores and codecs do not reach for Node, time or randomness', () => {
    // Names that nobody uses for anything else; the linter, which knows scopes, sees the rest.
    const banned =
      /(?<![\w.$])(?:Date|setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bMath\.random\b|(?<![\w.$])(?:process|performance|crypto)\./g;
    const wrong = sources.flatMap((file) => {
      const home = homeOf(nodeModules, file.path);
      if (home === undefined || file.path.startsWith('core/env/node/')) return [];
      const modules = file.imports
        .filter((target) => target.startsWith('node:') && !nodeModules[home]?.includes(target))
        .map((target) => `${file.path} imports ${target}`);
      const globals = home === 'protocols' ? [] : findAll(file, file.code, banned);
      return [...modules, ...globals];
    });
    none(wrong, 'only core/env/node talks to Node: take Clock, Rng, Disk or Net as a parameter');
  });
});

describe('sources', () => {
  test('no leftovers, no foreign addresses', () => {
    // Written with a class of one letter, so that this line does not find itself.
    const text = /\b(?:[T]ODO|[F]IXME|[X]XX)\b|(?<![\w.])\/(?:[w]ork|[r]oot|[h]ome)\/\w+/g;
    const code = /\bconsole\.log\b|\.only\(|\bdebugger\b/g;
    const wrong = [
      ...files
        .filter(({ path }) => !['LICENSE', 'package-lock.json'].includes(path))
        .flatMap((file) => findAll(file, file.text, text)),
      ...sources.flatMap((file) => findAll(file, file.code, code)),
    ];
    none(wrong, 'remove this before landing');
  });

  test('every module says at its top what it is', () => {
    const wrong = sources
      .filter(({ path }) => !path.endsWith('.test.ts') && !path.startsWith('test/suites/'))
      .filter(({ text }) => !/^(#!.*\n)?\/[/*]/.test(text))
      .map(({ path }) => path);
    none(wrong, 'a module begins with a comment that says what it is and what it must not do');
  });

  test('no module is out of use', () => {
    const bySource = new Map(sources.map((source) => [source.path, source]));
    const used = new Set<string>();
    const visit = (path: string): void => {
      const source = bySource.get(path);
      if (source === undefined || used.has(path)) return;
      used.add(path);
      for (const target of source.imports) visit(target);
    };
    for (const { path } of sources) if (isEntry(path)) visit(path);
    const dead = sources.map(({ path }) => path).filter((path) => !used.has(path));
    none(dead, 'nothing that is started comes to this module: remove it');
  });

  test('every test file is in a suite that has an entry', () => {
    const suites = new Set<string>(suiteNames);
    for (const suite of suites) assert.ok(paths.has(`test/suites/${suite}.ts`), suite);
    const lost = sources
      .map(({ path }) => path)
      .filter((path) => path.endsWith('.test.ts'))
      .filter((path) => !findTests().includes(path) || !suites.has(suiteOf(path)));
    none(lost, 'this test would never run');
  });
});

const programs = [
  textOf('package.json'),
  ...sources.flatMap(({ path, text }) => (path.startsWith('test/') ? [text] : [])),
];

/** The command line, tests, and what package.json or a test starts by the name of its output. */
function isEntry(path: string): boolean {
  if (path === 'gateways/main.ts' || path.endsWith('.test.ts')) return true;
  if (!path.startsWith('test/')) return false;
  const output = path.replace(/\.ts$/, '.js');
  const name = output.slice(output.lastIndexOf('/') + 1);
  return (
    // Suites by test/tools/run.ts, benchmarks by test/bench/main.ts.
    /^test\/(suites|bench)\//.test(path) ||
    programs.some((text) => text.includes(`dist/${output}`) || text.includes(`'${name}'`))
  );
}

describe('packages', () => {
  interface LockEntry {
    readonly resolved?: string;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const lock = JSON.parse(textOf('package-lock.json')) as {
    packages: Readonly<Record<string, LockEntry>>;
  };

  test('the lock file names the public registry only', () => {
    const wrong = Object.entries(lock.packages)
      .filter(([, { resolved }]) => resolved !== undefined)
      .filter(([, { resolved }]) => !resolved?.startsWith('https://registry.npmjs.org/'))
      .map(([name, { resolved }]) => `${name}: ${resolved}`);
    none(wrong, 'package-lock.json was written against another registry');
  });

  test('the lock file knows the packages of every platform', () => {
    const wrong = Object.entries(lock.packages).flatMap(([name, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {})
        .filter(
          (optional) =>
            !Object.keys(lock.packages).some((key) => key.endsWith(`node_modules/${optional}`)),
        )
        .map((optional) => `${name || 'package.json'} wants ${optional}`),
    );
    none(wrong, 'npm ci refuses this lock file on other platforms');
  });

  test('versions are exact', () => {
    const { dependencies, devDependencies } = JSON.parse(textOf('package.json')) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
    };
    const wrong = Object.entries({ ...dependencies, ...devDependencies })
      .filter(([, version]) => !/^\d/.test(version))
      .map(([name, version]) => `${name} ${version}`);
    none(wrong, 'npm install --save-exact');
  });

  test('every package at run time is argued for', () => {
    const { dependencies } = JSON.parse(textOf('package.json')) as {
      dependencies: Record<string, string>;
    };
    const decision = textOf('docs/decisions/0002-dependencies.md');
    const wrong = Object.keys(dependencies).filter((name) => !decision.includes(`\`${name}\``));
    none(wrong, 'docs/decisions/0002-dependencies.md does not name it');
  });
});

describe('documents', () => {
  test('relative links lead somewhere', () => {
    const wrong = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map((match) => match[1] as string)
        .filter((target) => !/^(https?:|mailto:|#)/.test(target))
        .filter((target) => {
          const [file = ''] = target.split('#');
          return !existsSync(join(root, normalize(join(dirname(path), file))));
        })
        .map((target) => `${path} links to ${target}`),
    );
    none(wrong, 'a link leads nowhere');
  });

  test('source files that documents name exist', () => {
    const named = /`((?:core|protocols|gateways|kvcache|test|docs)\/[\w./-]+\.(?:ts|md|txt))`/g;
    const wrong = documents.flatMap((file) =>
      [...file.text.matchAll(named)]
        .map((match) => match[1] as string)
        .filter((target) => !paths.has(target))
        .map((target) => `${file.path} names ${target}`),
    );
    none(wrong, 'a document names a file that is not there');
  });

  // A step of a walk is a list item: `core/x/y.ts` `name()`, any number of both; every name is in one of them.
  test('functions that the walks of docs/architecture.md name exist in the files they name', () => {
    const wrong = textOf('docs/architecture.md')
      .split(/\n(?=\s*(?:\d+\.|-) )/)
      .flatMap((item) => {
        const named = [...item.matchAll(/`([\w./-]+\.ts)`/g)].map((match) => match[1] as string);
        const functions = [...item.matchAll(/`(?:\w+\.)?(\w+)\(\)`/g)].map(
          (match) => match[1] as string,
        );
        const texts = sources.filter(({ path }) => named.includes(path)).map(({ code }) => code);
        return functions
          .filter((name) => !texts.some((text) => new RegExp(`\\b${name}\\b`).test(text)))
          .map((name) => `${name}() is in none of: ${named.join(', ')}`);
      });
    none(wrong, 'docs/architecture.md');
  });

  test('every error code has a line for the operator', () => {
    const text = textOf('docs/operations/errors.md');
    const wrong = Object.entries(errorTable)
      .filter(
        ([name, { code }]) => !new RegExp(`^\\| \`${name}\` +\\| ${code} +\\|`, 'm').test(text),
      )
      .map(([name, { code }]) => `${name} ${code}`);
    none(wrong, 'docs/operations/errors.md needs a line `| NAME | code | … |`');
  });
});
