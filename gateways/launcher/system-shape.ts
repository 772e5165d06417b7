// How many copies of every chunk a data directory was made for, and in which folders its stores keep them. Chosen at
// the first start, remembered in lampyr.json, and never changed by a flag.

import { isAbsolute, join, relative } from 'node:path';
import { CoreError } from '../../core/base/errors.ts';
import { limits } from '../../core/base/limits.ts';

export interface SystemShape {
  readonly replicas: number;
  /** Folders of the stores, absolute, in order of their numbers from 1. Empty with one replica: the core has its own. */
  readonly stores: readonly string[];
}

/** What a command line says of it. */
export interface WishedShape {
  readonly replicas?: number;
  readonly stores?: readonly string[];
}

/** As lampyr.json has it: folders inside the data directory by their names in it, so that it may be moved. */
export interface ShapeText {
  readonly replicas?: unknown;
  readonly stores?: unknown;
}

/** Of a new directory. @throws CoreError INVALID_ARGUMENT */
export function firstShape(dataDir: string, wish: WishedShape): SystemShape {
  const { replicas = 1 } = wish;
  if (replicas === 1) {
    if (wish.stores !== undefined)
      throw new CoreError('INVALID_ARGUMENT', '--disks goes with --replicas 2 or more');
    return { replicas, stores: [] };
  }
  const stores =
    wish.stores ??
    Array.from({ length: replicas }, (_, at) => join(dataDir, 'stores', String(at + 1)));
  const distinct = new Set(stores).size === stores.length;
  if (stores.length < replicas || stores.length > limits.storesMax || !distinct)
    throw new CoreError(
      'INVALID_ARGUMENT',
      `--disks names ${stores.length} folders; ${replicas} replicas need ${replicas} to ${limits.storesMax}, all different`,
    );
  return { replicas, stores };
}

/** @throws CoreError INVALID_ARGUMENT when a flag asks for another shape than the directory has */
export function refuseOtherShape(path: string, shape: SystemShape, wish: WishedShape): void {
  if (wish.replicas !== undefined && wish.replicas !== shape.replicas)
    throw new CoreError(
      'INVALID_ARGUMENT',
      `${path} was made with --replicas ${shape.replicas}: start it without the flag, or start another ` +
        `--data with --replicas ${wish.replicas} and copy the objects there`,
    );
  const same =
    wish.stores === undefined ||
    (wish.stores.length === shape.stores.length &&
      wish.stores.every((dir, at) => dir === shape.stores[at]));
  if (!same)
    throw new CoreError(
      'INVALID_ARGUMENT',
      `${path} was made with --disks ${shape.stores.join(',')}: start it without the flag`,
    );
}

export function shapeToFile(dataDir: string, { replicas, stores }: SystemShape): ShapeText {
  const inside = (dir: string): string => {
    const name = relative(dataDir, dir);
    return name.startsWith('..') || isAbsolute(name) ? dir : name;
  };
  return { replicas, stores: stores.map(inside) };
}

/** @returns undefined for what this build did not write */
export function shapeFromFile(
  dataDir: string,
  { replicas = 1, stores = [] }: ShapeText,
): SystemShape | undefined {
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 1) return undefined;
  if (!Array.isArray(stores) || !stores.every((dir) => typeof dir === 'string')) return undefined;
  if (stores.length > limits.storesMax || (replicas > 1 && stores.length < replicas))
    return undefined;
  const absolute = stores.map((dir: string) => (isAbsolute(dir) ? dir : join(dataDir, dir)));
  return { replicas, stores: absolute };
}
