package mizu.bench;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;

/**
 * One process that does to topics what the benchmarks need. Reads requests from standard input, a line each: NUMBER COMMAND ARGUMENTS; answers
 * NUMBER followed by a JSON value, or by `!message`. Requests run side by side. Ends with its input.
 *
 * create TOPIC PARTITIONS [key=value…] · delete TOPIC… · topics PREFIX · ends TOPIC… (sum of the ends that read_committed readers see)
 * · positions TOPIC · sizes PREFIX (bytes on disk by topic) · first TOPIC TEXT (time-stamp of the first record that holds the text, ms since 1970)
 * · load FILE TOPIC LINES · dump TOPIC FILE · follow TOPIC OFFSETS QUIET_MS LIMIT_MS
 * · latency FILE INPUT OUTPUT FORM RATE WARM_S SECONDS · feed FILE TOPIC RATE, allow RECORDS, enough · laps TOPIC GROUPS_FILE, judge RECORDS, unlap
 */
public final class KafkaTool {
  private static final long CREATE_LIMIT_NS = 30_000_000_000L;
  private final String bootstrap;
  private final Admin admin;
  private final Feed feed;
  private final LapCheck laps;

  private KafkaTool(String bootstrap) {
    this.bootstrap = bootstrap;
    admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    feed = new Feed(bootstrap);
    laps = new LapCheck(bootstrap);
  }

  public static void main(String[] args) throws Exception {
    KafkaTool tool = new KafkaTool(args[0]);
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      String[] words = line.split(" ");
      Thread thread = new Thread(() -> tool.answer(words));
      thread.setDaemon(true);
      thread.start();
    }
    System.exit(0);
  }

  private void answer(String[] words) {
    String reply;
    try {
      reply = words[0] + " " + run(words[1], Arrays.asList(words).subList(2, words.length));
    } catch (Exception failure) {
      reply = words[0] + " !" + failure.toString().replace('\n', ' ');
    }
    synchronized (System.out) {
      System.out.println(reply);
      System.out.flush();
    }
  }

  private String run(String command, List<String> args) throws Exception {
    switch (command) {
      case "create":
        Map<String, String> settings =
            args.stream().skip(2).map(pair -> pair.split("=", 2)).collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
        NewTopic topic = new NewTopic(args.get(0), Integer.parseInt(args.get(1)), (short) 1).configs(settings);
        admin.createTopics(List.of(topic)).all().get();
        awaitLeaders(args.get(0));
        return "true";
      case "delete":
        admin.deleteTopics(args).all().get();
        return "true";
      case "topics":
        return admin.listTopics().names().get().stream()
            .filter(name -> name.contains(args.get(0)))
            .sorted()
            .map(name -> '"' + name + '"')
            .collect(Collectors.joining(",", "[", "]"));
      case "ends":
        long sum = 0;
        for (String name : args) for (long end : ends(name).values()) sum += end;
        return Long.toString(sum);
      case "positions":
        return ends(args.get(0)).values().toString();
      case "load":
        return new TopicLoad(bootstrap).load(args.get(0), args.get(1), Integer.parseInt(args.get(2)));
      case "dump":
        return new TopicRead(bootstrap).dump(args.get(0), ends(args.get(0)), args.get(1));
      case "first":
        return new TopicRead(bootstrap).first(args.get(0), ends(args.get(0)), args.get(1));
      case "follow":
        long[] from = Arrays.stream(args.get(1).split(",")).mapToLong(Long::parseLong).toArray();
        return new TopicRead(bootstrap).follow(args.get(0), from, Long.parseLong(args.get(2)), Long.parseLong(args.get(3)));
      case "latency":
        return new Latency(bootstrap, args).measure(ends(args.get(2)));
      case "sizes":
        return sizes(args.get(0));
      case "feed":
        return feed.run(args.get(0), args.get(1), Integer.parseInt(args.get(2)));
      case "allow":
        return feed.allow(Long.parseLong(args.get(0)));
      case "enough":
        return feed.enough();
      case "laps":
        return laps.run(args.get(0), args.get(1), ends(args.get(0)));
      case "judge":
        return laps.judge(Integer.parseInt(args.get(0)));
      case "unlap":
        return laps.end();
      default:
        throw new IllegalArgumentException("no command " + command);
    }
  }

  /** A new topic is known to clients, and has leaders, only some time after it was made. */
  private void awaitLeaders(String topic) throws Exception {
    for (long end = System.nanoTime() + CREATE_LIMIT_NS; ; Thread.sleep(20)) {
      try {
        ends(topic);
        return;
      } catch (ExecutionException notYet) {
        if (System.nanoTime() > end) throw notYet;
      }
    }
  }

  /** What the topics with this in their names hold on disk; segments that are deleted are not counted. */
  private String sizes(String part) throws Exception {
    List<Integer> brokers = admin.describeCluster().nodes().get().stream().map(Node::id).toList();
    Map<String, Long> sizes = new TreeMap<>();
    for (var folders : admin.describeLogDirs(brokers).allDescriptions().get().values())
      for (LogDirDescription folder : folders.values())
        folder.replicaInfos().forEach((replica, info) -> {
          if (replica.topic().contains(part)) sizes.merge(replica.topic(), info.size(), Long::sum);
        });
    return sizes.entrySet().stream().map(one -> '"' + one.getKey() + "\":" + one.getValue()).collect(Collectors.joining(",", "{", "}"));
  }

  /** Last stable offset of every partition: what read_committed readers see. */
  private Map<Integer, Long> ends(String topic) throws Exception {
    TopicDescription description = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    Map<TopicPartition, OffsetSpec> latest =
        description.partitions().stream().collect(Collectors.toMap(p -> new TopicPartition(topic, p.partition()), p -> OffsetSpec.latest()));
    Map<Integer, Long> ends = new TreeMap<>();
    admin.listOffsets(latest, new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all().get()
        .forEach((partition, info) -> ends.put(partition.partition(), info.offset()));
    return ends;
  }
}
