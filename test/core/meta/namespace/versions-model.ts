// What S3 says of versions, as simply as it can be said: a list per key, the newest first.

import { Buffer } from 'node:buffer';

export interface ModelVersion {
  readonly versionId: string;
  /** undefined: a delete marker. */
  readonly content: string | undefined;
}

export interface ModelItem {
  readonly key: string;
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly deleteMarker: boolean;
}

export class VersionsModel {
  versioning: 'enabled' | 'suspended' | undefined;
  private readonly keys = new Map<string, ModelVersion[]>();

  versions(key: string): ModelVersion[] {
    return this.keys.get(key) ?? [];
  }

  put(key: string, version: ModelVersion): void {
    const older = this.versions(key).filter(
      ({ versionId }) => this.versioning === 'enabled' || versionId !== 'null',
    );
    this.keys.set(key, [version, ...older]);
  }

  remove(key: string, versionId: string): void {
    const left = this.versions(key).filter((version) => version.versionId !== versionId);
    if (left.length > 0) this.keys.set(key, left);
    else this.keys.delete(key);
  }

  /** Keys whose newest version is an object. */
  get objects(): string[] {
    return this.sorted.filter((key) => this.versions(key)[0]?.content !== undefined);
  }

  get items(): ModelItem[] {
    return this.sorted.flatMap((key) =>
      this.versions(key).map(({ versionId, content }, at) => ({
        key,
        versionId,
        isLatest: at === 0,
        deleteMarker: content === undefined,
      })),
    );
  }

  private get sorted(): string[] {
    return [...this.keys.keys()].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }
}
