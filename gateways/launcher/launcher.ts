// `lampyr start`: opens the data directory, binds every port, runs the roles as child processes and the admin
// API in its own, says where everything is, and drains in order. Owns no data: everything durable but
// lampyr.json and credentials.json belongs to the core role.

import { rmSync } from 'node:fs';
import { CoreError } from '../../core/base/errors.ts';
import type { Address } from '../../core/env/net.ts';
import type { CoreOperator } from '../admin/operator.ts';
import type { AdminServer } from '../admin/server.ts';
import type { StartConfig } from '../config.ts';
import type { Events } from '../../core/env/events.ts';
import { type Keys, type RootCredentials, openCredentials } from './credentials.ts';
import { type DataDirectory, type WishedShape, openDataDirectory } from './data-directory.ts';
import { type Endpoints, httpUrl, writeEndpoints } from './endpoints.ts';
import { writeFileAtomic } from './files.ts';
import { launcherMetrics } from './metrics.ts';
import { coreAddress, endpointsFile, operatorFile } from './paths.ts';
import { makeRoleConfigs, newToken } from './role-config.ts';
import { Ports, resolveHost } from './ports.ts';
import { RoleProcess } from './role-process.ts';
import type { BoundSocket } from './socket.ts';
import { type SystemStatus, systemStatus } from './status.ts';
import { type RoleName, roleNames } from '../roles/role.ts';

/** What the composition root gives. */
export interface LauncherParts {
  /** The program that children run: dist/gateways/main.js. */
  readonly mainFile: string;
  readonly log: Events;
  /** Lazy: the core may not listen yet, and may restart. */
  readonly connectOperator: (core: Address, token: string) => CoreOperator;
}

export interface Ready {
  readonly endpoints: Endpoints;
  readonly credentials: RootCredentials;
}

/** Doors and the flag that sets their port. */
const doors = { object: { door: 's3', flag: '--s3-port' } } as const;

export class Launcher {
  private readonly config: StartConfig;
  private readonly parts: LauncherParts;
  private readonly operatorToken = newToken();
  private data: DataDirectory | undefined;
  private ports: Ports | undefined;
  private operator: CoreOperator | undefined;
  private admin: AdminServer | undefined;
  private readonly sockets = new Map<string, BoundSocket>();
  private roles: RoleProcess[] = [];
  private opening: Promise<Ready> | undefined;
  private stopping: Promise<void> | undefined;

  constructor(config: StartConfig, parts: LauncherParts) {
    this.config = config;
    this.parts = parts;
  }

  /** Resolves when every door serves. Call once; on failure everything is undone.
   *  @throws CoreError BUSY, DISK_REFUSED, VERSION_UNSUPPORTED, UNAVAILABLE (a port), CANCELLED when stopped
   *  meanwhile, or the reason of a role that cannot start */
  async start(): Promise<Ready> {
    try {
      return await (this.opening = this.open());
    } catch (error) {
      const cancelled = this.stopping !== undefined;
      for (const role of this.roles) role.kill();
      await this.stop();
      throw cancelled ? new CoreError('CANCELLED', 'stopped while starting') : error;
    }
  }

  private async open(): Promise<Ready> {
    const { config, parts } = this;
    const data = (this.data = await openDataDirectory(config.data, wishedShape(config)));
    rmSync(endpointsFile(data.path), { force: true });
    const credentials = openCredentials(data.path, givenKeys(config));
    const host = await resolveHost(config.host, parts.log);
    const ports = (this.ports = new Ports(host, data.afterCrash, parts.log));
    const s3 = await ports.bind(doors.object.flag, config.s3Port);
    this.sockets.set(doors.object.door, s3);
    this.roles = this.makeRoles(data, credentials);
    const core = coreAddress(data.path);
    const operator = (this.operator = parts.connectOperator(core, this.operatorToken));
    // The children load their modules while this process loads those of the admin API.
    const serving = this.startRoles();
    serving.catch(() => undefined);
    this.admin = await this.listenAdmin(ports, operator, credentials);
    const endpoints = { s3: httpUrl(s3), admin: this.admin.url };
    writeFileAtomic(
      operatorFile(data.path),
      `${JSON.stringify({ admin: this.admin.url, token: this.operatorToken })}\n`,
      0o600,
    );

    await serving;
    this.goOn();
    writeEndpoints(data.path, endpoints);
    parts.log.emit('info', 'serving', { dataDir: data.path, ...endpoints });
    return { endpoints, credentials };
  }

