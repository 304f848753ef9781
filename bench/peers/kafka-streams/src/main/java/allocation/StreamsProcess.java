package allocation;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiFunction;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Runs a topology as a peer of the bench, until a signal ends the process. */
public final class StreamsProcess {
  private StreamsProcess() {}

  /** @param topology makes the topology from the names of the topics of commands and events */
  public static void run(BiFunction<String, String, Topology> topology)
      throws InterruptedException {
    var streams =
        new KafkaStreams(topology.apply(env("COMMANDS_TOPIC"), env("EVENTS_TOPIC")), config());
    var ready = new AtomicBoolean(); // it is RUNNING again after every rebalance
    var ended = new CountDownLatch(1);
    streams.setStateListener((state, before) -> {
      if (state == KafkaStreams.State.RUNNING && ready.compareAndSet(false, true))
        System.out.println("ready");
      if (state.hasCompletedShutdown()) ended.countDown();
    });
    // A signal ends the JVM once the hooks have run; System.exit() in one would wait for itself.
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(30))));
    streams.start();
    ended.await();
    if (streams.state() == KafkaStreams.State.ERROR) System.exit(1);
  }

  /**
   * Makes a store in RocksDB with a record cache and a changelog topic. The changelog is on by
   * default. The cache is on by default in the DSL only.
   */
  public static <V> StoreBuilder<KeyValueStore<String, V>> store(String name, Serde<V> values) {
    return Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(name), Serdes.String(), values)
        .withCachingEnabled();
  }

  /**
   * With exactly_once_v2, Streams itself sets acks=all, idempotence, read_committed and a commit
   * every 100 ms.
   */
  private static Properties config() {
    var config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, env("KAFKA_GROUP_ID"));
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env("KAFKA_BROKERS"));
    config.put(StreamsConfig.STATE_DIR_CONFIG, env("STATE_DIRECTORY"));
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1); // of the changelogs: one broker
    return config;
  }

  private static String env(String name) {
    var value = System.getenv(name);
    if (value == null || value.isEmpty())
      throw new IllegalArgumentException(name + " is not set");
    return value;
  }
}
