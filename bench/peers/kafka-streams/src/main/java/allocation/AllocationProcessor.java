package allocation;

import static java.nio.charset.StandardCharsets.UTF_8;

import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** Lets the product handle the command, stores the changed product, and forwards the event. */
final class AllocationProcessor implements Processor<String, Command, String, Event> {
  static final String PRODUCTS = "products";

  private ProcessorContext<String, Event> context;
  private KeyValueStore<String, Product> products;

  @Override
  public void init(ProcessorContext<String, Event> context) {
    this.context = context;
    this.products = context.getStateStore(PRODUCTS);
  }

  @Override
  public void process(Record<String, Command> record) {
    var command = record.value();
    var product = products.get(record.key());
    if (product == null) product = Product.empty(record.key());

    var outcome = product.handle(command);

    products.put(record.key(), outcome.product());
    var headers = new RecordHeaders();
    headers.add("ce_causationid", command.id().getBytes(UTF_8));
    headers.add("ce_type", outcome.event().getClass().getSimpleName().getBytes(UTF_8));
    context.forward(record.withValue(outcome.event()).withHeaders(headers));
  }
}
