import type { Peer } from '../peer.ts';

export const nestjs: Peer = {
  name: 'NestJS and MikroORM per message',
  directory: import.meta.dirname,
  build: ['npm ci --ignore-scripts --no-audit --no-fund', 'npm run build'],
  command: [process.execPath, 'dist/main.js'],
  isSlow: true,
  doesNot:
    'no outbox and no broker transaction: a crash between its database and its event loses the event or repeats the command, and a command whose handler throws gets none; no validation, no command ids, no dead letters',
};
