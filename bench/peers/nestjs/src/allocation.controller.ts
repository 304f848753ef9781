import { Controller, Inject } from '@nestjs/common';
import { ClientKafka, EventPattern, Payload } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { AllocationService, type Command } from './allocation.service.js';

export const EVENTS = Symbol('events');

const { COMMANDS_TOPIC = '', EVENTS_TOPIC = '' } = process.env;

/** Answers each command in one transaction of the database, and then publishes one event. */
@Controller()
export class AllocationController {
  constructor(
    private readonly allocation: AllocationService,
    @Inject(EVENTS) private readonly events: ClientKafka,
  ) {}

  @EventPattern(COMMANDS_TOPIC)
  async handle(@Payload() command: Command): Promise<void> {
    const event = await this.allocation.handle(command);
    const headers = { ce_causationid: command.id, ce_type: event.type };
    await lastValueFrom(this.events.emit(EVENTS_TOPIC, { key: event.sku, value: event, headers }));
  }
}
