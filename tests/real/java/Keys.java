import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's Java client with Avro Java, on the brokers at the first argument. Each line of stdin is
 * one of these, and each answer a line of stdout:
 *
 * <pre>
 * {"id", "schema"}                      a schema, by its id in the registry: no answer
 * {"topic", "key", "value"}             to be sent: {"partition"}
 * {"topic", "partitions", "count"}      to be read: a line {"partition", "key", "value"} for each
 * </pre>
 *
 * Keys and values are {"id", "json"} in Confluent's wire format, or text as it is.
 */
public final class Keys {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<Integer, Schema> SCHEMAS = new HashMap<>();

  public static void main(String[] arguments) throws Exception {
    Map<String, Object> options = Map.of("bootstrap.servers", arguments[0]);
    ByteArraySerializer serializer = new ByteArraySerializer();
    ByteArrayDeserializer deserializer = new ByteArrayDeserializer();
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(options, serializer, serializer);
        KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(options, deserializer, deserializer)) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        JsonNode row = JSON.readTree(line);
        if (row.has("schema")) {
          Schema schema = new Schema.Parser().parse(row.get("schema").textValue());
          SCHEMAS.put(row.get("id").intValue(), schema);
        } else if (row.has("count")) {
          read(consumer, row);
        } else {
          byte[] key = write(row.get("key"));
          byte[] value = write(row.get("value"));
          // Kafka's own partitioner chooses.
          RecordMetadata sent =
              producer.send(new ProducerRecord<>(row.get("topic").textValue(), key, value)).get();
          System.out.println(JSON.createObjectNode().put("partition", sent.partition()));
        }
      }
    }
  }

  private static void read(KafkaConsumer<byte[], byte[]> consumer, JsonNode row) throws Exception {
    String topic = row.get("topic").textValue();
    List<TopicPartition> places =
        IntStream.range(0, row.get("partitions").intValue())
            .mapToObj(number -> new TopicPartition(topic, number))
            .toList();
    consumer.assign(places);
    consumer.seekToBeginning(places);
    int left = row.get("count").intValue();
    long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (left > 0 && System.nanoTime() < end) {
      for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
        ObjectNode answer = JSON.createObjectNode();
        answer.put("partition", record.partition());
        answer.put("key", show(record.key()));
        answer.put("value", show(record.value()));
        System.out.println(answer);
        left--;
      }
    }
  }

  private static byte[] write(JsonNode content) throws Exception {
    if (content.isTextual()) {
      return content.textValue().getBytes(StandardCharsets.UTF_8);
    }
    int id = content.get("id").intValue();
    Schema schema = SCHEMAS.get(id);
    Object datum =
        new GenericDatumReader<Object>(schema)
            .read(
                null, DecoderFactory.get().jsonDecoder(schema, content.get("json").toString()));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<Object>(schema).write(datum, encoder);
    encoder.flush();
    return out.toByteArray();
  }

  private static String show(byte[] content) throws Exception {
    if (content == null) {
      return null;
    }
    ByteBuffer bytes = ByteBuffer.wrap(content);
    if (content.length < 5 || bytes.get() != 0) {
      return new String(content, StandardCharsets.UTF_8);
    }
    Schema schema = SCHEMAS.get(bytes.getInt());
    return new GenericDatumReader<Object>(schema)
        .read(null, DecoderFactory.get().binaryDecoder(content, 5, content.length - 5, null))
        .toString();
  }
}
