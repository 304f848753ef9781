import { Collection, type Rel } from '@mikro-orm/core';
import { Entity, ManyToOne, OneToMany, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** The stock of one sku. The sequence counts its events. */
@Entity()
export class Product {
  @PrimaryKey()
  sku!: string;

  @Property()
  sequence!: number;

  /** In the order of allocation: the batches in stock, then those that are due first. */
  @OneToMany({ entity: () => Batch, mappedBy: 'product', orderBy: [{ eta: 'asc nulls first' }, { id: 'asc' }] })
  batches = new Collection<Batch>(this);

  /** Takes stock from the first batch that has enough. @returns that batch; null: out of stock */
  allocate(qty: number): Batch | null {
    const batch = this.batches.find((candidate) => candidate.has(qty));
    if (batch) batch.allocatedQuantity += qty;
    return batch ?? null;
  }
}

@Entity()
export class Batch {
  @PrimaryKey()
  id!: number;

  @Property()
  reference!: string;

  @ManyToOne({ entity: () => Product, index: true })
  product!: Rel<Product>;

  @Property()
  quantity!: number;

  @Property()
  allocatedQuantity!: number;

  /** An ISO date; null when the batch is in stock. */
  @Property({ type: 'string', nullable: true })
  eta!: string | null;

  has(qty: number): boolean {
    return this.quantity - this.allocatedQuantity >= qty;
  }
}

/** An order's line and the batch that it is taken from. */
@Entity()
export class Allocation {
  @PrimaryKey()
  id!: number;

  @Property()
  orderid!: string;

  @Property()
  qty!: number;

  @ManyToOne({ entity: () => Batch, index: true })
  batch!: Rel<Batch>;
}
