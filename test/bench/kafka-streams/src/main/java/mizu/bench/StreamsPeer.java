package mizu.bench;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * W1 on Kafka Streams, exactly once: work on each record, shuffle by content over 8 partitions, keep the first of each content (RocksDB with a
 * changelog), publish; malformed records to a dead-letter topic. Arguments: bootstrap, application, input, output, dead letters, commit interval
 * in ms, state folder, labels.json, then any key=value of StreamsConfig. Prints `FIRST ms` at the first record and `STATE name ms`.
 */
public final class StreamsPeer {
  private static final String STORE = "seen";
  private static final byte[] PRESENT = {1};
  private static final AtomicBoolean STARTED = new AtomicBoolean();

  private StreamsPeer() {}

  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[5]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, args[6]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    for (int i = 8; i < args.length; i++) {
      int at = args[i].indexOf('=');
      settings.put(args[i].substring(0, at), args[i].substring(at + 1));
    }
    Map<String, String> labels = new ObjectMapper().readValue(new File(args[7]), new TypeReference<>() {});
    KafkaStreams streams = new KafkaStreams(topology(args[2], args[3], args[4], labels), settings);
    streams.setStateListener((now, before) -> say("STATE " + now));
    streams.setUncaughtExceptionHandler(
        failure -> {
          failure.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Topology topology(String input, String output, String deadLetters, Map<String, String> labels) {
    Serde<byte[]> bytes = Serdes.ByteArray();
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), bytes, bytes).withCachingEnabled());
    Map<String, KStream<byte[], byte[]>> branches =
        builder.stream(input, Consumed.with(bytes, bytes))
            .process(() -> new Work(labels))
            .split(Named.as("work-"))
            .branch((key, value) -> key != null, Branched.as("kept"))
            .defaultBranch(Branched.as("malformed"));
    branches.get("work-malformed").to(deadLetters, Produced.with(bytes, bytes));
    branches.get("work-kept")
        .repartition(Repartitioned.with(bytes, bytes).withName("shuffle").withNumberOfPartitions(8))
        .process(KeepFirst::new, STORE)
        .to(output, Produced.with(bytes, bytes));
    return builder.build();
  }

  private static void say(String what) {
    System.out.println(what + " " + System.currentTimeMillis());
    System.out.flush();
  }

  /** Kept records leave under their digest, malformed ones without a key. */
  private static final class Work implements Processor<byte[], byte[], byte[], byte[]> {
    private final RecordWork work;
    private ProcessorContext<byte[], byte[]> context;

    Work(Map<String, String> labels) {
      work = new RecordWork(labels);
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (!STARTED.get() && STARTED.compareAndSet(false, true)) say("FIRST");
      switch (work.take(record.value())) {
        case KEPT -> context.forward(record.withKey(work.digest).withValue(work.value));
        case MALFORMED -> context.forward(record.withKey(null));
        case FILTERED -> {}
      }
    }
  }

  private static final class KeepFirst implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> seen;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      seen = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (seen.get(record.key()) != null) return;
      seen.put(record.key(), PRESENT);
      context.forward(record);
    }
  }
}
