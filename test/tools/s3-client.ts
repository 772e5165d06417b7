// The leanest S3 client for load and crash tests: raw keep-alive connections, UNSIGNED-PAYLOAD, no retries, so
// that a test knows exactly what was asked and answered. Signs by AWS's SigV4 pages on its own, as an oracle.

import { createHash, createHmac } from 'node:crypto';
import { type BenchAnswer, HttpConnection } from './http-connection.ts';

export interface S3Address {
  readonly host: string;
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
}

const region = 'us-east-1';
const unsigned = 'UNSIGNED-PAYLOAD';

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/** Request heads, complete with their blank line. The signing key is derived once a day. */
export class RequestSigner {
  private readonly address: S3Address;
  private day = '';
  private key: Buffer = Buffer.alloc(0);

  constructor(address: S3Address) {
    this.address = address;
  }

  /** `path` and `query` are encoded already; the query is in canonical order. */
  head(method: string, path: string, query: string, bodyBytes: number | undefined): string {
    const { host, port, accessKey, secretKey } = this.address;
    const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const day = stamp.slice(0, 8);
    if (day !== this.day) {
      this.day = day;
      this.key = hmac(hmac(hmac(hmac(`AWS4${secretKey}`, day), region), 's3'), 'aws4_request');
    }
    const signed = 'host;x-amz-content-sha256;x-amz-date';
    const canonical =
      `${method}\n${path}\n${query}\nhost:${host}:${port}\nx-amz-content-sha256:${unsigned}\n` +
      `x-amz-date:${stamp}\n\n${signed}\n${unsigned}`;
    const scope = `${day}/${region}/s3/aws4_request`;
    const digest = createHash('sha256').update(canonical).digest('hex');
    const signature = hmac(this.key, `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${digest}`).toString(
      'hex',
    );
    const length = bodyBytes === undefined ? '' : `Content-Length: ${bodyBytes}\r\n`;
    return (
      `${method} ${path}${query === '' ? '' : `?${query}`} HTTP/1.1\r\nHost: ${host}:${port}\r\n` +
      `x-amz-content-sha256: ${unsigned}\r\nx-amz-date: ${stamp}\r\n${length}` +
      `Authorization: AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${signed}, ` +
      `Signature=${signature}\r\n\r\n`
    );
  }
}

/** One connection at a time, opened again after an error. */
export class S3Client {
  private readonly address: S3Address;
  private readonly signer: RequestSigner;
  private connection: HttpConnection | undefined;

  constructor(address: S3Address) {
    this.address = address;
    this.signer = new RequestSigner(address);
  }

  /** @throws Error when the connection breaks: the outcome of a write is then unknown. */
  async send(method: string, path: string, query = '', body?: Buffer): Promise<BenchAnswer> {
    this.connection ??= await HttpConnection.open(this.address.host, this.address.port);
    const bodyBytes = method === 'PUT' || method === 'POST' ? (body?.length ?? 0) : undefined;
    try {
      return await this.connection.request(
        method,
        this.signer.head(method, path, query, bodyBytes),
        body,
        true,
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.connection?.close();
    this.connection = undefined;
  }
}
