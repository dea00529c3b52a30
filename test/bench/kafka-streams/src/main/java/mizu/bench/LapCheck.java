package mizu.bench;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * Reads what is published while it is published, and judges it by id alone: a file of `Feed` makes one lap after the other, and of each group of
 * equal records one must come out once in every lap. The groups: an int for each line, the group's number, or less than 0 for what must not come out.
 */
final class LapCheck {
  private static final Duration POLL = Duration.ofMillis(200);

  private final String bootstrap;
  private final BitSet seen = new BitSet();
  private int[] groups;
  private volatile boolean ended;
  private long outputs;
  private long duplicates;
  private long extra;

  LapCheck(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  /** Until `ended`; answers how many records were read. */
  String run(String topic, String groupsFile, Map<Integer, Long> ends) throws Exception {
    read(groupsFile);
    try (KafkaConsumer<byte[], byte[]> consumer = TopicRead.consumer(bootstrap)) {
      consumer.assign(ends.keySet().stream().map(p -> new TopicPartition(topic, p)).toList());
      ends.forEach((p, end) -> consumer.seek(new TopicPartition(topic, p), 0L));
      while (!ended) {
        var batch = consumer.poll(POLL);
        synchronized (this) {
          for (ConsumerRecord<byte[], byte[]> record : batch) take(TopicRead.avroId(record.value()));
        }
      }
    }
    return Long.toString(outputs);
  }

  private void read(String file) throws Exception {
    int[] all = new int[(int) (Files.size(Path.of(file)) / Integer.BYTES)];
    try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(file))))) {
      for (int i = 0; i < all.length; i++) all[i] = in.readInt();
    }
    groups = all;
  }

  private void take(int id) {
    outputs++;
    int group = groups[id % groups.length];
    if (group < 0) {
      extra++;
      return;
    }
    int bit = place(id, group);
    if (seen.get(bit)) duplicates++;
    seen.set(bit);
  }

  private int place(int id, int group) {
    return id / groups.length * groups.length + group;
  }

  /** The judgement, if records with the ids below `sent` were offered. */
  synchronized String judge(int sent) {
    BitSet wanted = new BitSet();
    for (int id = 0; id < sent; id++) {
      int group = groups[id % groups.length];
      if (group >= 0) wanted.set(place(id, group));
    }
    int distinct = wanted.cardinality();
    wanted.andNot(seen);
    return String.format(
        "{\"outputs\":%d,\"duplicates\":%d,\"extra\":%d,\"lost\":%d,\"wanted\":%d}", outputs, duplicates, extra, wanted.cardinality(), distinct);
  }

  String end() {
    ended = true;
    return "true";
  }
}
