import type { Peer } from '../peers/peer.ts';

export const twin: Peer = {
  name: 'hand-written twin',
  directory: import.meta.dirname,
  build: null,
  command: [process.execPath, 'main.ts'],
  isSlow: false,
  doesNot:
    'exactly once only while it lives: it writes an outbox and positions, ' +
    'but nothing reads them after a crash, and no other instance is kept out; ' +
    'no validation, no ids (of commands or events), no dead letters, ' +
    'no orders of several lines, no HTTP, one batch of records at a time',
};
