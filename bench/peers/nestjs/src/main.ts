import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { type KafkaOptions, Transport } from '@nestjs/microservices';
import { AppModule, brokers } from './app.module.js';

const { KAFKA_GROUP_ID = '' } = process.env;

const app = await NestFactory.createMicroservice<KafkaOptions>(AppModule, {
  logger: ['error', 'fatal'],
  transport: Transport.KAFKA,
  options: {
    postfixId: '', // else the group is called KAFKA_GROUP_ID-server
    client: { clientId: 'nestjs', brokers },
    consumer: { groupId: KAFKA_GROUP_ID },
    subscribe: { fromBeginning: true },
  },
});
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen();
process.stdout.write('ready\n');
