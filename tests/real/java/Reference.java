import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.NameValidator;
import org.apache.avro.Resolver;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaNormalization;

/**
 * Asks Avro Java itself. Each line of stdin is {"id", "reader", "writer"}, both schemas as text;
 * each line of stdout tells what Avro Java makes of them.
 */
public final class Reference {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out =
        new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode row = JSON.readTree(line);
      ObjectNode answer = JSON.createObjectNode();
      answer.set("id", row.get("id"));
      Schema reader = describe(row.get("reader").textValue(), answer.putObject("reader"));
      if (row.has("writer")) {
        Schema writer = describe(row.get("writer").textValue(), answer.putObject("writer"));
        if (reader != null && writer != null) {
          compare(reader, writer, answer);
          answer.put("decodes", decodes(reader, writer));
        }
      }
      out.write(JSON.writeValueAsString(answer));
      out.write('\n');
    }
    out.flush();
  }

  private static Schema describe(String text, ObjectNode answer) {
    answer.put("strict", parse(text, NameValidator.STRICT_VALIDATOR, true, null) != null);
    answer.put("stored", parse(text, NameValidator.NO_VALIDATION, false, null) != null);
    Schema schema = parse(text, NameValidator.UTF_VALIDATOR, true, answer);
    if (schema == null) {
      return null;
    }
    try {
      answer.put("canonical", SchemaNormalization.toParsingForm(schema));
      answer.put("crc64", SchemaNormalization.parsingFingerprint64(schema));
      answer.put("md5", hex(SchemaNormalization.parsingFingerprint("MD5", schema)));
      answer.put("sha256", hex(SchemaNormalization.parsingFingerprint("SHA-256", schema)));
      answer.put("text", schema.toString());
    } catch (Exception | StackOverflowError error) {
      answer.put("failure", String.valueOf(error));
    }
    return schema;
  }

  private static Schema parse(
      String text, NameValidator names, boolean checksDefaults, ObjectNode answer) {
    try {
      return new Schema.Parser(names).setValidateDefaults(checksDefaults).parse(text);
    } catch (Exception | StackOverflowError error) {
      if (answer != null) {
        answer.put("error", String.valueOf(error));
      }
      return null;
    }
  }

  private static void compare(Schema reader, Schema writer, ObjectNode answer) {
    try {
      SchemaCompatibility.SchemaCompatibilityResult result =
          SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult();
      answer.put("compatible", result.getIncompatibilities().isEmpty());
      ArrayNode found = answer.putArray("incompatibilities");
      for (SchemaCompatibility.Incompatibility one : result.getIncompatibilities()) {
        found.addArray().add(one.getType().name()).add(one.getLocation()).add(one.getMessage());
      }
    } catch (Exception | StackOverflowError error) {
      answer.put("exception", String.valueOf(error.getMessage()));
    }
  }

  /** Whether the decoder stops nowhere, whatever the data. */
  private static boolean decodes(Schema reader, Schema writer) {
    Deque<Resolver.Action> waiting = new ArrayDeque<>();
    Set<Resolver.Action> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    try {
      waiting.add(Resolver.resolve(writer, reader));
    } catch (AvroRuntimeException | StackOverflowError error) {
      return false;
    }
    while (!waiting.isEmpty()) {
      Resolver.Action action = waiting.pop();
      if (!seen.add(action)) {
        continue;
      }
      if (action instanceof Resolver.ErrorAction) {
        return false;
      } else if (action instanceof Resolver.RecordAdjust) {
        waiting.addAll(List.of(((Resolver.RecordAdjust) action).fieldActions));
      } else if (action instanceof Resolver.Container) {
        waiting.add(((Resolver.Container) action).elementAction);
      } else if (action instanceof Resolver.ReaderUnion) {
        waiting.add(((Resolver.ReaderUnion) action).actualAction);
      } else if (action instanceof Resolver.WriterUnion) {
        Resolver.WriterUnion union = (Resolver.WriterUnion) action;
        if (!union.unionEquiv) {
          waiting.addAll(List.of(union.actions));
        }
      } else if (action instanceof Resolver.EnumAdjust) {
        for (int position : ((Resolver.EnumAdjust) action).adjustments) {
          if (position < 0) {
            return false;
          }
        }
      }
    }
    return true;
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }
}
