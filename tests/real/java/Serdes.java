import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.resolver.ParsedSchema;
import io.apicurio.registry.resolver.ParsedSchemaImpl;
import io.apicurio.registry.resolver.SchemaLookupResult;
import io.apicurio.registry.resolver.SchemaParser;
import io.apicurio.registry.resolver.SchemaResolver;
import io.apicurio.registry.resolver.data.Record;
import io.apicurio.registry.resolver.strategy.ArtifactReference;
import io.apicurio.registry.resolver.strategy.ArtifactReferenceResolverStrategy;
import io.apicurio.registry.rest.client.RegistryClient;
import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.serde.data.KafkaSerdeMetadata;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

/**
 * Apicurio's serializer and deserializer in their Confluent mode, on the registry at the first
 * argument. Each line of stdin is {"topic", "bytes"}, to be read and written again, or {"topic",
 * "schema", "value"}, to be written; each line of stdout is {"bytes", "value"} or {"error"}. With a
 * second argument "confluent" schemas are found through Confluent's API, by a resolver of our own
 * at the place that Apicurio's library has for one; without it through Apicurio's, as it comes.
 */
public final class Serdes {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    boolean isConfluent = arguments.length > 1 && arguments[1].equals("confluent");
    Map<String, Object> options = new HashMap<>();
    options.put("apicurio.registry.url", arguments[0]);
    options.put("apicurio.registry.as-confluent", "true");
    options.put("apicurio.registry.use-id", "contentId");
    options.put("apicurio.registry.headers.enabled", "false");
    options.put("apicurio.registry.auto-register", "true");
    AvroKafkaSerializer<GenericRecord> serializer;
    AvroKafkaDeserializer<GenericRecord> deserializer;
    if (isConfluent) {
      serializer = new AvroKafkaSerializer<>(new ConfluentResolver<>());
      deserializer = new AvroKafkaDeserializer<>();
      deserializer.setSchemaResolver(new ConfluentResolver<>());
    } else {
      serializer = new AvroKafkaSerializer<>();
      deserializer = new AvroKafkaDeserializer<>();
    }
    serializer.configure(options, false);
    deserializer.configure(options, false);

    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode row = JSON.readTree(line);
      String topic = row.get("topic").textValue();
      ObjectNode answer = JSON.createObjectNode();
      try {
        GenericRecord record =
            row.has("bytes")
                ? deserializer.deserialize(
                    topic, HexFormat.of().parseHex(row.get("bytes").textValue()))
                : read(row.get("schema").textValue(), row.get("value"));
        answer.put("bytes", HexFormat.of().formatHex(serializer.serialize(topic, record)));
        answer.put("value", record.toString());
      } catch (Exception error) {
        answer.put("error", error.toString());
      }
      System.out.println(answer);
    }
  }

  private static GenericRecord read(String text, JsonNode value) throws Exception {
    Schema schema = new Schema.Parser().parse(text);
    return new GenericDatumReader<GenericRecord>(schema)
        .read(null, DecoderFactory.get().jsonDecoder(schema, value.toString()));
  }

  /** Uses the latest schema of a record's own subject; without any, registers `topic-value`. */
  private static final class ConfluentResolver<T> implements SchemaResolver<Schema, T> {
    private final HttpClient http = HttpClient.newHttpClient();
    private SchemaParser<Schema, T> parser;
    private String url;

    @Override
    public void configure(Map<String, ?> options, SchemaParser<Schema, T> parser) {
      this.parser = parser;
      this.url = (String) options.get("apicurio.registry.url");
    }

    @Override
    public SchemaLookupResult<Schema> resolveSchema(Record<T> record) {
      ParsedSchema<Schema> schema = parser.getSchemaFromData(record);
      String topic = ((KafkaSerdeMetadata) record.metadata()).getTopic();
      String subject = encode(topic + "-" + schema.getParsedSchema().getFullName());
      JsonNode latest = ask("/subjects/" + subject + "/versions/latest?format=resolved", null);
      if (latest != null) {
        return result(latest.get("id").longValue(), parse(latest));
      }
      ObjectNode body = JSON.createObjectNode();
      body.put("schema", new String(schema.getRawSchema(), StandardCharsets.UTF_8));
      JsonNode answer = ask("/subjects/" + encode(topic + "-value") + "/versions", body);
      return result(answer.get("id").longValue(), schema);
    }

    @Override
    public SchemaLookupResult<Schema> resolveSchemaByArtifactReference(ArtifactReference reference) {
      long id = reference.getContentId();
      JsonNode answer = ask("/schemas/ids/" + id + "?format=resolved", null);
      if (answer == null) {
        throw new IllegalStateException("no schema has the id " + id);
      }
      return result(id, parse(answer));
    }

    private ParsedSchema<Schema> parse(JsonNode answer) {
      byte[] raw = answer.get("schema").textValue().getBytes(StandardCharsets.UTF_8);
      return new ParsedSchemaImpl<Schema>()
          .setParsedSchema(parser.parseSchema(raw, Map.of()))
          .setRawSchema(raw);
    }

    private static SchemaLookupResult<Schema> result(long id, ParsedSchema<Schema> schema) {
      return SchemaLookupResult.<Schema>builder().contentId(id).parsedSchema(schema).build();
    }

    private JsonNode ask(String path, JsonNode body) {
      String type = "application/vnd.schemaregistry.v1+json";
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(url + path)).header("Accept", type);
      if (body != null) {
        request
            .header("Content-Type", type)
            .POST(HttpRequest.BodyPublishers.ofString(body.toString()));
      }
      try {
        HttpResponse<String> response =
            http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() == 404 && body == null) {
          return null;
        }
        if (response.statusCode() != 200) {
          throw new IllegalStateException(response.statusCode() + " " + response.body());
        }
        return JSON.readTree(response.body());
      } catch (java.io.IOException | InterruptedException error) {
        throw new IllegalStateException(error);
      }
    }

    private static String encode(String name) {
      return URLEncoder.encode(name, StandardCharsets.UTF_8);
    }

    @Override
    public void setClient(RegistryClient client) {}

    @Override
    public void setArtifactResolverStrategy(
        ArtifactReferenceResolverStrategy<Schema, T> strategy) {}

    @Override
    public SchemaParser<Schema, T> getSchemaParser() {
      return parser;
    }

    @Override
    public void reset() {}

    @Override
    public void close() {}
  }
}
