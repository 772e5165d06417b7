// XML of answers. Strings are joined as they come: V8 keeps them as ropes and flattens once, on sending. Text is
// escaped here and nowhere else; names of elements are literals of the callers.

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

// Markup, the quote that S3 escapes, and what XML 1.0 cannot hold: most control characters, U+FFFE, U+FFFF and
// lone surrogates. A carriage return would come back as a line feed.
// oxlint-disable-next-line no-control-regex -- that is the point
const special = /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff\ud800-\udfff]/;
// oxlint-disable-next-line no-control-regex -- as above
const specials = /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

/** Characters that XML cannot hold leave as numeric references, as S3 sends them: a client that lists such
 *  keys asks for `encoding-type=url`. */
export function escapeXml(text: string): string {
  return special.test(text) ? text.replace(specials, reference) : text;
}

function reference(character: string): string {
  switch (character) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    default:
      return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
  }
}

// oxlint-disable-next-line no-control-regex -- as above
const unholdable = /[\u0000-\u0008\u000b-\u001f\ufffe\uffff]|\p{Surrogate}/u;

/** Whether XML can hold the text such that every parser gives it back. */
export function isXmlText(text: string): boolean {
  return !unholdable.test(text);
}

/** `<name>text</name>`. */
export function leaf(name: string, text: string | number | boolean): string {
  return `<${name}>${typeof text === 'string' ? escapeXml(text) : text}</${name}>`;
}

/** A leaf, or nothing for an absent value. */
export function leafIf(name: string, text: string | number | boolean | undefined): string {
  return text === undefined ? '' : leaf(name, text);
}

/** `<name>content</name>` around content that is XML already. */
export function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

/** A document of the S3 namespace. */
export function xmlDocument(root: string, content: string): string {
  return `${documentStart(root)}${content}</${root}>`;
}

/** Its beginning; `</root>` ends it. */
export function documentStart(root: string): string {
  return `${declaration}<${root} xmlns="${namespace}">`;
}

/** Error documents carry no namespace. */
export function errorDocument(content: string): string {
  return `${declaration}<Error>${content}</Error>`;
}

/** What a document that leaves in pieces begins with … */
export const xmlDeclaration = declaration;

/** … and what follows later. */
export function withoutDeclaration(document: string): string {
  return document.slice(declaration.length);
}
