// `lampyr user add | list | remove`: identities of a running system.

import type { Identity } from '../../core/model/identities/types.ts';
import { dataSchema, userSchema } from '../config.ts';
import { needAdminClient } from './admin-client.ts';
import { type Command, type Input, type Io, checkInput, jsonSetting } from './command.ts';
import { dataSetting } from './start.ts';
import { table } from './table.ts';

type NewUser = Pick<Identity, 'name' | 'id' | 'displayName' | 'accessKey' | 'secretKey'>;
type ListedUser = Omit<Identity, 'secretKey'>;

const nameArgument = { placeholder: 'NAME', key: 'name' };

const userAdd: Command = {
  name: 'user add',
  summary: 'add a user with access keys for every door',
  argument: nameArgument,
  settings: [
    dataSetting,
    { key: 'displayName', flag: 'display-name', value: 'TEXT', help: 'name shown to others' },
    { key: 'id', flag: 'id', value: 'HEX', help: 'canonical id, 64 hex digits; else generated' },
    { key: 'accessKey', flag: 'access-key', value: 'KEY', help: 'access key; else generated' },
    { key: 'secretKey', flag: 'secret-key', value: 'KEY', help: 'secret key; else generated' },
    jsonSetting,
  ],
  run: async (input, io) => {
    const request = checkInput(userSchema, input);
    const user = (await admin(input).call('POST', '/v1/users', request)) as NewUser;
    if (isJson(input)) io.out(`${JSON.stringify(user)}\n`);
    else
      io.out(
        `user ${user.name} added; the secret key is shown this once\n` +
          `  id          ${user.id}\n` +
          `  access key  ${user.accessKey}\n  secret key  ${user.secretKey}\n`,
      );
    return 0;
  },
};

const userList: Command = {
  name: 'user list',
  summary: 'list users, without their secret keys',
  settings: [dataSetting, jsonSetting],
  run: async (input, io) => {
    const { users } = (await admin(input).call('GET', '/v1/users')) as { users: ListedUser[] };
    if (isJson(input)) return print(io, `${JSON.stringify({ users })}\n`);
    const rows = users.map(({ name, displayName, accessKey, id }) => [
      name,
      displayName,
      accessKey,
      id,
    ]);
    return print(io, `${table(['NAME', 'DISPLAY NAME', 'ACCESS KEY', 'ID'], rows).join('\n')}\n`);
  },
};

const userRemove: Command = {
  name: 'user remove',
  summary: 'remove a user; buckets and objects stay',
  argument: nameArgument,
  settings: [dataSetting, jsonSetting],
  run: async (input, io) => {
    const { name } = checkInput(userSchema.pick({ name: true }), input);
    await admin(input).call('DELETE', `/v1/users/${encodeURIComponent(name)}`);
    return print(io, isJson(input) ? `${JSON.stringify({ name })}\n` : `user ${name} removed\n`);
  },
};

export const userCommands: readonly Command[] = [userAdd, userList, userRemove];

function admin(input: Input): ReturnType<typeof needAdminClient> {
  return needAdminClient(checkInput(dataSchema, input).data);
}

function isJson(input: Input): boolean {
  return input.values['json'] === true;
}

function print(io: Io, text: string): number {
  io.out(text);
  return 0;
}
