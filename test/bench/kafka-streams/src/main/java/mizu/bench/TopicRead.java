package mizu.bench;

import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads what is committed. */
final class TopicRead {
  private static final Duration POLL = Duration.ofMillis(50);
  /** Confluent's magic byte and schema id. */
  private static final int AVRO_HEAD_BYTES = 5;

  private final String bootstrap;

  TopicRead(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  static KafkaConsumer<byte[], byte[]> consumer(String bootstrap) {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", bootstrap, "isolation.level", "read_committed", "enable.auto.commit", false, "max.poll.records", 5_000,
            // Who falls behind a retention must hear of it.
            "auto.offset.reset", "none");
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /** The id of a record in Avro, its first field. */
  static int avroId(byte[] value) {
    long zigzag = 0;
    for (int at = AVRO_HEAD_BYTES, shift = 0; ; at++, shift += 7) {
      zigzag |= (long) (value[at] & 0x7f) << shift;
      if (value[at] >= 0) return (int) (zigzag >>> 1);
    }
  }

  private static List<TopicPartition> partitions(String topic, int count) {
    return IntStream.range(0, count).mapToObj(p -> new TopicPartition(topic, p)).collect(Collectors.toList());
  }

  /** Every value up to the ends, as length (4 bytes, big-endian, −1 for none) and bytes. */
  String dump(String topic, Map<Integer, Long> ends, String file) throws Exception {
    long count = 0;
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap);
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Path.of(file)), 1 << 20))) {
      List<TopicPartition> all = partitions(topic, ends.size());
      consumer.assign(all);
      consumer.seekToBeginning(all);
      while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p.partition()))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
          count++;
          out.writeInt(record.value() == null ? -1 : record.value().length);
          if (record.value() != null) out.write(record.value());
        }
      }
    }
    return Long.toString(count);
  }

  /** The time-stamp of the first record of a topic of one partition whose value holds a text. */
  String first(String topic, Map<Integer, Long> ends, String text) {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap)) {
      List<TopicPartition> all = partitions(topic, ends.size());
      consumer.assign(all);
      consumer.seekToBeginning(all);
      while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p.partition())))
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL))
          if (new String(record.value(), StandardCharsets.UTF_8).contains(text)) return Long.toString(record.timestamp());
    }
    throw new IllegalStateException("no record of " + topic + " holds " + text);
  }

  /** When the first record beyond the offsets came on each partition (ms since 1970, 0 for none), and the last one; ends when all came and it is quiet. */
  String follow(String topic, long[] from, long quietMs, long limitMs) {
    long[] firsts = new long[from.length];
    long started = System.currentTimeMillis();
    long last = started;
    long records = 0;
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap)) {
      List<TopicPartition> all = partitions(topic, from.length);
      consumer.assign(all);
      for (TopicPartition p : all) consumer.seek(p, from[p.partition()]);
      while (true) {
        var batch = consumer.poll(POLL);
        long now = System.currentTimeMillis();
        for (ConsumerRecord<byte[], byte[]> record : batch) {
          records++;
          last = now;
          if (firsts[record.partition()] == 0) firsts[record.partition()] = now;
        }
        boolean everywhere = IntStream.range(0, firsts.length).allMatch(p -> firsts[p] > 0);
        if ((everywhere && now - last > quietMs) || now - started > limitMs) break;
      }
    }
    String list = IntStream.range(0, firsts.length).mapToObj(p -> Long.toString(firsts[p])).collect(Collectors.joining(",", "[", "]"));
    return "{\"firsts\":" + list + ",\"last\":" + last + ",\"records\":" + records + "}";
  }
}
