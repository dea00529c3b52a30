package mizu.bench;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Offers lines at a steady rate and measures, for each record that comes out, the time from when it was sent to when a read_committed reader
 * has it. Both ends are in this process, so one clock is read; a record is known by its id, so an engine need not carry time-stamps along.
 */
final class Latency {
  private static final Duration POLL = Duration.ofMillis(20);
  /** After the last record was sent, outputs are awaited this long. */
  private static final long TAIL_NS = 5_000_000_000L;

  private final String bootstrap;
  private final String file;
  private final String input;
  private final String output;
  private final boolean avro;
  private final int rate;
  private final int warm;
  private final int total;

  Latency(String bootstrap, List<String> args) {
    this.bootstrap = bootstrap;
    file = args.get(0);
    input = args.get(1);
    output = args.get(2);
    avro = args.get(3).equals("avro");
    rate = Integer.parseInt(args.get(4));
    warm = Integer.parseInt(args.get(5)) * rate;
    total = warm + Integer.parseInt(args.get(6)) * rate;
  }

  String measure(Map<Integer, Long> ends) throws Exception {
    List<byte[]> lines = new ArrayList<>(total);
    try (BufferedReader reader = Files.newBufferedReader(Path.of(file))) {
      for (String line = reader.readLine(); line != null && lines.size() < total; line = reader.readLine())
        lines.add(line.getBytes(StandardCharsets.UTF_8));
    }
    long[] sentAt = new long[lines.size()];
    AtomicReference<Exception> failed = new AtomicReference<>();
    Thread pacer = new Thread(() -> pace(lines, sentAt, failed));
    long[] waits = new long[lines.size()];
    int count = 0;
    try (KafkaConsumer<byte[], byte[]> consumer = TopicRead.consumer(bootstrap)) {
      consumer.assign(ends.keySet().stream().map(p -> new TopicPartition(output, p)).toList());
      ends.forEach((p, end) -> consumer.seek(new TopicPartition(output, p), end));
      pacer.start();
      long quietSince = System.nanoTime();
      while (pacer.isAlive() || System.nanoTime() - quietSince < TAIL_NS) {
        if (pacer.isAlive()) quietSince = System.nanoTime();
        var batch = consumer.poll(POLL);
        long now = System.nanoTime();
        for (ConsumerRecord<byte[], byte[]> record : batch) {
          int id = idOf(record.value());
          if (id >= warm && id < sentAt.length) waits[count++] = now - sentAt[id];
        }
      }
    }
    if (failed.get() != null) throw failed.get();
    return summary(Arrays.copyOf(waits, count));
  }

  private void pace(List<byte[]> lines, long[] sentAt, AtomicReference<Exception> failed) {
    try (KafkaProducer<byte[], byte[]> producer = TopicLoad.producer(bootstrap, 1)) {
      long started = System.nanoTime();
      int next = 0;
      while (next < lines.size()) {
        int due = (int) Math.min(lines.size(), (System.nanoTime() - started) * rate / 1_000_000_000L);
        for (; next < due; next++) {
          sentAt[next] = System.nanoTime();
          producer.send(
              new ProducerRecord<>(input, next % TopicLoad.PARTITIONS, null, lines.get(next)),
              (where, failure) -> {
                if (failure != null) failed.compareAndSet(null, failure);
              });
        }
        Thread.sleep(1);
      }
    } catch (Exception failure) {
      failed.compareAndSet(null, failure);
    }
  }

  /** The id is the first field in either form. */
  private int idOf(byte[] value) {
    if (avro) return TopicRead.avroId(value);
    int id = 0;
    for (int at = "{\"id\":".length(); value[at] >= '0' && value[at] <= '9'; at++) id = id * 10 + value[at] - '0';
    return id;
  }

  private static String summary(long[] waits) {
    Arrays.sort(waits);
    if (waits.length == 0) return "{\"samples\":0}";
    StringBuilder out = new StringBuilder("{\"samples\":" + waits.length);
    for (double q : new double[] {0.5, 0.9, 0.99, 0.999, 1}) {
      long wait = waits[(int) Math.min(waits.length - 1, Math.floor(waits.length * q))];
      out.append(",\"p").append(q * 100 == Math.floor(q * 100) ? Integer.toString((int) (q * 100)) : "99.9");
      out.append("\":").append(wait / 1_000_000.0);
    }
    return out.append('}').toString();
  }
}
