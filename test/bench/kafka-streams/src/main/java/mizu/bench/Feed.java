package mizu.bench;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Writes the lines of a file to a topic again and again, record i to partition i mod 8, with ids that go on: id = i. At a rate (0: as fast as it
 * may), and never beyond what is allowed, so that the topic holds a bounded part that is not read yet.
 */
final class Feed {
  private static final int LINGER_MS = 5;
  private static final int PAUSE_MS = 1;
  private static final String ID = "{\"id\":";

  private final String bootstrap;
  private volatile long allowed;
  private volatile long sent;
  private volatile boolean ended;

  Feed(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  /** Records up to this number may be written; says how many are. */
  String allow(long records) {
    allowed = records;
    return Long.toString(sent);
  }

  String enough() {
    ended = true;
    return Long.toString(sent);
  }

  /** Until `enough`: how many were written. */
  String run(String file, String topic, int rate) throws Exception {
    AtomicReference<Exception> failed = new AtomicReference<>();
    try (KafkaProducer<byte[], byte[]> producer = TopicLoad.producer(bootstrap, LINGER_MS)) {
      long started = System.nanoTime();
      while (!ended) {
        try (BufferedReader lines = Files.newBufferedReader(Path.of(file), StandardCharsets.ISO_8859_1)) {
          for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            while (!ended && sent >= mayBeSent(started, rate)) Thread.sleep(PAUSE_MS);
            if (ended) break;
            if (failed.get() != null) throw failed.get();
            // Every character is one byte of the file, so the bytes stay as they are.
            byte[] value = (ID + sent + line.substring(line.indexOf(','))).getBytes(StandardCharsets.ISO_8859_1);
            producer.send(
                new ProducerRecord<>(topic, (int) (sent % TopicLoad.PARTITIONS), null, value),
                (where, failure) -> {
                  if (failure != null) failed.compareAndSet(null, failure);
                });
            sent++;
          }
        }
      }
    }
    if (failed.get() != null) throw failed.get();
    return Long.toString(sent);
  }

  private long mayBeSent(long started, int rate) {
    long due = rate == 0 ? Long.MAX_VALUE : (long) ((System.nanoTime() - started) / 1e9 * rate);
    return Math.min(allowed, due);
  }
}
