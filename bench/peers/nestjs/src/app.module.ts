import { join } from 'node:path';
import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { MikroOrmModule } from '@mikro-orm/nestjs';
import { MikroORM, SqliteDriver } from '@mikro-orm/sqlite';
import { Module, type OnModuleInit } from '@nestjs/common';
import { ClientsModule, Transport } from '@nestjs/microservices';
import { AllocationController, EVENTS } from './allocation.controller.js';
import { AllocationService } from './allocation.service.js';
import { Allocation, Batch, Product } from './entities.js';

const { KAFKA_BROKERS = '', STATE_DIRECTORY = '' } = process.env;

export const brokers = KAFKA_BROKERS.split(',');

@Module({
  imports: [
    MikroOrmModule.forRoot({
      driver: SqliteDriver,
      dbName: join(STATE_DIRECTORY, 'allocation.db'),
      entities: [Product, Batch, Allocation],
      metadataProvider: ReflectMetadataProvider,
    }),
    ClientsModule.register([
      {
        name: EVENTS,
        transport: Transport.KAFKA,
        options: { client: { clientId: 'nestjs', brokers }, producerOnlyMode: true, send: { acks: -1 } },
      },
    ]),
  ],
  controllers: [AllocationController],
  providers: [AllocationService],
})
export class AppModule implements OnModuleInit {
  constructor(private readonly orm: MikroORM) {}

  async onModuleInit(): Promise<void> {
    const connection = this.orm.em.getConnection(); // the only one: it keeps its pragmas
    await connection.execute('pragma journal_mode = wal');
    await connection.execute('pragma synchronous = full');
    await this.orm.schema.update();
  }
}
