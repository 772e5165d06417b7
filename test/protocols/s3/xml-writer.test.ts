import assert from 'node:assert/strict';
import { test } from 'node:test';
import { element, escapeXml, leaf, leafIf, xmlDocument } from '../../../protocols/s3/xml-writer.ts';

test('markup is escaped, everything else stays', () => {
  assert.equal(escapeXml('plain/key.txt'), 'plain/key.txt');
  assert.equal(escapeXml('a&b<c>d"e\'f'), "a&amp;b&lt;c&gt;d&quot;e'f");
  assert.equal(escapeXml('tab\tand\nline'), 'tab\tand\nline');
  assert.equal(escapeXml('ä€\u{1f600}'), 'ä€\u{1f600}');
});

test('what XML cannot hold becomes a numeric reference, as S3 writes it', () => {
  assert.equal(escapeXml('\u0000\u0001\u001f\r'), '&#x0;&#x1;&#x1F;&#xD;');
  assert.equal(escapeXml('\ufffe\ud800x'), '&#xFFFE;&#xD800;x');
});

test('elements', () => {
  assert.equal(leaf('A', 'b&c'), '<A>b&amp;c</A>');
  assert.equal(leaf('A', 5) + leaf('B', false), '<A>5</A><B>false</B>');
  assert.equal(leafIf('A', undefined), '');
  assert.equal(element('A', '<B/>'), '<A><B/></A>');
  assert.equal(
    xmlDocument('R', 'x'),
    '<?xml version="1.0" encoding="UTF-8"?>\n<R xmlns="http://s3.amazonaws.com/doc/2006-03-01/">x</R>',
  );
});
