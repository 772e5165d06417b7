// What one power loss hits at the same moment: a disk and the ordered stores beside it. Units that it may keep
// or lose are named by strings, so that a choice of them spans the devices.

import { createHash } from 'node:crypto';
import { SimDisk } from './disk.ts';
import { SimKv } from './kv.ts';
import type { Trace, TraceEvent } from './trace.ts';

export interface SimDevicesOptions {
  readonly trace?: Trace;
  /** Time that an operation of any device takes; a microtask when absent. */
  readonly delay?: (operation: string) => Promise<void>;
}

export class SimDevices {
  readonly disk: SimDisk;
  private readonly kvs = new Map<string, SimKv>();
  private readonly options: SimDevicesOptions;

  constructor(options: SimDevicesOptions = {}, disk = new SimDisk(options)) {
    this.options = options;
    this.disk = disk;
  }

  /** The ordered store of that name; empty when it was never used. */
  kv(name = 'kv'): SimKv {
    let kv = this.kvs.get(name);
    if (kv === undefined) {
      kv = new SimKv({ ...this.options, name });
      this.kvs.set(name, kv);
    }
    return kv;
  }

  /** Does what a recorded run did; marks do nothing. */
  apply(event: TraceEvent): void {
    if (event.device === 'disk') this.disk.apply(event.operation);
    else if (event.device === 'kv') this.kv(event.kv).apply(event.mutations, event.sync);
  }

  /** Everything that a power loss now may keep or lose. */
  unsynced(): string[] {
    const units = this.disk.unsynced().map(({ id }) => diskUnit(id));
    for (const [name, kv] of this.kvs)
      units.push(...kv.unsynced().map((batch) => kvUnit(name, batch)));
    return units;
  }

  /** After a power loss that keeps exactly the unsynced units for which `survives` holds. */
  crash(survives: (unit: string) => boolean, options: SimDevicesOptions = {}): SimDevices {
    const disk = this.disk.crashKeeping((id) => survives(diskUnit(id)), options);
    const after = new SimDevices(options, disk);
    for (const [name, kv] of this.kvs)
      after.kvs.set(
        name,
        kv.crash((batch) => survives(kvUnit(name, batch)), options),
      );
    return after;
  }

  /** After the death of the process: everything is seen, and what was not synced is still not synced. */
  copy(options: SimDevicesOptions = {}): SimDevices {
    const copy = new SimDevices(options, this.disk.copy(options));
    for (const [name, kv] of this.kvs) copy.kvs.set(name, kv.copy(options));
    return copy;
  }

  /** Equal for devices that show the same. */
  print(): string {
    const hash = createHash('sha1').update(this.disk.print());
    for (const name of [...this.kvs.keys()].toSorted()) {
      const rows = this.kv(name).print();
      // A store that was never written to is one that is not there.
      if (rows !== '') hash.update(`\0${name} ${rows}`);
    }
    return hash.digest('base64');
  }
}

function diskUnit(id: number): string {
  return `disk ${id}`;
}

function kvUnit(name: string, batch: number): string {
  return `${name} ${batch}`;
}
