package allocation.equal;

import static java.nio.charset.StandardCharsets.UTF_8;

import allocation.Command;
import allocation.Event;
import allocation.JsonSerde;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.processor.api.ProcessorContext;

/**
 * Writes events as the service does (src/messages/encode-answer.ts): the value has the data, the
 * headers have everything else.
 */
final class CloudEvents {
  private static final byte[] JSON = bytes("application/json");
  private static final byte[] SPECVERSION = bytes("1.0");
  private static final byte[] SOURCE = bytes("/allocation");
  private static final byte[] ID = bytes("id");
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

  private final ProcessorContext<?, ?> context;
  private long timeMs = Long.MIN_VALUE;
  private byte[] time;

  CloudEvents(ProcessorContext<?, ?> context) {
    this.context = context;
  }

  /** The type and the sequence are headers here. */
  @JsonTypeInfo(use = JsonTypeInfo.Id.NONE)
  @JsonIgnoreProperties("sequence")
  private interface DataOnly {}

  static Serializer<Event> serializer() {
    return JsonSerde.serializer(
        new ObjectMapper().addMixIn(Event.class, DataOnly.class).writer());
  }

  /** @param received the headers of the command, for its correlation id */
  Headers headers(Event event, Command command, Headers received) {
    var place = context.recordMetadata().orElseThrow();
    var type = event.getClass().getSimpleName();
    var causationId = bytes(command.id());
    var correlationId = received.lastHeader("ce_correlationid");
    var headers = new RecordHeaders();
    headers.add("content-type", JSON);
    headers.add("ce_specversion", SPECVERSION);
    headers.add(
        "ce_id", bytes(place.topic() + '/' + place.partition() + '/' + place.offset()));
    headers.add("ce_source", SOURCE);
    headers.add("ce_type", bytes(type));
    headers.add("ce_dataschema", bytes("/allocation/schemas/" + type + "/1"));
    headers.add("ce_subject", bytes(command.sku()));
    headers.add("ce_time", time());
    headers.add("ce_causationid", causationId);
    headers.add(
        "ce_correlationid", correlationId == null ? causationId : correlationId.value());
    headers.add("ce_causationform", ID);
    if (event.sequence() > 0)
      headers.add("ce_sequence", bytes(Long.toString(event.sequence())));
    return headers;
  }

  /** Formats the time once for all events of a millisecond. */
  private byte[] time() {
    var nowMs = context.currentSystemTimeMs();
    if (nowMs != timeMs) {
      timeMs = nowMs;
      time = bytes(TIME.format(Instant.ofEpochMilli(nowMs)));
    }
    return time;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }
}
