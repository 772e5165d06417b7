// Counters of the S3 door, for the admin port. Label values come from the operation table and the table of
// errors, never from a client, so that the number of series is bounded.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Exchange } from './exchange.ts';

/** From a cached small read to a large upload. */
const secondsBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60,
];

export class DoorMetrics {
  private readonly requests: Counter;
  private readonly errors: Counter;
  private readonly seconds: Histogram;
  private readonly receivedBytes: Counter;
  private readonly sentBytes: Counter;
  private readonly refusedConnections: Counter;
  private readonly malformedRequests: Counter;

  constructor(
    registry: Registry,
    now: { readonly connections: () => number; readonly requests: () => number },
  ) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'lampyr_s3_requests_total',
      help: 'Answered requests by operation and status',
      labelNames: ['operation', 'status'],
      registers,
    });
    this.errors = new Counter({
      name: 'lampyr_s3_errors_total',
      help: 'Error answers by S3 error code',
      labelNames: ['code'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'lampyr_s3_request_seconds',
      help: 'Time from the end of the request head to the end of the answer',
      labelNames: ['operation'],
      buckets: secondsBuckets,
      registers,
    });
    this.receivedBytes = new Counter({
      name: 'lampyr_s3_received_bytes_total',
      help: 'Content of request bodies',
      registers,
    });
    this.sentBytes = new Counter({
      name: 'lampyr_s3_sent_bytes_total',
      help: 'Documents and content of answers',
      registers,
    });
    this.refusedConnections = new Counter({
      name: 'lampyr_s3_connections_refused_total',
      help: 'Connections closed at once because there were too many',
      registers,
    });
    this.malformedRequests = new Counter({
      name: 'lampyr_s3_malformed_requests_total',
      help: 'Requests that the HTTP parser refused',
      registers,
    });
    gauge(registry, 'lampyr_s3_connections', 'Open connections', now.connections);
    gauge(registry, 'lampyr_s3_requests_in_flight', 'Requests being served', now.requests);
  }

  answered(exchange: Exchange, milliseconds: number): void {
    const operation = exchange.operation ?? 'none';
    this.requests.inc({ operation, status: String(exchange.status) });
    this.seconds.observe({ operation }, milliseconds / 1000);
    if (exchange.errorCode !== undefined) this.errors.inc({ code: exchange.errorCode });
    if (exchange.body !== undefined) this.receivedBytes.inc(exchange.body.receivedBytes);
    if (exchange.sentBytes > 0) this.sentBytes.inc(exchange.sentBytes);
  }

  connectionRefused(): void {
    this.refusedConnections.inc();
  }

  requestMalformed(): void {
    this.malformedRequests.inc();
  }
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  const metric = new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(read());
    },
  });
  registry.registerMetric(metric);
}
