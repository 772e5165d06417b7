// From a request to its operation: method + scope + sub-resource, and where several share these, a header or a
// query name. Pure. What the table does not know answers 501 or 405; nothing ever falls through to a
// listing, a read or a write. `x-id` and other names that start with `x-` do not route: clients add them for
// logs and signatures (S3 user guide, "custom access log information").

import { S3Error, invalidArgument, notImplemented } from './errors.ts';
import {
  type Method,
  type Operation,
  type OperationName,
  type Scope,
  operations,
} from './operations.ts';

export type RoutedOperation = Operation & { readonly name: OperationName };

/** The part of RawRequest that routing looks at. */
export interface RouteRequest {
  readonly method: string;
  /** Decoded, in the order sent. */
  readonly query: readonly { readonly name: string; readonly value: string }[];
  /** Value of a header by lower-case name. */
  header(name: string): string | undefined;
}

const methods: ReadonlySet<string> = new Set<Method>([
  'GET',
  'HEAD',
  'PUT',
  'POST',
  'DELETE',
  'OPTIONS',
]);
const keyOf = (method: string, scope: Scope, subResource: string): string =>
  `${method} ${scope} ${subResource}`;

/** Operations by method, scope and sub-resource; the narrower ones (with `when`) first. */
const index = new Map<string, RoutedOperation[]>();
/** Names of sub-resources by scope. */
const subResources: Record<Scope, Set<string>> = {
  service: new Set(),
  bucket: new Set(),
  object: new Set(),
};
/** Names of sub-resources of any scope. One of another scope asks for what this scope does not have. */
const allSubResources = new Set<string>();
/** Every query name that some operation reads: it means something, so it is refused where it is not read. */
const parameterNames = new Set<string>();

for (const operation of operations) {
  const key = keyOf(operation.method, operation.scope, operation.subResource ?? '');
  const found = index.get(key);
  if (found === undefined) index.set(key, [operation]);
  else if (operation.when === undefined) found.push(operation);
  else found.unshift(operation);
  if (operation.subResource !== undefined) {
    subResources[operation.scope].add(operation.subResource);
    allSubResources.add(operation.subResource);
  }
  for (const name of operation.parameters) parameterNames.add(name);
}

/** @throws S3Error NotImplemented, MethodNotAllowed, InvalidArgument, InvalidRequest */
export function route(request: RouteRequest, scope: Scope): RoutedOperation {
  const { method, query } = request;
  if (!methods.has(method)) throw methodNotAllowed(method, scope);
  // Browsers ask before any request, so a preflight has the query of the request to come.
  const subResource = method === 'OPTIONS' ? '' : subResourceOf(scope, query);
  const candidates = index.get(keyOf(method, scope, subResource));
  if (candidates === undefined) throw methodNotAllowed(method, scope);
  const operation = candidates.length === 1 ? candidates[0] : candidates.find(matches, request);
  if (operation === undefined || (candidates.length === 1 && !matches.call(request, operation)))
    throw methodNotAllowed(method, scope);
  if (query.length > 0 && changes(method)) checkParameters(operation, query);
  return operation;
}

function subResourceOf(scope: Scope, query: RouteRequest['query']): string {
  let found = '';
  for (const { name, value } of query) {
    if (subResources[scope].has(name)) {
      if (found !== '' && found !== name) {
        throw new S3Error(
          'InvalidRequest',
          `The request names two sub-resources, ${found} and ${name}.`,
        );
      }
      found = name;
    } else if (allSubResources.has(name) || isUnknownSubResource(name, value)) {
      throw notImplemented(`The sub-resource ${JSON.stringify(name)}`);
    }
  }
  return found;
}

const isUnknownSubResource = (name: string, value: string): boolean =>
  value === '' && !parameterNames.has(name) && !isForLogs(name);

function matches(this: RouteRequest, operation: RoutedOperation): boolean {
  const { when } = operation;
  if (when === undefined) return true;
  if (when.header !== undefined) return this.header(when.header) !== undefined;
  const [name, value] = when.query ?? [];
  return this.query.some(
    (pair) => pair.name === name && (value === undefined || pair.value === value),
  );
}

const changes = (method: string): boolean =>
  method === 'PUT' || method === 'POST' || method === 'DELETE';

/** A PUT with `partNumber` but without `uploadId`, a DELETE of a bucket's `prefix`, … do not mean what the
 *  operation would do. Reads ignore such names, as S3 does. */
function checkParameters(operation: RoutedOperation, query: RouteRequest['query']): void {
  for (const { name, value } of query) {
    if (name === operation.subResource || operation.parameters.includes(name)) continue;
    if (parameterNames.has(name) && !name.startsWith('response-')) {
      throw invalidArgument(
        name,
        value,
        `This operation does not accept the query parameter ${name}.`,
      );
    }
  }
}

const isForLogs = (name: string): boolean => /^x-/i.test(name);

function methodNotAllowed(method: string, scope: Scope): S3Error {
  const resource = scope === 'object' ? 'OBJECT' : scope.toUpperCase();
  return new S3Error('MethodNotAllowed', undefined, { Method: method, ResourceType: resource });
}
