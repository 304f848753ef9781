package allocation.equal;

import allocation.Command;
import allocation.JsonSerde;
import allocation.Product;
import allocation.StreamsProcess;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.Topology;

/** Answers commands with the events of the service, and keeps in stores what the service keeps. */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws InterruptedException {
    StreamsProcess.run(Main::topology);
  }

  static Topology topology(String commands, String events) {
    var products = StreamsProcess.store(AnswerProcessor.PRODUCTS, JsonSerde.of(Product.class));
    var lines = StreamsProcess.store(AnswerProcessor.LINES, JsonSerde.of(AllocatedLine.class));
    var commandIds = StreamsProcess.store(AnswerProcessor.COMMAND_IDS, Serdes.ByteArray());
    return new Topology()
        .addSource(
            "commands", new StringDeserializer(), JsonSerde.deserializer(Command.class), commands)
        .addProcessor("answer", AnswerProcessor::new, "commands")
        .addStateStore(products, "answer")
        .addStateStore(lines, "answer")
        .addStateStore(commandIds, "answer")
        .addSink("events", events, new StringSerializer(), CloudEvents.serializer(), "answer");
  }
}
