import type { Peer } from '../peer.ts';

export const kafkajsPerMessage: Peer = {
  name: 'kafkajs per message',
  directory: import.meta.dirname,
  build: null,
  command: [process.execPath, 'main.ts'],
  isSlow: true,
  doesNot:
    'no outbox and no broker transaction: a crash between its database and its event loses the event or repeats the command; no validation, no command ids, no dead letters',
};
