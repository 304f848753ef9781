import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints what a `read_committed` client sees of a topic, a JSON array for each record: partition, offset, key, CloudEvents id. */
public class CommittedReader {
  public static void main(String[] arguments) throws Exception {
    String brokers = arguments[0];
    String topic = arguments[1];
    try (var committed = consumer(brokers, "read_committed"); var everything = consumer(brokers, "read_uncommitted")) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (var info : committed.partitionsFor(topic)) partitions.add(new TopicPartition(topic, info.partition()));
      Map<TopicPartition, Long> ends = committed.endOffsets(partitions);
      Map<TopicPartition, Long> allEnds = everything.endOffsets(partitions);
      if (!ends.equals(allEnds)) throw new IllegalStateException("A transaction is open: " + ends + " of " + allEnds);
      committed.assign(partitions);
      committed.seekToBeginning(partitions);
      while (ends.entrySet().stream().anyMatch(end -> committed.position(end.getKey()) < end.getValue())) {
        for (var record : committed.poll(java.time.Duration.ofMillis(200))) print(record);
      }
    }
  }

  private static KafkaConsumer<String, String> consumer(String brokers, String isolation) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", brokers);
    settings.put("isolation.level", isolation);
    return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
  }

  private static void print(ConsumerRecord<String, String> record) {
    var id = record.headers().lastHeader("ce_id");
    System.out.printf("[%d,%d,\"%s\",\"%s\"]%n", record.partition(), record.offset(), record.key(), id == null ? "" : new String(id.value()));
  }
}