  /** Drains the doors, then the core, and lets go of the directory. Repeated calls share one stop. */
  stop(): Promise<void> {
    return (this.stopping ??= this.close());
  }

  /** Ends the children at once, without draining. */
  kill(): void {
    for (const role of this.roles) role.kill();
  }

  status(): Promise<SystemStatus> {
    const dir = this.config.data;
    return systemStatus({ dir, stopping: this.stopping !== undefined }, this.roles, this.operator);
  }

  private async close(): Promise<void> {
    this.parts.log.emit('info', 'stopping');
    this.ports?.giveUp();
    await this.drainRoles();
    // A start under way ends now: its roles are gone, or it sees `stopping` before it makes them.
    await this.opening?.catch(() => undefined);
    await this.drainRoles();
    await this.admin?.close();
    await this.operator?.close();
    await this.data?.close();
  }

  private async drainRoles(): Promise<void> {
    if (this.data !== undefined) rmSync(endpointsFile(this.data.path), { force: true });
    // With the launcher's copies gone, a door that closes its own refuses new connections.
    for (const socket of this.sockets.values()) socket.close();
    this.sockets.clear();
    // In order: a door needs stores and core while it drains, a store its manager.
    for (const role of roleNames.toReversed()) {
      const these = this.roles.filter((each) => each.role === role);
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(these.map((each) => each.drain()));
    }
  }

  private makeRoles(data: DataDirectory, rootKeys: Keys): RoleProcess[] {
    const { s3Domain: s3Domains, logLevel, logFormat } = this.config;
    const { operatorToken } = this;
    const log = { logLevel, logFormat };
    const configs = makeRoleConfigs({ data, rootKeys, operatorToken, s3Domains, ...log });
    return configs.map(
      (config) =>
        new RoleProcess({
          mainFile: this.parts.mainFile,
          config,
          sockets: config.role === 'object' ? this.sockets : new Map(),
          events: this.parts.log,
          // Chains go on without one of them; a new system needs all.
          mayFail: config.role === 'store' && !data.fresh,
        }),
    );
  }

  private async startRoles(): Promise<void> {
    this.goOn();
    // The core first; all stores side by side; a door when they serve.
    const startAll = (role: RoleName, after: Promise<unknown>): Promise<unknown> =>
      Promise.all(this.roles.filter((each) => each.role === role).map((each) => each.start(after)));
    const core = startAll('core', Promise.resolve());
    const stores = startAll('store', core);
    const doorsStart = startAll('object', stores);
    await Promise.all([core, stores, doorsStart]);
  }

  private goOn(): void {
    if (this.stopping !== undefined) throw new CoreError('CANCELLED', 'stopped while starting');
  }

  private async listenAdmin(ports: Ports, core: CoreOperator, root: Keys): Promise<AdminServer> {
    const { adminPort } = this.config;
    const { startAdmin } = await import('../admin/server.ts');
    const registry = launcherMetrics(this.roles);
    return ports.claim('--admin-port', adminPort, () =>
      startAdmin({
        host: ports.host,
        port: adminPort,
        events: this.parts.log,
        operatorToken: this.operatorToken,
        root,
        core,
        roles: () => this.roles,
        status: () => this.status(),
        metrics: async () => [
          await registry.metrics(),
          ...(await Promise.all(this.roles.map((role) => role.metrics()))),
        ],
      }),
    );
  }
}

/** What the command line asks for; the data directory knows what it was made with. */
function wishedShape({ replicas, disks }: StartConfig): WishedShape {
  return {
    ...(replicas === undefined ? {} : { replicas }),
    ...(disks === undefined ? {} : { stores: disks }),
  };
}

function givenKeys(config: StartConfig): Keys | undefined {
  const { accessKey, secretKey } = config;
  return accessKey === undefined || secretKey === undefined ? undefined : { accessKey, secretKey };
}
