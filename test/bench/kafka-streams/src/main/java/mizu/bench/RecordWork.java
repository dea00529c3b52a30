package mizu.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What W1 does to one record. One instance per thread. */
final class RecordWork {
  enum Verdict { KEPT, FILTERED, MALFORMED }

  private static final Pattern MAIL = Pattern.compile("[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}");
  private static final double LEAST_SCORE = 0.2;
  private static final double SCORE_UNIT = 1e6;
  /** Between the parts of a content: in none of them. */
  private static final char UNIT_SEPARATOR = '\u001f';

  private final Map<String, String> labels;
  private final ObjectMapper json = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
  private final MessageDigest sha256;

  /** After KEPT: SHA-256 of the content, the key that duplicates share. */
  byte[] digest;
  /** After KEPT: the record to publish. */
  byte[] value;

  RecordWork(Map<String, String> labels) {
    this.labels = labels;
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  Verdict take(byte[] line) {
    JsonNode record;
    try {
      record = json.readTree(line);
    } catch (IOException malformed) {
      return Verdict.MALFORMED;
    }
    if (record == null || !record.path("text").isTextual() || !record.path("score").isNumber() || !record.path("category").isTextual()) {
      return Verdict.MALFORMED;
    }
    String text = normalise(record.get("text").textValue());
    Matcher mail = MAIL.matcher(text);
    String email = mail.find() ? mail.group() : null;
    double score = record.get("score").doubleValue();
    if (score < LEAST_SCORE) return Verdict.FILTERED;
    String category = record.get("category").textValue();
    String content = text + UNIT_SEPARATOR + Math.round(score * SCORE_UNIT) + UNIT_SEPARATOR + category;
    digest = sha256.digest(content.getBytes(StandardCharsets.UTF_8));
    ObjectNode out = json.createObjectNode();
    out.set("id", record.get("id"));
    out.put("text", text).put("email", email).put("score", score).put("category", category).put("label", labels.get(category));
    try {
      value = json.writeValueAsBytes(out);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
    return Verdict.KEPT;
  }

  /** ASCII letters lowered, runs of ASCII white space as one space, none at the ends. */
  private static String normalise(String text) {
    StringBuilder out = new StringBuilder(text.length());
    boolean gap = false;
    for (int i = 0; i < text.length(); i++) {
      char unit = text.charAt(i);
      if (unit == ' ' || (unit >= '\t' && unit <= '\r')) {
        gap = true;
        continue;
      }
      if (gap && out.length() > 0) out.append(' ');
      gap = false;
      out.append(unit >= 'A' && unit <= 'Z' ? (char) (unit + 32) : unit);
    }
    return out.toString();
  }
}
