import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;

/** What has to be known of an event or a command; null where it does not say so. */
record Document(String flow, String record, String kind, String action) {
    private static final JsonFactory JSON = new JsonFactory();

    /** Reads all of it, as the gate does: what is no JSON further on is no event. */
    static Document read(byte[] value) {
        String flow = null;
        String record = null;
        String kind = null;
        String action = null;
        try (JsonParser parser = JSON.createParser(value)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new IllegalArgumentException("no object");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "flow_id" -> flow = parser.getText();
                    case "record_id" -> record = parser.getText();
                    case "kind" -> kind = parser.getText();
                    case "action" -> action = parser.getText();
                    default -> parser.skipChildren();
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        if (flow == null) {
            throw new IllegalArgumentException("no flow");
        }
        return new Document(flow, record, kind, action);
    }
}
