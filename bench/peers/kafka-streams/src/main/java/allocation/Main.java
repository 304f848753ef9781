package allocation;

import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.Topology;

/** Answers commands with events, and keeps the products in a store, in Kafka's transactions. */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws InterruptedException {
    StreamsProcess.run(Main::topology);
  }

  static Topology topology(String commands, String events) {
    var products =
        StreamsProcess.store(AllocationProcessor.PRODUCTS, JsonSerde.of(Product.class));
    return new Topology()
        .addSource(
            "commands", new StringDeserializer(), JsonSerde.deserializer(Command.class), commands)
        .addProcessor("allocation", AllocationProcessor::new, "commands")
        .addStateStore(products, "allocation")
        .addSink(
            "events", events, new StringSerializer(), JsonSerde.serializer(Event.class),
            "allocation");
  }
}
