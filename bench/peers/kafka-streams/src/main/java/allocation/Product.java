package allocation;

import java.util.ArrayList;
import java.util.List;

/**
 * The stock of one sku. The version counts its events. The batches are in the order in which they
 * are allocated.
 */
public record Product(String sku, long version, List<Batch> batches) {

  /** The eta is null when the batch is in stock, else an ISO date. */
  public record Batch(String reference, String eta, long quantity, long allocatedQuantity) {
    long available() {
      return quantity - allocatedQuantity;
    }

    Batch allocate(long qty) {
      return new Batch(reference, eta, quantity, allocatedQuantity + qty);
    }

    boolean isAfter(Batch other) {
      return eta != null && (other.eta == null || eta.compareTo(other.eta) > 0);
    }
  }

  /** What a command leads to: the changed product, and the event about the change. */
  public record Outcome(Product product, Event event) {}

  public static Product empty(String sku) {
    return new Product(sku, 0, List.of());
  }

  public Outcome handle(Command command) {
    // From Java 21 on a switch over the sealed interface.
    if (command instanceof Command.CreateBatch create) return createBatch(create);
    if (command instanceof Command.AllocateOrder order) return allocate(order);
    throw new IllegalArgumentException("No handler for " + command);
  }

  private Outcome createBatch(Command.CreateBatch command) {
    var batch = new Batch(command.reference(), command.eta(), command.quantity(), 0);
    var changed = new ArrayList<>(batches);
    int index = changed.size();
    while (index > 0 && changed.get(index - 1).isAfter(batch)) index--;
    changed.add(index, batch);
    var event =
        new Event.BatchCreated(
            batch.reference(), sku, batch.quantity(), batch.eta(), version + 1);
    return new Outcome(new Product(sku, version + 1, changed), event);
  }

  private Outcome allocate(Command.AllocateOrder order) {
    for (int index = 0; index < batches.size(); index++) {
      var batch = batches.get(index);
      if (batch.available() < order.qty()) continue;
      var changed = new ArrayList<>(batches);
      changed.set(index, batch.allocate(order.qty()));
      var event =
          new Event.Allocated(
              order.orderid(), sku, order.qty(), batch.reference(), version + 1);
      return new Outcome(new Product(sku, version + 1, changed), event);
    }
    var event = new Event.OutOfStock(order.orderid(), sku, order.qty(), version + 1);
    return new Outcome(new Product(sku, version + 1, batches), event);
  }
}
