import { MessageBus } from '../../src/service-layer/message-bus.ts';

/* The service with a bug: a handler fails on every order whose id begins with `poison`. */

const { handle } = MessageBus.prototype;

MessageBus.prototype.handle = async function (command, unitOfWork) {
  if ('orderid' in command && command.orderid.startsWith('poison'))
    throw new Error('the handler has a bug');
  return handle.call(this, command, unitOfWork);
};

await import('../../src/cli/allocation.ts');
