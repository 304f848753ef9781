package allocation;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/** Commands in, events out, the products in between in a state store; all of it in Kafka's transactions. */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws InterruptedException {
    var streams = new KafkaStreams(topology(env("COMMANDS_TOPIC"), env("EVENTS_TOPIC")), config());
    var ready = new AtomicBoolean(); // it is RUNNING again after every rebalance
    var ended = new CountDownLatch(1);
    streams.setStateListener((state, before) -> {
      if (state == KafkaStreams.State.RUNNING && ready.compareAndSet(false, true)) System.out.println("ready");
      if (state.hasCompletedShutdown()) ended.countDown();
    });
    // A signal ends the JVM once the hooks have run; System.exit() in one of them would wait for itself.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(30))));
    streams.start();
    ended.await();
    if (streams.state() == KafkaStreams.State.ERROR) System.exit(1);
  }

  static Topology topology(String commands, String events) {
    var products = Stores.keyValueStoreBuilder(
        Stores.persistentKeyValueStore(AllocationProcessor.PRODUCTS), Serdes.String(), JsonSerde.of(Product.class));
    return new Topology()
        .addSource("commands", new StringDeserializer(), JsonSerde.deserializer(Command.class), commands)
        .addProcessor("allocation", AllocationProcessor::new, "commands")
        // Its changelog topic is on by default; the record cache is so in the DSL, but not here.
        .addStateStore(products.withCachingEnabled(), "allocation")
        .addSink("events", events, new StringSerializer(), JsonSerde.serializer(Event.class), "allocation");
  }

  /** With exactly_once_v2, Streams itself sets acks=all, idempotence, read_committed and a commit every 100 ms. */
  private static Properties config() {
    var config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, env("KAFKA_GROUP_ID"));
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env("KAFKA_BROKERS"));
    config.put(StreamsConfig.STATE_DIR_CONFIG, env("STATE_DIRECTORY"));
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1); // of the changelog: there is one broker
    return config;
  }

  private static String env(String name) {
    var value = System.getenv(name);
    if (value == null || value.isEmpty()) throw new IllegalArgumentException(name + " is not set");
    return value;
  }
}
