// XML request bodies into a small tree, piece by piece as the body arrives. The grammar is saxes' (strict XML
// 1.0, docs/decisions/0003); this file adds what S3 allows: no DTD and so no entities of one's own, no
// processing instructions, UTF-8 only, and limits on depth, elements and text checked before anything is
// kept. Attributes and namespaces are read over: S3 does not look at them. Text of an element that has
// children is dropped, since it is layout.

import { SaxesParser } from 'saxes';
import { S3Error } from './errors.ts';

export interface XmlElement {
  readonly name: string;
  /** Text of a leaf, character references resolved, blanks kept. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

export interface XmlLimits {
  readonly depthMax: number;
  readonly elementsMax: number;
  /** Characters of one element's text. */
  readonly textCharactersMax: number;
}

/** 10,000 parts with every checksum are 90,001 elements; texts are keys, ETags and tags. */
export const xmlLimits: XmlLimits = { depthMax: 8, elementsMax: 100_000, textCharactersMax: 8192 };

interface OpenElement {
  readonly name: string;
  text: string;
  /** A child was opened: text is layout from now on, and none of it counts. */
  branch: boolean;
  readonly children: XmlElement[];
}

export class XmlReader {
  private readonly limits: XmlLimits;
  private readonly parser = new SaxesParser({ position: false });
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private readonly open: OpenElement[] = [];
  private root: XmlElement | undefined;
  private elements = 0;

  constructor(limits: XmlLimits = xmlLimits) {
    this.limits = limits;
    this.parser.on('error', refuse);
    this.parser.on('doctype', refuse);
    this.parser.on('processinginstruction', refuse);
    this.parser.on('xmldecl', ({ encoding }) => {
      if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) refuse();
    });
    this.parser.on('opentag', ({ name }) => this.onOpen(name));
    this.parser.on('closetag', () => this.onClose());
    this.parser.on('text', (text) => this.onText(text));
    this.parser.on('cdata', (text) => this.onText(text));
  }

  /** @throws S3Error MalformedXML; a reader that threw is dead. */
  push(chunk: Uint8Array): void {
    this.parser.write(this.decode(chunk));
  }

  /** @throws S3Error MalformedXML when the document is not complete. */
  end(): XmlElement {
    this.parser.write(this.decode(undefined));
    this.parser.close();
    if (this.root === undefined) throw malformedXml();
    return this.root;
  }

  private decode(chunk: Uint8Array | undefined): string {
    try {
      return this.decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw malformedXml();
    }
  }

  private onOpen(name: string): void {
    this.elements++;
    if (this.open.length >= this.limits.depthMax || this.elements > this.limits.elementsMax)
      throw malformedXml();
    const parent = this.open.at(-1);
    if (parent !== undefined) {
      parent.branch = true;
      parent.text = '';
    }
    this.open.push({ name, text: '', branch: false, children: [] });
  }

  private onClose(): void {
    // saxes closes only what it opened, so there is one.
    const { name, text, children } = this.open.pop() as OpenElement;
    const element: XmlElement = { name, text, children };
    const parent = this.open.at(-1);
    if (parent === undefined) this.root = element;
    else parent.children.push(element);
  }

  private onText(text: string): void {
    const element = this.open.at(-1);
    if (element === undefined || element.branch) return;
    if (element.text.length + text.length > this.limits.textCharactersMax) throw malformedXml();
    element.text += text;
  }
}

function refuse(): never {
  throw malformedXml();
}

/** A whole document at once. @throws S3Error MalformedXML */
export function parseXml(bytes: Uint8Array, limits: XmlLimits = xmlLimits): XmlElement {
  const reader = new XmlReader(limits);
  reader.push(bytes);
  return reader.end();
}

export function malformedXml(message?: string): S3Error {
  return new S3Error('MalformedXML', message);
}

/** Text of the first child of that name. */
export function childText(element: XmlElement, name: string): string | undefined {
  for (const child of element.children) if (child.name === name) return child.text;
  return undefined;
}
