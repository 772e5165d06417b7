// The launcher's own metrics: whether each role serves, and how often it was restarted.

import { Counter, Gauge, type Registry } from 'prom-client';
import { openMetrics } from '../roles/metrics.ts';
import type { RoleProcess } from './role-process.ts';

export function launcherMetrics(roles: readonly RoleProcess[]): Registry {
  const registry = openMetrics('launcher');
  const labelNames = ['child'] as const;
  const up = new Gauge({
    name: 'lampyr_role_up',
    help: '1 while the role serves, else 0',
    labelNames,
    registers: [],
    collect() {
      for (const { name, state } of roles) this.set({ child: name }, state === 'SERVING' ? 1 : 0);
    },
  });
  const restarted = new Counter({
    name: 'lampyr_role_restarts_total',
    help: 'Starts of the role after its first',
    labelNames,
    registers: [],
    collect() {
      this.reset();
      for (const { name, restarts } of roles) this.inc({ child: name }, restarts);
    },
  });
  registry.registerMetric(up);
  registry.registerMetric(restarted);
  return registry;
}
