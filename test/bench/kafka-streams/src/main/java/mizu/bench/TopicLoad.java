package mizu.bench;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Writes lines of a file to a topic: line i to partition i mod 8, no key. */
final class TopicLoad {
  static final int PARTITIONS = 8;
  private final String bootstrap;

  TopicLoad(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  static KafkaProducer<byte[], byte[]> producer(String bootstrap, int lingerMs) {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", bootstrap, "acks", "all", "linger.ms", lingerMs, "batch.size", 262_144, "buffer.memory", 268_435_456L);
    return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }

  String load(String file, String topic, int lines) throws Exception {
    long started = System.nanoTime();
    AtomicReference<Exception> failed = new AtomicReference<>();
    int sent = 0;
    try (BufferedReader reader = Files.newBufferedReader(Path.of(file)); KafkaProducer<byte[], byte[]> producer = producer(bootstrap, 50)) {
      for (String line = reader.readLine(); line != null && sent < lines; line = reader.readLine(), sent++) {
        producer.send(
            new ProducerRecord<>(topic, sent % PARTITIONS, null, line.getBytes(StandardCharsets.UTF_8)),
            (where, failure) -> {
              if (failure != null) failed.compareAndSet(null, failure);
            });
      }
    }
    if (failed.get() != null) throw failed.get();
    return "{\"records\":" + sent + ",\"seconds\":" + (System.nanoTime() - started) / 1e9 + "}";
  }
}
