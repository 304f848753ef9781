import { CreateRequestContext, Transactional } from '@mikro-orm/decorators/legacy';
import { EntityManager } from '@mikro-orm/sqlite';
import { Injectable } from '@nestjs/common';
import { Allocation, Batch, Product } from './entities.js';

interface CreateBatch {
  readonly type: 'CreateBatch';
  readonly id: string;
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
}

interface AllocateOrder {
  readonly type: 'AllocateOrder';
  readonly id: string;
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

export type Command = CreateBatch | AllocateOrder;

export interface Event {
  readonly type: 'BatchCreated' | 'Allocated' | 'OutOfStock';
  readonly sku: string;
  readonly sequence: number;
  readonly [field: string]: unknown;
}

@Injectable()
export class AllocationService {
  constructor(private readonly em: EntityManager) {}

  // Without this, all messages would share one identity map.
  @CreateRequestContext()
  @Transactional()
  async handle(command: Command): Promise<Event> {
    const { type, sku } = command;
    if (type !== 'CreateBatch' && type !== 'AllocateOrder') throw new Error(`No handler for ${type}`);
    const product =
      (await this.em.findOne(Product, { sku }, { populate: type === 'AllocateOrder' ? ['batches'] : [] })) ??
      this.em.create(Product, { sku, sequence: 0 });
    product.sequence += 1;
    return type === 'CreateBatch' ? this.createBatch(product, command) : this.allocate(product, command);
  }

  private createBatch(product: Product, { reference, sku, quantity, eta }: CreateBatch): Event {
    this.em.create(Batch, { product, reference, quantity, allocatedQuantity: 0, eta });
    return { type: 'BatchCreated', reference, sku, quantity, eta, sequence: product.sequence };
  }

  private allocate(product: Product, { orderid, sku, qty }: AllocateOrder): Event {
    const { sequence } = product;
    const batch = product.allocate(qty);
    if (!batch) return { type: 'OutOfStock', orderid, sku, qty, sequence };
    this.em.create(Allocation, { orderid, qty, batch });
    return { type: 'Allocated', orderid, sku, qty, batchref: batch.reference, sequence };
  }
}
