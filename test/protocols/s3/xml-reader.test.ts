// Reading XML bodies: what S3 takes, what it refuses, and that pieces of any size give the same tree.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isS3Error } from '../../../protocols/s3/errors.ts';
import {
  type XmlElement,
  XmlReader,
  childText,
  parseXml,
} from '../../../protocols/s3/xml-reader.ts';
import { escapeXml } from '../../../protocols/s3/xml-writer.ts';

const parse = (text: string): XmlElement => parseXml(Buffer.from(text));
const malformed = (error: unknown): boolean => isS3Error(error, 'MalformedXML');

test('a tree with text, references and CDATA', () => {
  const root = parse(
    '<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n' +
      '  <Quiet>true</Quiet><Object><Key> a&amp;b&#x20AC;&#10;</Key></Object><Object><Key><![CDATA[<c>]]></Key></Object>\n</Delete>',
  );
  assert.equal(root.name, 'Delete');
  assert.equal(root.text, '');
  assert.equal(childText(root, 'Quiet'), 'true');
  assert.deepEqual(
    root.children.slice(1).map((object) => childText(object, 'Key')),
    [' a&b€\n', '<c>'],
  );
  assert.equal(childText(root, 'Absent'), undefined);
});

test('attributes, comments and a byte order mark are read over', () => {
  const root = parse('\ufeff<a b="c" xsi:type="d"><!-- e --><f/></a>');
  assert.deepEqual(root, {
    name: 'a',
    text: '',
    children: [{ name: 'f', text: '', children: [] }],
  });
});

test('what is not well formed, or more than S3 sends, is refused', () => {
  const bad = [
    '',
    '   ',
    'text',
    '<a>',
    '<a></b>',
    '<a/><b/>',
    '<a>&undefined;</a>',
    '<a>&#0;</a>',
    '<a b=c/>',
    '<a>\u0001</a>',
    '<!DOCTYPE a><a/>',
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    '<?php echo ?><a/>',
    '<?xml version="1.0" encoding="UTF-16"?><a/>',
    '<a>'.repeat(9) + '</a>'.repeat(9),
    `<a>${'x'.repeat(8193)}</a>`,
  ];
  for (const text of bad) assert.throws(() => parse(text), malformed, text.slice(0, 60));
  assert.throws(
    () => parseXml(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c])),
    malformed,
    'not UTF-8',
  );
  assert.throws(() => parseXml(Buffer.from('<a>é').subarray(0, 4)), malformed, 'half a character');
});

test('layout between elements does not count as text, however much there is', () => {
  const part = '\n    <Part>\n        <ETag>e</ETag>\n    </Part>';
  const root = parse(`<Complete>${part.repeat(10_000)}\n</Complete>`);
  assert.equal(root.children.length, 10_000);
  assert.equal(root.text, '');
  assert.equal(parse(`<a>${'x'.repeat(8000)}<b/>${'y'.repeat(8000)}</a>`).text, '');
});

test('elements are counted', () => {
  const limits = { depthMax: 3, elementsMax: 10, textCharactersMax: 10 };
  parseXml(Buffer.from(`<a>${'<b/>'.repeat(9)}</a>`), limits);
  assert.throws(() => parseXml(Buffer.from(`<a>${'<b/>'.repeat(10)}</a>`), limits), malformed);
});

test('any cut into pieces gives the same tree', () => {
  const bytes = Buffer.from(
    '<?xml version="1.0"?><T><K>é&amp;ß</K><![CDATA[x]]><V>\u{1f600}</V></T>',
  );
  const whole = parseXml(bytes);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new XmlReader();
    reader.push(bytes.subarray(0, cut));
    reader.push(bytes.subarray(cut));
    assert.deepEqual(reader.end(), whole, `cut at ${cut}`);
  }
});

test('what the writer escapes the reader gives back', () => {
  // Without what XML 1.0 cannot hold at all, escaped or not.
  const text = fc
    .string({ unit: 'grapheme' })
    // oxlint-disable-next-line no-control-regex -- on purpose
    .map((value) => value.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, ''));
  fc.assert(
    fc.property(text, (value) => {
      assert.equal(parse(`<a>${escapeXml(value)}</a>`).text, value);
    }),
  );
  assert.equal(parse(`<a>${escapeXml('\r\n\t"<&>')}</a>`).text, '\r\n\t"<&>');
});

test('random bytes never do anything but parse or refuse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        parseXml(bytes);
      } catch (error) {
        assert.ok(malformed(error));
      }
    }),
  );
});
