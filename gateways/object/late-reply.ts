// Answers of operations that may take long (Complete, copies): within a few seconds they answer like any
// other; after that the status line goes out as 200, blanks keep the connection alive, and the document says
// how it ended, be it an error. SDKs know this behaviour of S3 and look into the document.

import { errorXml } from '../../protocols/s3/answer-documents.ts';
import { withoutDeclaration } from '../../protocols/s3/xml-writer.ts';
import { toS3Error } from './core-errors.ts';
import { type Reply, xmlReply, xmlType } from './reply.ts';
import type { S3Call } from './s3-call.ts';

export interface Finished {
  readonly document: string;
  readonly headers?: readonly string[];
}

/** @throws what `work` throws in time */
export async function lateReply(call: S3Call, work: Promise<Finished>): Promise<Reply> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), call.lateAnswerMs);
  });
  try {
    const finished = await Promise.race([work, patience]);
    if (finished !== undefined) return xmlReply(finished.document, finished.headers);
  } finally {
    clearTimeout(timer);
  }
  const { exchange, request } = call;
  const late = work.then(
    ({ document }) => withoutDeclaration(document),
    (error: unknown) => {
      const answer = toS3Error(error, exchange);
      exchange.errorCode = answer.code;
      return withoutDeclaration(errorXml(answer, request.rawPath, exchange.requestId));
    },
  );
  return { status: 200, headers: xmlType, late };
}
