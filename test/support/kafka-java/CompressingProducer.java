import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Publishes each line of its input to a topic. A line is compression, key and value, with tabs
 * between. Each compression makes one record batch, if that fits.
 */
public class CompressingProducer {
  public static void main(String[] arguments) throws Exception {
    Map<String, KafkaProducer<String, String>> producers = new LinkedHashMap<>();
    Map<String, Future<RecordMetadata>> sent = new LinkedHashMap<>();
    try (var input = new BufferedReader(new InputStreamReader(System.in))) {
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        String[] fields = line.split("\t", 3);
        var producer =
            producers.computeIfAbsent(
                fields[0], compression -> producer(arguments[0], compression));
        var message = new ProducerRecord<>(arguments[1], fields[1], fields[2]);
        sent.put(fields[0], producer.send(message));
      }
    }
    for (var producer : producers.values()) producer.close();
    for (var last : sent.values()) last.get();
  }

  private static KafkaProducer<String, String> producer(String brokers, String compression) {
    Map<String, Object> settings = Map.of(
      "bootstrap.servers", brokers,
      "compression.type", compression,
      "batch.size", 1_000_000,
      "linger.ms", 60_000
    );
    return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
  }
}
