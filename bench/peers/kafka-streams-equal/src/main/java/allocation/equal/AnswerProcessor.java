package allocation.equal;

import allocation.Command;
import allocation.Event;
import allocation.Product;
import java.util.Objects;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Answers each command once, with the event that the service answers. Keeps the products, the
 * allocated lines and the ids of the answered commands.
 */
final class AnswerProcessor implements Processor<String, Command, String, Event> {
  static final String PRODUCTS = "products";
  static final String LINES = "lines";
  static final String COMMAND_IDS = "command-ids";
  private static final byte[] ANSWERED = {1};

  private ProcessorContext<String, Event> context;
  private CloudEvents cloudEvents;
  private KeyValueStore<String, Product> products;
  private KeyValueStore<String, AllocatedLine> lines;
  private KeyValueStore<String, byte[]> commandIds;

  @Override
  public void init(ProcessorContext<String, Event> context) {
    this.context = context;
    this.cloudEvents = new CloudEvents(context);
    this.products = context.getStateStore(PRODUCTS);
    this.lines = context.getStateStore(LINES);
    this.commandIds = context.getStateStore(COMMAND_IDS);
  }

  @Override
  public void process(Record<String, Command> record) {
    var command = record.value();
    if (commandIds.putIfAbsent(command.id(), ANSWERED) != null) return;
    var event = answer(command);
    if (event == null) return;
    var headers = cloudEvents.headers(event, command, record.headers());
    context.forward(record.withKey(command.sku()).withValue(event).withHeaders(headers));
  }

  /** @return null: the command changes nothing and has no answer */
  private Event answer(Command command) {
    // From Java 21 on a switch over the sealed interface.
    if (command instanceof Command.CreateBatch create) return createBatch(create);
    if (command instanceof Command.AllocateOrder order) return allocate(order);
    throw new IllegalArgumentException("No handler for " + command);
  }

  private Event createBatch(Command.CreateBatch command) {
    var product = products.get(command.sku());
    if (product == null) product = Product.empty(command.sku());
    for (var batch : product.batches()) {
      if (batch.reference().equals(command.reference())) return repeated(command, batch);
    }
    return handled(product, command);
  }

  private static Event repeated(Command.CreateBatch command, Product.Batch batch) {
    if (batch.quantity() == command.quantity() && Objects.equals(batch.eta(), command.eta()))
      return null;
    var detail =
        "Batch %s exists with sku %s, quantity %d, eta %s"
            .formatted(batch.reference(), command.sku(), batch.quantity(), batch.eta());
    return new Event.CommandRejected(
        "CreateBatch", "batch-differs", detail, null, command.reference(), command.sku());
  }

  private Event allocate(Command.AllocateOrder order) {
    var product = products.get(order.sku());
    if (product == null)
      return rejected(
          order, "unknown-sku", "No batch of sku %s was ever created".formatted(order.sku()));
    var key = AllocatedLine.key(order.orderid(), order.sku());
    var line = lines.get(key);
    if (line != null) return allocatedBefore(order, line);
    var event = handled(product, order);
    if (event instanceof Event.Allocated allocated)
      lines.put(key, new AllocatedLine(allocated.qty(), allocated.batchref()));
    return event;
  }

  private static Event allocatedBefore(Command.AllocateOrder order, AllocatedLine line) {
    if (line.qty() == order.qty())
      return new Event.AlreadyAllocated(
          order.orderid(), order.sku(), order.qty(), line.batchref());
    var detail =
        "Order %s has %d of sku %s allocated, not %d"
            .formatted(order.orderid(), line.qty(), order.sku(), order.qty());
    return rejected(order, "line-differs", detail);
  }

  private static Event rejected(Command.AllocateOrder order, String reason, String detail) {
    return new Event.CommandRejected(
        "AllocateOrder", reason, detail, order.orderid(), null, order.sku());
  }

  private Event handled(Product product, Command command) {
    var outcome = product.handle(command);
    products.put(command.sku(), outcome.product());
    return outcome.event();
  }
}
