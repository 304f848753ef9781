import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints a topic as a `read_committed` client sees it, a JSON array for each record: partition,
 * offset, key, CloudEvents id, a hash of the content. Then prints how many more records a
 * `read_uncommitted` client sees: those of aborted transactions.
 */
public class CommittedReader {
  public static void main(String[] arguments) throws Exception {
    String brokers = arguments[0];
    String topic = arguments[1];
    try (var committed = consumer(brokers, "read_committed");
        var everything = consumer(brokers, "read_uncommitted")) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (var info : committed.partitionsFor(topic))
        partitions.add(new TopicPartition(topic, info.partition()));
      Map<TopicPartition, Long> ends = committed.endOffsets(partitions);
      Map<TopicPartition, Long> allEnds = everything.endOffsets(partitions);
      if (!ends.equals(allEnds))
        throw new IllegalStateException("A transaction is open: " + ends + " of " + allEnds);
      long seen = read(committed, ends, CommittedReader::print);
      System.out.printf("aborted %d%n", read(everything, ends, record -> {}) - seen);
    }
  }

  /** Reads up to the ends, and returns the number of records. */
  private static long read(
      KafkaConsumer<String, byte[]> consumer,
      Map<TopicPartition, Long> ends,
      Consumer<ConsumerRecord<String, byte[]>> take) {
    long count = 0;
    consumer.assign(ends.keySet());
    consumer.seekToBeginning(ends.keySet());
    while (ends.entrySet().stream()
        .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
      for (var record : consumer.poll(java.time.Duration.ofMillis(200))) {
        var partition = new TopicPartition(record.topic(), record.partition());
        if (record.offset() >= ends.get(partition)) continue;
        take.accept(record);
        count += 1;
      }
    }
    return count;
  }

  private static KafkaConsumer<String, byte[]> consumer(String brokers, String isolation) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", brokers);
    settings.put("isolation.level", isolation);
    return new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
  }

  private static void print(ConsumerRecord<String, byte[]> record) {
    var id = record.headers().lastHeader("ce_id");
    System.out.printf(
        "[%d,%d,\"%s\",\"%s\",\"%s\"]%n",
        record.partition(),
        record.offset(),
        record.key(),
        id == null ? "" : new String(id.value()),
        contentHash(record));
  }

  /**
   * Returns the SHA-256 of the value, then of the name and value of each header, in the order of
   * the names. The length precedes each of them.
   */
  private static String contentHash(ConsumerRecord<String, byte[]> record) {
    try {
      var hash = MessageDigest.getInstance("SHA-256");
      add(hash, record.value());
      var headers = new TreeMap<String, byte[]>();
      for (var header : record.headers()) headers.put(header.key(), header.value());
      for (var header : headers.entrySet()) {
        add(hash, header.getKey().getBytes("UTF-8"));
        add(hash, header.getValue());
      }
      return HexFormat.of().formatHex(hash.digest());
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  private static void add(MessageDigest hash, byte[] bytes) {
    hash.update(ByteBuffer.allocate(4).putInt(0, bytes == null ? -1 : bytes.length));
    if (bytes != null) hash.update(bytes);
  }
}
